#include "common/delivery/deadletter_object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/xalloc.h"

#define FIRST_MS INT64_C(1795253400124) /* 2026-11-21T09:30:00.124Z */
#define FAILED_MS INT64_C(1795257000999)

static struct webhook *hook_of(const void *body, size_t len)
{
    struct webhook *h = xcalloc(1, sizeof(*h));
    strcpy(h->trace_id, "01KTRACE");
    h->source = xstrdup("cxone");
    h->event_id = xstrdup("t_456+evt_123");
    h->content_type = xstrdup("application/json");
    h->schema_version = xstrdup("v2.1");
    h->received_at_ms = FIRST_MS - 1000;
    h->body = xmemdup(len ? body : "", len ? len : 1);
    h->body_len = len;
    return h;
}

static struct ledger_record *record_of(int failures)
{
    struct ledger_record *r = ledger_record_new();
    r->state = LEDGER_DYING;
    ledger_record_set(&r->trace_id, "01KTRACE");
    for (int i = 0; i < failures; i++) {
        char error[32];
        snprintf(error, sizeof(error), "failure %d", i + 1);
        r->attempts = i + 1;
        ledger_record_failure(r, FIRST_MS + i, error, 500, 7);
    }
    r->failed_at_ms = FAILED_MS;
    ledger_record_set(&r->error, "failure");
    ledger_record_set(&r->error_class, "exhausted");
    return r;
}

static struct deadletter_object *object_of(const void *body, size_t len, int failures)
{
    struct webhook *h = hook_of(body, len);
    struct ledger_record *r = record_of(failures);
    const struct deadletter_facts facts = {.hook = h,
                                           .record = r,
                                           .destination = "trial",
                                           .ledger_id = "trial|cxone|t_456+evt_123",
                                           .message_id = "m-1",
                                           .dlq = true};
    struct deadletter_object *o = deadletter_object_new(&facts);
    webhook_free(h);
    ledger_record_free(r);
    return o;
}

static struct deadletter_object *stored(const struct deadletter_object *o)
{
    char reason[200] = "";
    size_t len;
    char *text = deadletter_object_text(o, &len);
    struct deadletter_object *again = deadletter_object_parse(text, len, reason, sizeof(reason));
    assert_string_equal(reason, "");
    assert_non_null(again);
    assert_true(json_equal(o->json, again->json));
    free(text);
    return again;
}

struct odd {
    const char *bytes;
    size_t len;
    const char *encoding;
    const char *event; /* as it shows, or NULL for null */
};
#define ODD(text, encoding, event)                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1, encoding, event                                                    \
    }

static void an_unread_body_is_kept_but_not_shown(void **state)
{
    (void)state;
    char reason[200];
    struct webhook *h = hook_of("{\"a\":1}", 7);
    struct ledger_record *r = record_of(1);
    const struct deadletter_facts facts = {.hook = h,
                                           .record = r,
                                           .destination = "trial",
                                           .ledger_id = "",
                                           .message_id = "m-1",
                                           .unread = true};
    struct deadletter_object *o = deadletter_object_new(&facts);
    assert_true(json_is_null(json_object_get(o->json, "original_event")));
    struct webhook *again = deadletter_object_webhook(o, reason, sizeof(reason));
    assert_int_equal(again->body_len, 7);
    assert_memory_equal(again->body, h->body, 7);
    webhook_free(again);
    webhook_free(h);
    ledger_record_free(r);
    deadletter_object_free(o);
}

