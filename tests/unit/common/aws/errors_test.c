#include "common/aws/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void codes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body, *query_error;
        int status;
        const char *code, *legacy, *message;
    } CASES[] = {
        {"{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"m\"}",
         "AWS.SimpleQueueService.NonExistentQueue;Sender", 400, "QueueDoesNotExist",
         "AWS.SimpleQueueService.NonExistentQueue", "m"},
        {"{\"__type\":\"a#b#OverLimit:http://x#y\",\"Message\":\"M\"}", NULL, 403, "OverLimit", "",
         "M"},
        {"{\"__type\":\"Plain\",\"message\":\"m\",\"Message\":\"M\"}", NULL, 400, "Plain", "", "m"},
        {"{\"__type\":\"Plain:x#y\"}", "", 400, "Plain", "", ""},
        {"{}", "Code;Sender", 400, "Code", "Code", ""},
        {"{}", ";Sender", 400, "HTTP 400", "", ""},
        {"{}", "a;b;c", 400, "HTTP 400", "", ""},
        {"{}", "a", 400, "HTTP 400", "", ""},
        {"{\"__type\":7,\"message\":[]}", NULL, 503, "HTTP 503", "", ""},
        {NULL, NULL, 502, "HTTP 502", "", ""},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        json_t *json = CASES[i].body ? json_loads(CASES[i].body, 0, NULL) : NULL;
        struct aws_error error;
        aws_error_read(json, CASES[i].query_error, CASES[i].status, &error);
        assert_string_equal(error.code, CASES[i].code);
        assert_string_equal(error.legacy_code, CASES[i].legacy);
        assert_string_equal(error.message, CASES[i].message);
        json_decref(json);
    }
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    json_t *json = json_pack("{s:s, s:s}", "__type", text, "message", text);
    struct aws_error error;
    text[1500] = ';';
    aws_error_read(json, text, 400, &error);
    assert_int_equal(strlen(error.code), sizeof(error.code) - 1);
    assert_int_equal(strlen(error.legacy_code), sizeof(error.legacy_code) - 1);
    assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
    json_decref(json);
}

