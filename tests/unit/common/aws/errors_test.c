/* Its own object, for its table: the one of the library is then not linked. */
#include "common/aws/errors.c" // NOLINT

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void codes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body, *type, *query_error;
        int status;
        const char *code, *legacy, *message;
    } CASES[] = {
        {"{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"m\"}", NULL,
         "AWS.SimpleQueueService.NonExistentQueue;Sender", 400, "QueueDoesNotExist",
         "AWS.SimpleQueueService.NonExistentQueue", "m"},
        {"{\"__type\":\"a#b#OverLimit:http://x#y\",\"Message\":\"M\"}", NULL, NULL, 403,
         "OverLimit", "", "M"},
        {"{\"__type\":\"Plain\",\"message\":\"m\",\"Message\":\"M\"}", NULL, NULL, 400, "Plain", "",
         "m"},
        {"{\"__type\":\"Plain:x#y\"}", NULL, "", 400, "Plain", "", ""},
        {"{}", NULL, "Code;Sender", 400, "Code", "Code", ""},
        {"{}", NULL, ";Sender", 400, "HTTP 400", "", ""},
        {"{}", NULL, "a;b;c", 400, "HTTP 400", "", ""},
        {"{}", NULL, "a", 400, "HTTP 400", "", ""},
        {"{\"__type\":7,\"message\":[]}", NULL, NULL, 503, "HTTP 503", "", ""},
        {"{\"__type\":\"\",\"code\":\"a#SlowDown\"}", NULL, NULL, 503, "SlowDown", "", ""},
        {"{\"code\":\"AccessDenied:x\",\"Code\":\"B\"}", "C", NULL, 403, "AccessDenied", "", ""},
        {"{\"Code\":\"AccessDenied\",\"Message\":\"M\"}", NULL, NULL, 403, "AccessDenied", "", "M"},
        {"{\"code\":12}", "a#Throttling:http://x/", "L;Sender", 400, "Throttling", "L", ""},
        {NULL, "ThrottlingException", NULL, 400, "ThrottlingException", "", ""},
        {NULL, NULL, NULL, 502, "HTTP 502", "", ""},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        json_t *json = CASES[i].body ? json_loads(CASES[i].body, 0, NULL) : NULL;
        struct aws_error error;
        aws_error_read(json, CASES[i].type, CASES[i].query_error, CASES[i].status, &error);
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
    aws_error_read(json, NULL, text, 400, &error);
    assert_int_equal(strlen(error.code), sizeof(error.code) - 1);
    assert_int_equal(strlen(error.legacy_code), sizeof(error.legacy_code) - 1);
    assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
    json_decref(json);
}

/* Every code that the services document, in the spelling of the body and of the header, and the
 * statuses that stand for themselves. */
