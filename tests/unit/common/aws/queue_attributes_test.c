#include "common/aws/queue_attributes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct queue_attributes read_text(const char *text)
{
    struct queue_attributes out;
    json_t *attributes = json_loads(text, 0, NULL);
    assert_non_null(attributes);
    queue_attributes_read("https://sqs/1/q.fifo", attributes, &out);
    json_decref(attributes);
    return out;
}

static void all_of_them_are_read(void **state)
{
    (void)state;
    struct queue_attributes a = read_text(
        "{\"VisibilityTimeout\":\"45\",\"MaximumMessageSize\":\"262144\","
        "\"MessageRetentionPeriod\":\"345600\",\"RedrivePolicy\":\"{\\\"deadLetterTargetArn\\\":"
        "\\\"arn:aws:sqs:eu-west-1:1:d\\\",\\\"maxReceiveCount\\\":7}\"}");
    assert_int_equal(a.visibility_s, 45);
    assert_int_equal(a.max_message_bytes, 262144);
    assert_int_equal(a.retention_s, 345600);
    assert_int_equal(a.max_receives, 7);
    assert_true(a.is_fifo);
    assert_string_equal(a.dead_letter_arn, "arn:aws:sqs:eu-west-1:1:d");
}

static void what_is_missing_has_a_default(void **state)
{
    (void)state;
    struct queue_attributes a;
    queue_attributes_read("https://sqs/1/fifo", NULL, &a);
    assert_int_equal(a.visibility_s, 30);
    assert_int_equal(a.max_message_bytes, 1048576);
    assert_int_equal(a.retention_s, 0);
    assert_int_equal(a.max_receives, 0);
    assert_false(a.is_fifo);
    assert_string_equal(a.dead_letter_arn, "");
    a = read_text("{\"MaximumMessageSize\":\"99999999\",\"VisibilityTimeout\":\"x\"}");
    assert_int_equal(a.max_message_bytes, 1048576);
    assert_int_equal(a.visibility_s, 30);
}

static int receives_of(const char *policy)
{
    struct queue_attributes a;
    json_t *attributes = json_pack("{s:s}", "RedrivePolicy", policy);
    queue_attributes_read("q", attributes, &a);
    json_decref(attributes);
    return a.max_receives;
}

static void policies_in_all_their_spellings(void **state)
{
    (void)state;
    assert_int_equal(receives_of("{\"deadLetterTargetArn\":\"a\",\"maxReceiveCount\":\"5\"}"), 5);
    assert_int_equal(receives_of("{\"deadLetterTargetArn\":\"a\",\"maxReceiveCount\":1000}"), 1000);
    assert_int_equal(receives_of("{\"deadLetterTargetArn\":\"a\",\"maxReceiveCount\":1001}"), 0);
    assert_int_equal(receives_of("{\"deadLetterTargetArn\":\"a\",\"maxReceiveCount\":0}"), 0);
    assert_int_equal(receives_of("{\"deadLetterTargetArn\":\"a\",\"maxReceiveCount\":\"-1\"}"), 0);
    assert_int_equal(receives_of("{\"deadLetterTargetArn\":\"a\"}"), 0);
    assert_int_equal(receives_of("{\"maxReceiveCount\":5}"), 0);
    assert_int_equal(receives_of("nonsense"), 0);
    assert_int_equal(receives_of("[]"), 0);
    assert_int_equal(receives_of(""), 0);
}

static void changes_are_named(void **state)
{
    (void)state;
    const struct queue_attributes before = {
        .max_message_bytes = 262144, .visibility_s = 30, .retention_s = 345600};
    struct queue_attributes now = before;
    assert_null(queue_attributes_changes(&before, &now));
    now.max_receives = 5;
    strcpy(now.dead_letter_arn, "arn:d");
    now.visibility_s = 60;
    char *text = queue_attributes_changes(&before, &now);
    assert_string_equal(text, "VisibilityTimeout 30 -> 60, maxReceiveCount 0 -> 5, "
                              "deadLetterTargetArn \"\" -> \"arn:d\"");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_them_are_read),
        cmocka_unit_test(what_is_missing_has_a_default),
        cmocka_unit_test(policies_in_all_their_spellings),
        cmocka_unit_test(changes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
