#include "workers/consumer/advice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void a_redrive_policy_needs_room(void **state)
{
    (void)state;
    struct queue_attributes a = {.dead_letter_arn = "arn:aws:sqs:eu-west-1:1:d"};
    assert_null(advice_redrive("q", "u", &a, 5));
    a.max_receives = 15;
    assert_null(advice_redrive("q", "u", &a, 5));
    a.max_receives = 14;
    char *text = advice_redrive("q", "https://sqs/1/q", &a, 5);
    assert_string_equal(
        text,
        "queue \"q\": its maxReceiveCount of 14 is less than max_retries + 10, so events are "
        "moved on as copies; better: aws sqs set-queue-attributes --queue-url https://sqs/1/q "
        "--attributes '{\"RedrivePolicy\":\"{\\\"deadLetterTargetArn\\\":"
        "\\\"arn:aws:sqs:eu-west-1:1:d\\\",\\\"maxReceiveCount\\\":15}\"}'");
    free(text);
}

static void on_a_fifo_queue_it_needs_all_there_is(void **state)
{
    (void)state;
    struct queue_attributes a = {
        .is_fifo = true, .max_receives = 1000, .dead_letter_arn = "arn:aws:sqs:eu-west-1:1:d.fifo"};
    assert_null(advice_redrive("q", "u", &a, 5));
    a.max_receives = 999;
    char *text = advice_redrive("q", "https://sqs/1/q.fifo", &a, 5);
    assert_non_null(strstr(text, "its maxReceiveCount of 999 is less than 1000, and"));
    assert_non_null(strstr(text, "maxReceiveCount\\\":1000}"));
    free(text);
}

static void assert_retention(int64_t dead_s, int64_t source_s, bool advises)
{
    struct queue_attributes dead = {.retention_s = dead_s}, source = {.retention_s = source_s};
    char *text = advice_retention("d", "u", &dead, &source);
    assert_int_equal(text != NULL, advises);
    free(text);
}

static void dead_letters_are_kept_longer(void **state)
{
    (void)state;
    assert_retention(345600, 345600, true);
    assert_retention(345600, 400000, true);
    assert_retention(345600, 0, true);
    assert_retention(400000, 345600, false);
    assert_retention(1209600, 1209600, false); /* it cannot keep longer */
    assert_retention(0, 345600, false);        /* for ever */
    assert_retention(0, 0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redrive_policy_needs_room),
        cmocka_unit_test(on_a_fifo_queue_it_needs_all_there_is),
        cmocka_unit_test(dead_letters_are_kept_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