static const struct {
    const char *code, *legacy;
    int status;
    enum aws_class class;
} VECTORS[] = {
    {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400, AWS_MISSING},
    {"QueueNameExists", "QueueAlreadyExists", 400, AWS_INVALID},
    {"QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", 400, AWS_TRANSIENT},
    {"PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403, AWS_TRANSIENT},
    {"OverLimit", "OverLimit", 403, AWS_THROTTLED},
    {"RequestThrottled", "RequestThrottled", 403, AWS_THROTTLED},
    {"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404, AWS_CONFLICT},
    {"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400, AWS_CONFLICT},
    {"InvalidParameterValueException", "InvalidParameterValue", 400, AWS_INVALID},
    {"MissingRequiredParameterException", "MissingParameter", 400, AWS_INVALID},
    {"InvalidMessageContents", "InvalidMessageContents", 400, AWS_INVALID},
    {"InvalidAttributeName", "InvalidAttributeName", 400, AWS_INVALID},
    {"InvalidAttributeValue", "InvalidAttributeValue", 400, AWS_INVALID},
    {"InvalidIdFormat", "InvalidIdFormat", 400, AWS_INVALID},
    {"BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400,
     AWS_INVALID},
    {"EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400, AWS_INVALID},
    {"InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400, AWS_INVALID},
    {"TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400,
     AWS_INVALID},
    {"UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400, AWS_INVALID},
    {"BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400, AWS_TOO_LARGE},
    {"ResourceNotFoundException", "ResourceNotFoundException", 404, AWS_MISSING},
    {"InvalidAddress", "InvalidAddress", 404, AWS_INVALID},
    {"InvalidSecurity", "InvalidSecurity", 403, AWS_DENIED},
    {"KmsThrottled", "KMS.ThrottlingException", 400, AWS_THROTTLED},
    {"KmsDisabled", "KMS.DisabledException", 400, AWS_DENIED},
    {"KmsInvalidState", "KMS.InvalidStateException", 400, AWS_DENIED},
    {"KmsNotFound", "KMS.NotFoundException", 400, AWS_DENIED},
    {"KmsAccessDenied", "KMS.AccessDeniedException", 400, AWS_DENIED},
    {"KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException", 400, AWS_DENIED},
    {"KmsOptInRequired", "KMS.OptInRequired", 403, AWS_DENIED},
    {"SlowDown", "", 503, AWS_THROTTLED},
    {"ServiceUnavailable", "", 503, AWS_TRANSIENT},
    {"InternalError", "", 500, AWS_TRANSIENT},
    {"RequestTimeout", "", 400, AWS_TRANSIENT},
    {"RequestTimeTooSkewed", "", 403, AWS_SKEW},
    {"ConditionalRequestConflict", "", 409, AWS_TRANSIENT},
    {"OperationAborted", "", 409, AWS_TRANSIENT},
    {"IncompleteBody", "", 400, AWS_TRANSIENT},
    {"BadDigest", "", 400, AWS_TRANSIENT},
    {"XAmzContentSHA256Mismatch", "", 400, AWS_TRANSIENT},
    {"ExpiredToken", "", 400, AWS_EXPIRED},
    {"InvalidToken", "", 403, AWS_EXPIRED},
    {"TokenRefreshRequired", "", 400, AWS_EXPIRED},
    {"NoSuchBucket", "", 404, AWS_MISSING},
    {"NoSuchKey", "", 404, AWS_MISSING},
    {"NoSuchVersion", "", 404, AWS_MISSING},
    {"AccessDenied", "", 403, AWS_DENIED},
    {"SignatureDoesNotMatch", "", 403, AWS_DENIED},
    {"InvalidAccessKeyId", "", 403, AWS_DENIED},
    {"InvalidObjectState", "", 403, AWS_INVALID},
    {"PreconditionFailed", "", 412, AWS_CONFLICT},
    {"InvalidArgument", "", 400, AWS_INVALID},
    {"InvalidRequest", "", 400, AWS_INVALID},
    {"InvalidDigest", "", 400, AWS_INVALID},
    {"InvalidBucketName", "", 400, AWS_INVALID},
    {"MalformedXML", "", 400, AWS_INVALID},
    {"EntityTooLarge", "", 400, AWS_TOO_LARGE},
    {"MethodNotAllowed", "", 405, AWS_INVALID},
    {"MissingContentLength", "", 411, AWS_INVALID},
    {"InvalidRange", "", 416, AWS_INVALID},
    {"NotImplemented", "", 501, AWS_INVALID},
    {"KMS.KMSInvalidStateException", "", 400, AWS_DENIED},
    {"Throttling", "", 400, AWS_THROTTLED},
    {"ThrottlingException", "", 400, AWS_THROTTLED},
    {"ThrottledException", "", 400, AWS_THROTTLED},
    {"RequestThrottledException", "", 400, AWS_THROTTLED},
    {"TooManyRequestsException", "", 400, AWS_THROTTLED},
    {"ProvisionedThroughputExceededException", "", 400, AWS_THROTTLED},
    {"TransactionInProgressException", "", 400, AWS_THROTTLED},
    {"RequestLimitExceeded", "", 400, AWS_THROTTLED},
    {"BandwidthLimitExceeded", "", 400, AWS_THROTTLED},
    {"LimitExceededException", "", 400, AWS_THROTTLED},
    {"PriorRequestNotComplete", "", 400, AWS_THROTTLED},
    {"EC2ThrottledException", "", 400, AWS_THROTTLED},
    {"RequestTimeoutException", "", 400, AWS_TRANSIENT},
    {"IDPCommunicationError", "", 400, AWS_TRANSIENT},
    {"ReplicatedWriteConflictException", "", 400, AWS_TRANSIENT},
    {"TransactionConflictException", "", 400, AWS_TRANSIENT},
    {"InternalServerError", "", 500, AWS_TRANSIENT},
    {"InternalFailure", "", 500, AWS_TRANSIENT},
    {"ConditionalCheckFailedException", "", 400, AWS_CONFLICT},
    {"ItemCollectionSizeLimitExceededException", "", 400, AWS_TOO_LARGE},
    {"ValidationException", "", 400, AWS_INVALID},
    {"SerializationException", "", 400, AWS_INVALID},
    {"UnknownOperationException", "", 400, AWS_INVALID},
    {"ExpiredTokenException", "", 400, AWS_EXPIRED},
    {"InvalidIdentityToken", "", 400, AWS_EXPIRED},
    {"RequestExpired", "", 400, AWS_SKEW},
    {"RequestInTheFuture", "", 400, AWS_SKEW},
    {"AccessDeniedException", "", 400, AWS_DENIED},
    {"AuthFailure", "", 400, AWS_DENIED},
    {"IncompleteSignature", "", 400, AWS_DENIED},
    {"InvalidClientTokenId", "", 400, AWS_DENIED},
    {"InvalidSignatureException", "", 400, AWS_DENIED},
    {"MissingAuthenticationToken", "", 400, AWS_DENIED},
    {"MissingAuthenticationTokenException", "", 400, AWS_DENIED},
    {"NotAuthorized", "", 400, AWS_DENIED},
    {"OptInRequired", "", 400, AWS_DENIED},
    {"UnrecognizedClientException", "", 400, AWS_DENIED},
    {"RegionDisabledException", "", 400, AWS_DENIED},
    {"Unheard", "KMS.ThrottlingException", 400, AWS_THROTTLED},
    {"Unheard", "AWS.SimpleQueueService.NonExistentQueue", 400, AWS_MISSING},
    {"AWS.SimpleQueueService.QueueDoesNotExist", "", 400, AWS_MISSING},
    {"Unheard", "", 301, AWS_INVALID},
    {"Unheard", "", 302, AWS_INVALID},
    {"Unheard", "", 400, AWS_INVALID},
    {"Unheard", "", 401, AWS_DENIED},
    {"Unheard", "", 403, AWS_DENIED},
    {"Unheard", "", 404, AWS_MISSING},
    {"Unheard", "", 405, AWS_INVALID},
    {"Unheard", "", 408, AWS_TRANSIENT},
    {"Unheard", "", 409, AWS_CONFLICT},
    {"Unheard", "", 412, AWS_CONFLICT},
    {"Unheard", "", 413, AWS_TOO_LARGE},
    {"Unheard", "", 429, AWS_THROTTLED},
    {"Unheard", "", 500, AWS_TRANSIENT},
    {"Unheard", "", 501, AWS_INVALID},
    {"Unheard", "", 502, AWS_TRANSIENT},
    {"Unheard", "", 503, AWS_TRANSIENT},
    {"Unheard", "", 504, AWS_TRANSIENT},
    {"Unheard", "", 505, AWS_INVALID},
    {"Unheard", "", 507, AWS_TRANSIENT},
};
#define VECTOR_COUNT (sizeof(VECTORS) / sizeof(VECTORS[0]))

static void codes_and_statuses_have_classes(void **state)
{
    (void)state;
    bool seen[AWS_NO_KEY + 1] = {[AWS_OK] = true, [AWS_NO_KEY] = true}; /* no answer gives them */
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct aws_error error = {.message = ""};
        strcpy(error.code, VECTORS[i].code);
        strcpy(error.legacy_code, VECTORS[i].legacy);
        enum aws_class class = aws_error_class(&error, VECTORS[i].status);
        if (class != VECTORS[i].class)
            fail_msg("%s %d: %s", VECTORS[i].code, VECTORS[i].status, aws_class_word(class));
        seen[class] = true;
    }
    for (int i = AWS_OK; i <= AWS_NO_KEY; i++)
        if (!seen[i])
            fail_msg("no vector has class %s", aws_class_word((enum aws_class)i));
}

static bool is_spelled(const char *code)
{
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        const char *dot = strrchr(VECTORS[i].legacy, '.');
        if (!strcmp(VECTORS[i].code, code) || !strcmp(VECTORS[i].legacy, code) ||
            (dot && !strcmp(dot + 1, code)))
            return true;
    }
    return false;
}

static void every_code_of_the_table_has_a_vector(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++) {
        if (!is_spelled(CODES[i].code))
            fail_msg("%s has none", CODES[i].code);
        for (size_t n = 0; n < i; n++)
            assert_string_not_equal(CODES[n].code, CODES[i].code);
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
        bool worth = i == AWS_THROTTLED || i == AWS_TRANSIENT;
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
        cmocka_unit_test(every_code_of_the_table_has_a_vector),
        cmocka_unit_test(a_late_signature_is_the_clocks_fault),
        cmocka_unit_test(entries_have_classes),
        cmocka_unit_test(every_class_has_a_word_and_a_verdict),
        cmocka_unit_test(delays_double_up_to_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