static void odd_bodies_come_back_byte_for_byte(void **state)
{
    (void)state;
    static const struct odd bodies[] = {
        ODD("{\"a\":1}", "raw", "{\"a\":1}"),
        ODD("", "empty", NULL),
        ODD(" ", "raw", NULL),
        ODD("{\"big\":123456789012345678901234567890}", "raw", NULL),
        ODD("{\"cost\": 100.10}", "raw", "{\"cost\":"),
        ODD("{\"a\":1,\"a\":2}", "raw", "{\"a\":2}"),
        ODD("{\"e\":\"\\u00e9\\/\\ud83d\\ude00 \xc3\xa9\"}", "raw", "{\"e\":"),
        ODD("{\"e\":\"\\ud800\"}", "raw", NULL),
        ODD("{\"e\":\"\\u0000\"}", "raw", NULL),
        ODD("\"text\"", "raw", "\"text\""),
        ODD("17", "raw", "17"),
        ODD("{\"a\":\"\xff\"}", "base64", NULL),
        ODD("a\0b", "base64", NULL),
        ODD("\x01\x02", "base64", NULL),
        ODD("\xef\xbf\xbf", "raw", NULL),
        ODD("line\r\n\ttwo", "raw", NULL),
        ODD("<xml/>", "raw", NULL),
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct deadletter_object *o = object_of(bodies[i].bytes, bodies[i].len, 6);
        struct deadletter_object *again = stored(o);
        char reason[200] = "";
        struct webhook *h = deadletter_object_webhook(again, reason, sizeof(reason));
        assert_string_equal(reason, "");
        assert_int_equal(h->body_len, bodies[i].len);
        assert_memory_equal(h->body, bodies[i].bytes, bodies[i].len);
        assert_string_equal(json_string_value(json_object_get(again->json, "original_encoding")),
                            bodies[i].encoding);
        char *event = json_dumps(json_object_get(again->json, "original_event"),
                                 JSON_COMPACT | JSON_ENCODE_ANY);
        if (bodies[i].event)
            assert_memory_equal(event, bodies[i].event, strlen(bodies[i].event));
        else
            assert_string_equal(event, "null");
        free(event);
        assert_string_equal(h->event_id, "t_456+evt_123");
        assert_string_equal(h->schema_version, "v2.1");
        assert_string_equal(h->trace_id, "01KTRACE");
        assert_int_equal(h->received_at_ms, FIRST_MS - 1000);
        webhook_free(h);
        deadletter_object_free(again);
        deadletter_object_free(o);
    }
}

static void every_member_is_there(void **state)
{
    (void)state;
    struct deadletter_object *o = object_of("{}", 2, 6);
    char *text = json_dumps(o->json, JSON_COMPACT);
    struct deadletter_object *same = object_of("{}", 2, 6);
    char *text_again = json_dumps(same->json, JSON_COMPACT);
    assert_string_equal(text, text_again);
    json_t *attempts = json_object_get(o->json, "attempts");
    assert_int_equal(json_array_size(attempts), 6);
    json_object_set_new(o->json, "attempts", json_null());
    free(text);
    text = json_dumps(o->json, JSON_COMPACT);
    assert_string_equal(
        text, "{\"trace_id\":\"01KTRACE\",\"source\":\"cxone\",\"event_id\":\"t_456+evt_123\","
              "\"schema_version\":\"v2.1\",\"original_event\":{},\"original_body\":\"{}\","
              "\"original_encoding\":\"raw\",\"content_type\":\"application/json\","
              "\"error\":\"failure\",\"error_class\":\"exhausted\","
              "\"failed_at\":\"2026-11-21T10:30:00.999Z\","
              "\"first_failed_at\":\"2026-11-21T09:30:00.124Z\","
              "\"received_at\":\"2026-11-21T09:29:59.124Z\",\"retry_count\":5,\"attempts\":null,"
              "\"sha256\":\"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\","
              "\"redrives\":0,\"parked\":false,\"revision\":0,\"message_id\":\"m-1\",\"dlq\":true,"
              "\"ledger_key\":{\"destination\":\"trial\",\"source\":\"cxone\","
              "\"event_id\":\"t_456+evt_123\",\"id\":\"trial|cxone|t_456+evt_123\"}}");
    free(text);
    free(text_again);
    deadletter_object_free(same);
    deadletter_object_free(o);
}

static void a_claim_comes_and_goes(void **state)
{
    (void)state;
    struct deadletter_object *o = object_of("{}", 2, 6);
    assert_false(deadletter_object_is_claimed(o, FAILED_MS));
    deadletter_object_claim(o, "host-a/17", FAILED_MS + 5000);
    struct deadletter_object *again = stored(o);
    assert_string_equal(again->claimed_by, "host-a/17");
    assert_true(deadletter_object_is_claimed(again, FAILED_MS + 4999));
    assert_false(deadletter_object_is_claimed(again, FAILED_MS + 5000));
    deadletter_object_release(again);
    assert_string_equal(again->claimed_by, "");
    assert_null(json_object_get(again->json, "claimed_until"));
    deadletter_object_free(again);
    deadletter_object_free(o);
}

static void a_failed_redrive_updates_it(void **state)
{
    (void)state;
    struct deadletter_object *o = object_of("{}", 2, 6);
    const struct deadletter_attempt attempt = {
        .at_ms = FAILED_MS + 100000, .error = "still \xff down", .status = 75, .took_ms = 20};
    for (int i = 1; i <= 2; i++) {
        deadletter_object_claim(o, "x", FAILED_MS * 2);
        deadletter_object_failed(o, &attempt, "destination", 2);
        assert_int_equal(o->retry_count, 5 + i);
        assert_int_equal(o->redrives, i);
        assert_int_equal(o->parked, i == 2);
        assert_false(deadletter_object_is_claimed(o, FAILED_MS));
    }
    struct deadletter_object *again = stored(o);
    const json_t *attempts = json_object_get(again->json, "attempts");
    assert_int_equal(json_array_size(attempts), 8);
    const json_t *last = json_array_get(attempts, 7);
    assert_int_equal(json_integer_value(json_object_get(last, "attempt")), 8);
    assert_string_equal(json_string_value(json_object_get(last, "error")), "still %FF down");
    assert_string_equal(again->error_class, "destination");
    assert_int_equal(again->failed_at_ms, FAILED_MS + 100020);
    assert_int_equal(again->first_failed_at_ms, FIRST_MS);
    deadletter_object_free(again);
    deadletter_object_free(o);
}