static void codes_and_statuses_have_classes(void **state)
{
    (void)state;
    static const struct {
        const char *code, *legacy;
        int status;
        enum aws_class class;
    } CASES[] = {
        {"RequestThrottled", "", 403, AWS_THROTTLED},
        {"SlowDown", "", 503, AWS_THROTTLED},
        {"ThrottlingException", "", 400, AWS_THROTTLED},
        {"ProvisionedThroughputExceededException", "", 400, AWS_THROTTLED},
        {"KmsThrottled", "KMS.ThrottlingException", 400, AWS_THROTTLED},
        {"Unheard", "KMS.ThrottlingException", 400, AWS_THROTTLED},
        {"OverLimit", "OverLimit", 403, AWS_THROTTLED},
        {"HTTP 429", "", 429, AWS_THROTTLED},
        {"InternalServerError", "", 500, AWS_TRANSIENT},
        {"Unheard", "", 500, AWS_TRANSIENT},
        {"Unheard", "", 502, AWS_TRANSIENT},
        {"Unheard", "", 503, AWS_TRANSIENT},
        {"Unheard", "", 504, AWS_TRANSIENT},
        {"Unheard", "", 501, AWS_INVALID},
        {"RequestTimeout", "", 400, AWS_TRANSIENT},
        {"QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", 400, AWS_TRANSIENT},
        {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400, AWS_MISSING},
        {"Unheard", "AWS.SimpleQueueService.NonExistentQueue", 400, AWS_MISSING},
        {"AWS.SimpleQueueService.QueueDoesNotExist", "", 400, AWS_MISSING},
        {"NoSuchKey", "", 404, AWS_MISSING},
        {"HTTP 404", "", 404, AWS_MISSING},
        {"ExpiredTokenException", "", 400, AWS_EXPIRED},
        {"ExpiredToken", "", 403, AWS_EXPIRED},
        {"RequestTimeTooSkewed", "", 403, AWS_SKEW},
        {"AccessDenied", "", 403, AWS_DENIED},
        {"SignatureDoesNotMatch", "", 403, AWS_DENIED},
        {"UnrecognizedClientException", "", 400, AWS_DENIED},
        {"HTTP 401", "", 401, AWS_DENIED},
        {"Unheard", "", 403, AWS_DENIED},
        {"InvalidMessageContents", "", 400, AWS_INVALID},
        {"Unheard", "", 400, AWS_INVALID},
        {"HTTP 302", "", 302, AWS_INVALID},
        {"BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400, AWS_TOO_LARGE},
        {"HTTP 413", "", 413, AWS_TOO_LARGE},
        {"PreconditionFailed", "", 412, AWS_CONFLICT},
        {"ConditionalCheckFailedException", "", 400, AWS_CONFLICT},
        {"ReceiptHandleIsInvalid", "", 404, AWS_CONFLICT},
        {"HTTP 409", "", 409, AWS_CONFLICT},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct aws_error error = {.message = ""};
        strcpy(error.code, CASES[i].code);
        strcpy(error.legacy_code, CASES[i].legacy);
        enum aws_class class = aws_error_class(&error, CASES[i].status);
        if (class != CASES[i].class)
            fail_msg("%s %d: %s", CASES[i].code, CASES[i].status, aws_class_word(class));
    }
}

static void a_late_signature_is_the_clocks_fault(void **state)
{
    (void)state;
    struct aws_error error = {.code = "InvalidSignatureException",
                              .message = "Signature expired: 20261121T093000Z is now earlier"};
    assert_int_equal(aws_error_class(&error, 400), AWS_SKEW);
    strcpy(error.message, "Signature not yet current: …");
    assert_int_equal(aws_error_class(&error, 400), AWS_SKEW);
    strcpy(error.message, "The request signature we calculated does not match");
    assert_int_equal(aws_error_class(&error, 400), AWS_DENIED);
}

static void entries_have_classes(void **state)
{
    (void)state;
    assert_int_equal(aws_entry_class("InvalidParameterValue", true), AWS_INVALID);
    assert_int_equal(aws_entry_class("AWS.SimpleQueueService.MessageNotInflight", true),
                     AWS_CONFLICT);
    assert_int_equal(aws_entry_class("RequestThrottled", false), AWS_THROTTLED);
    assert_int_equal(aws_entry_class("Unheard", false), AWS_TRANSIENT);
    assert_int_equal(aws_entry_class("Unheard", true), AWS_INVALID);
    assert_int_equal(aws_entry_class("", false), AWS_TRANSIENT);
}

static void every_class_has_a_word_and_a_verdict(void **state)
{
    (void)state;
    for (int i = AWS_OK; i <= AWS_NO_KEY; i++) {
        assert_non_null(aws_class_word((enum aws_class)i));
        bool worth = i == AWS_THROTTLED || i == AWS_TRANSIENT || i == AWS_EXPIRED;
        assert_int_equal(aws_worth_retry((enum aws_class)i), worth);
    }
}

static void delays_double_up_to_the_cap(void **state)
{
    (void)state;
    static const int64_t TRANSIENT[] = {50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 20000};
    static const int64_t THROTTLED[] = {1000, 2000, 4000, 8000, 16000, 20000, 20000};
    for (int n = 1; n <= 10; n++) {
        assert_int_equal(aws_retry_delay_ms(AWS_TRANSIENT, n, 1, 0), TRANSIENT[n - 1]);
        assert_int_equal(aws_retry_delay_ms(AWS_TRANSIENT, n, 0.5, 0), TRANSIENT[n - 1] / 2);
        assert_int_equal(aws_retry_delay_ms(AWS_TRANSIENT, n, 0, 0), 0);
    }
    for (int n = 1; n <= 7; n++)
        assert_int_equal(aws_retry_delay_ms(AWS_THROTTLED, n, 1, 0), THROTTLED[n - 1]);
    assert_int_equal(aws_retry_delay_ms(AWS_THROTTLED, 1000000, 1, 0), 20000);
    /* The server's hint is a floor, capped at the computed delay + 5 s. */
    assert_int_equal(aws_retry_delay_ms(AWS_TRANSIENT, 1, 1, 30), 50);
    assert_int_equal(aws_retry_delay_ms(AWS_TRANSIENT, 1, 1, 1500), 1500);
    assert_int_equal(aws_retry_delay_ms(AWS_TRANSIENT, 1, 1, 60000), 5050);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_read),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(codes_and_statuses_have_classes),
        cmocka_unit_test(a_late_signature_is_the_clocks_fault),
        cmocka_unit_test(entries_have_classes),
        cmocka_unit_test(every_class_has_a_word_and_a_verdict),
        cmocka_unit_test(delays_double_up_to_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
