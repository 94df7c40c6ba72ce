#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/dynamodb.h"
#include "common/delivery/ledger_record.h"

static void test_round_trip_keeps_every_member(void **state)
{
    (void)state;
    struct ledger_record *r = ledger_record_new();
    r->state = LEDGER_DEAD;
    r->attempts = 6;
    r->seq = 3;
    r->revision = 2;
    r->not_before_ms = 1795253400123;
    r->first_failed_at_ms = 1795253400124;
    r->failed_at_ms = 1795253400125;
    r->at_ms = 1795253400126;
    ledger_record_set(&r->payload, "ab");
    ledger_record_set(&r->trace_id, "T");
    ledger_record_set(&r->history, "[]");
    ledger_record_set(&r->error, "e");
    ledger_record_set(&r->error_class, "exhausted");
    ledger_record_set(&r->dlq_key, "dlq/x.json");
    ledger_record_set(&r->message_id, "m");
    json_t *item = ledger_record_to_item(r);
    struct ledger_record *again = ledger_record_from_item(item);
    json_t *item_again = ledger_record_to_item(again);
    assert_true(json_equal(item, item_again));
    assert_int_equal(again->state, LEDGER_DEAD);
    assert_int_equal(again->not_before_ms, 1795253400123);
    assert_string_equal(again->dlq_key, "dlq/x.json");
    json_decref(item_again);
    json_decref(item);
    ledger_record_free(again);
    ledger_record_free(r);
}

static void test_strange_items_are_read_as_absent(void **state)
{
    (void)state;
    json_t *item = json_pack("{s:{s:s}, s:{s:s}, s:s, s:{s:s}}", "attempts", "N", "-5", "seq", "N",
                             "99999999999999", "history", "no object", "state", "S", "nonsense");
    struct ledger_record *r = ledger_record_from_item(item);
    assert_int_equal(r->attempts, 0);
    assert_int_equal(r->seq, INT32_MAX);
    assert_string_equal(r->history, "");
    assert_int_equal(r->state, LEDGER_OPEN);
    ledger_record_free(r);
    json_decref(item);
}

static void test_history_keeps_the_last_ten(void **state)
{
    (void)state;
    struct ledger_record *r = ledger_record_new();
    for (int i = 1; i <= 13; i++) {
        char error[32];
        snprintf(error, sizeof(error), "failure %d", i);
        r->attempts = i;
        ledger_record_failure(r, 1795253400000 + i, error, 500, 7);
    }
    json_t *history = json_loads(r->history, 0, NULL);
    assert_int_equal(json_array_size(history), LEDGER_HISTORY_MAX);
    const json_t *first = json_array_get(history, 0);
    assert_int_equal(json_integer_value(json_object_get(first, "attempt")), 4);
    assert_int_equal(r->first_failed_at_ms, 1795253400001);
    char *last = ledger_record_last_error(r);
    assert_string_equal(last, "failure 13");
    free(last);
    json_decref(history);
    ledger_record_free(r);
}

static void test_long_errors_are_cut_between_characters(void **state)
{
    (void)state;
    struct ledger_record *r = ledger_record_new();
    char error[301];
    for (int i = 0; i < 300; i += 3)
        memcpy(error + i, "\xe2\x82\xac", 3);
    error[300] = '\0';
    ledger_record_failure(r, 1, error, 0, 0);
    char *last = ledger_record_last_error(r);
    assert_int_equal(strlen(last), 198);
    free(last);
    ledger_record_failure(r, 2, "\xff\xfe", 0, 0);
    last = ledger_record_last_error(r);
    assert_true(strlen(last) > 0);
    free(last);
    ledger_record_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_keeps_every_member),
        cmocka_unit_test(test_strange_items_are_read_as_absent),
        cmocka_unit_test(test_history_keeps_the_last_ten),
        cmocka_unit_test(test_long_errors_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