static void history_is_bounded(void **state)
{
    (void)state;
    struct deadletter_object *o = object_of("{}", 2, 6);
    const struct deadletter_attempt attempt = {.at_ms = FAILED_MS, .error = "e"};
    for (int i = 0; i < DEADLETTER_OBJECT_ATTEMPTS; i++)
        deadletter_object_failed(o, &attempt, "destination", 1000);
    const json_t *attempts = json_object_get(o->json, "attempts");
    assert_int_equal(json_array_size(attempts), DEADLETTER_OBJECT_ATTEMPTS);
    const json_t *first = json_array_get(attempts, 0);
    assert_string_equal(json_string_value(json_object_get(first, "error")), "e");
    deadletter_object_free(o);
}

static void a_later_round_keeps_the_first(void **state)
{
    (void)state;
    struct deadletter_object *old = object_of("{\"a\":1}", 7, 6);
    json_object_set_new(old->json, "note", json_string("by hand"));
    const struct deadletter_attempt redrive = {
        .at_ms = FAILED_MS + 1000, .error = "redrive", .took_ms = 1};
    deadletter_object_failed(old, &redrive, "destination", 1);
    deadletter_object_claim(old, "x", 1);

    struct webhook *h = hook_of("{\"a\":1}", 7);
    h->received_at_ms += 500000;
    struct ledger_record *r = record_of(6); /* the record kept its history of the first round */
    r->attempts = 2;
    ledger_record_failure(r, FAILED_MS + 9000, "second round", 0, 1);
    r->failed_at_ms = FAILED_MS + 10000;
    ledger_record_set(&r->error, "second round");
    const struct deadletter_facts facts = {
        .hook = h, .record = r, .destination = "trial", .ledger_id = "i", .message_id = "m-2"};
    struct deadletter_object *round = deadletter_object_new(&facts);
    deadletter_object_delivered(old, FAILED_MS + 5000);
    assert_int_equal(old->delivered_at_ms, FAILED_MS + 5000);
    struct deadletter_object *next = deadletter_object_next_round(old, round);
    assert_int_equal(next->delivered_at_ms, 0);
    assert_int_equal(next->retry_count, 6 + 1 + 1);
    assert_int_equal(next->redrives, 0);
    assert_false(next->parked);
    assert_string_equal(next->claimed_by, "");
    assert_int_equal(next->first_failed_at_ms, FIRST_MS);
    assert_int_equal(next->received_at_ms, FIRST_MS - 1000);
    assert_int_equal(next->failed_at_ms, FAILED_MS + 10000);
    assert_string_equal(next->error, "second round");
    assert_string_equal(next->message_id, "m-2");
    assert_false(next->dlq);
    assert_string_equal(json_string_value(json_object_get(next->json, "note")), "by hand");
    const json_t *attempts = json_object_get(next->json, "attempts");
    assert_int_equal(json_array_size(attempts), 8); /* six, the redrive, the new one */
    assert_int_equal(json_array_size(json_object_get(old->json, "attempts")), 7);
    assert_true(old->parked);
    deadletter_object_free(next);
    deadletter_object_free(round);
    deadletter_object_free(old);
    ledger_record_free(r);
    webhook_free(h);
}

static void what_is_no_dead_letter_is_refused(void **state)
{
    (void)state;
    static const char *const others[] = {
        "", "[]", "{}", "\"x\"", "{\"trace_id\":\"T\"}", "{", "{\"trace_id\":1}"};
    char reason[200];
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        reason[0] = '\0';
        assert_null(deadletter_object_parse(others[i], strlen(others[i]), reason, sizeof(reason)));
        assert_true(*reason);
    }
    static const char *const changes[][2] = {
        {"original_body", "{ }"},
        {"original_encoding", "base64"},
        {"original_encoding", "empty"},
        {"original_encoding", "rot13"},
        {"sha256", "00"},
        {"trace_id", "0123456789012345678901234567890123456789x"}};
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct deadletter_object *o = object_of("{}", 2, 1);
        json_object_set_new(o->json, changes[i][0], json_string(changes[i][1]));
        struct deadletter_object *again = stored(o);
        reason[0] = '\0';
        assert_null(deadletter_object_webhook(again, reason, sizeof(reason)));
        assert_true(*reason);
        deadletter_object_free(again);
        deadletter_object_free(o);
    }
}

