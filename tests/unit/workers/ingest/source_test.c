#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "common/aws/sqs.h"
#include "workers/ingest/source.h"

#define RAW (1048576 - 16384)

static const char conf_text[] =
    "{\"sources\":{"
    "\"a\":{\"path\":\"/a\",\"body\":\"json\",\"max_body_bytes\":0,\"ack_deadline_ms\":800},"
    "\"b\":{\"path\":\"/a/b\",\"body\":\"any\",\"max_body_bytes\":1000,\"ack_deadline_ms\":50},"
    "\"c\":{\"path\":\"/c\",\"body\":\"any\",\"max_body_bytes\":900000,\"ack_deadline_ms\":50}}}";

static void finds_sources_by_their_exact_path(void **state)
{
    (void)state;
    struct source_list list;
    json_t *conf = json_loads(conf_text, 0, NULL);
    source_list_load(&list, conf);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.max_body_bytes, RAW);
    assert_string_equal(source_list_find(&list, "/a")->name, "a");
    assert_string_equal(source_list_find(&list, "/a/b")->name, "b");
    assert_true(source_list_find(&list, "/a")->json);
    assert_false(source_list_find(&list, "/a/b")->json);
    assert_int_equal(source_list_find(&list, "/a")->ack_deadline_ms, 800);
    static const char *const unknown[] = {"", "/", "/a/", "/A", "/a/b/c", "/a%2fb", "/b"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
        assert_null(source_list_find(&list, unknown[i]));
    source_list_free(&list);
    json_decref(conf);
}

static void limits_bodies_in_the_form_they_travel_in(void **state)
{
    (void)state;
    struct source_list list;
    json_t *conf = json_loads(conf_text, 0, NULL);
    source_list_load(&list, conf);
    const struct source *a = source_list_find(&list, "/a");
    const struct source *b = source_list_find(&list, "/a/b");
    const struct source *c = source_list_find(&list, "/c");
    char *text = malloc(RAW + 1);
    memset(text, 'x', RAW + 1);
    assert_true(source_takes(a, text, RAW, SQS_MESSAGE_BYTES));
    assert_false(source_takes(a, text, RAW + 1, SQS_MESSAGE_BYTES));
    assert_true(source_takes(a, text, 0, SQS_MESSAGE_BYTES));
    assert_true(source_takes(b, text, 1000, SQS_MESSAGE_BYTES));
    assert_false(source_takes(b, text, 1001, SQS_MESSAGE_BYTES));
    assert_true(source_takes(c, text, 900000, SQS_MESSAGE_BYTES));
    assert_false(source_takes(c, text, 900001, SQS_MESSAGE_BYTES));
    text[0] = 1; /* needs base64 */
    assert_true(source_takes(a, text, RAW / 4 * 3, SQS_MESSAGE_BYTES));
    assert_false(source_takes(a, text, RAW / 4 * 3 + 1, SQS_MESSAGE_BYTES));
    assert_true(source_takes(b, text, 1000, SQS_MESSAGE_BYTES));
    assert_false(source_takes(c, text, 900000, SQS_MESSAGE_BYTES));
    /* A queue that takes less. */
    size_t raw = 262144 - 16384;
    assert_true(source_takes(a, text, raw / 4 * 3, 262144));
    assert_false(source_takes(a, text, raw / 4 * 3 + 1, 262144));
    text[0] = 'x';
    assert_true(source_takes(a, text, raw, 262144));
    assert_false(source_takes(a, text, raw + 1, 262144));
    assert_true(source_takes(b, text, 1000, 262144));
    assert_false(source_takes(b, text, 1001, 262144));
    assert_false(source_takes(b, text, 1, 1024));
    free(text);
    source_list_free(&list);
    json_decref(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_sources_by_their_exact_path),
        cmocka_unit_test(limits_bodies_in_the_form_they_travel_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