/* Readable by itself, but not one level further down. */
static void an_event_nested_too_deeply_gives_way(void **state)
{
    (void)state;
    char deep[4097];
    int levels = 0;
    for (int n = 1; n <= 2048; n++) {
        memset(deep, '[', (size_t)n);
        memset(deep + n, ']', (size_t)n);
        json_t *json = json_loadb(deep, (size_t)(2 * n), 0, NULL);
        if (json)
            levels = n;
        json_decref(json);
    }
    memset(deep, '[', (size_t)levels);
    memset(deep + levels, ']', (size_t)levels);
    struct deadletter_object *o = object_of(deep, (size_t)(2 * levels), 1);
    assert_true(json_is_null(json_object_get(o->json, "original_event")));
    struct deadletter_object *again = stored(o);
    char reason[200];
    struct webhook *h = deadletter_object_webhook(again, reason, sizeof(reason));
    assert_int_equal(h->body_len, 2 * levels);
    webhook_free(h);
    deadletter_object_free(again);
    deadletter_object_free(o);
}

static void objects_stay_small_enough_to_be_read(void **state)
{
    (void)state;
    size_t len = 1 << 20;
    char *body = xmalloc(len);
    const char pattern[] = "1e-9,"; /* grows to 23 bytes where it is written out */
    body[0] = '[';
    for (size_t i = 1; i < len; i++)
        body[i] = pattern[(i - 1) % 5];
    body[len - 2] = '1';
    body[len - 1] = ']';
    body[len - 3] = ',';
    body[len - 4] = '1';
    body[len - 5] = ',';
    body[len - 6] = '1';
    body[len - 7] = ',';
    body[len - 8] = '1';
    struct deadletter_object *o = object_of(body, len, 1);
    size_t text_len;
    char *text = deadletter_object_text(o, &text_len);
    assert_true(text_len <= DEADLETTER_OBJECT_BYTES);
    free(text);
    deadletter_object_free(o);
    free(body);
}

static void keys_and_metadata(void **state)
{
    (void)state;
    char key[DEADLETTER_OBJECT_KEY_BYTES];
    deadletter_object_key("dlq/", FIRST_MS, "01KTRACE", NULL, key);
    assert_string_equal(key, "dlq/year=2026/month=11/day=21/hour=09/01KTRACE.json");
    deadletter_object_key("", FIRST_MS, "T", "44136fa355b3678a1146ad16f7e8649e94fb4fc2", key);
    assert_string_equal(key, "year=2026/month=11/day=21/hour=09/T-44136fa355b3678a.json");
    static const char *const ids[][2] = {{"plain", "plain"},
                                         {"a b", "a b"},
                                         {" a  b ", "%20a %20b%20"},
                                         {"caf\xc3\xa9\r\nX: y", "caf%C3%A9%0D%0AX: y"},
                                         {"", ""}};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct deadletter_object *o = object_of("{}", 2, 6);
        struct deadletter_metadata m;
        json_object_set_new(o->json, "event_id", json_string(ids[i][0]));
        o->event_id = ids[i][0];
        deadletter_object_metadata(o, &m);
        assert_int_equal(m.count, 3);
        assert_string_equal(m.headers[0].name, "event_id");
        assert_string_equal(m.headers[0].value, ids[i][1]);
        assert_string_equal(m.headers[1].name, "schema_ver");
        assert_string_equal(m.headers[1].value, "v2.1");
        assert_string_equal(m.headers[2].name, "retry_count");
        assert_string_equal(m.headers[2].value, "5");
        deadletter_metadata_free(&m);
        deadletter_object_free(o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unread_body_is_kept_but_not_shown),
        cmocka_unit_test(odd_bodies_come_back_byte_for_byte),
        cmocka_unit_test(every_member_is_there),
        cmocka_unit_test(a_claim_comes_and_goes),
        cmocka_unit_test(a_failed_redrive_updates_it),
        cmocka_unit_test(history_is_bounded),
        cmocka_unit_test(a_later_round_keeps_the_first),
        cmocka_unit_test(what_is_no_dead_letter_is_refused),
        cmocka_unit_test(an_event_nested_too_deeply_gives_way),
        cmocka_unit_test(objects_stay_small_enough_to_be_read),
        cmocka_unit_test(keys_and_metadata),
    };
    deadletter_object_free(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
