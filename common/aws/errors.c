#include "common/aws/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/xml.h"

/* Codes of SQS (both spellings, without the prefix AWS.SimpleQueueService.), S3, DynamoDB, STS and
 * of the common layer. Every code that is not here is judged by its status. */
static const struct {
    const char *code;
    enum aws_class class;
} CODES[] = {
    {"Throttling", AWS_THROTTLED},
    {"ThrottlingException", AWS_THROTTLED},
    {"ThrottledException", AWS_THROTTLED},
    {"RequestThrottledException", AWS_THROTTLED},
    {"RequestThrottled", AWS_THROTTLED},
    {"TooManyRequestsException", AWS_THROTTLED},
    {"ProvisionedThroughputExceededException", AWS_THROTTLED},
    {"TransactionInProgressException", AWS_THROTTLED},
    {"RequestLimitExceeded", AWS_THROTTLED},
    {"BandwidthLimitExceeded", AWS_THROTTLED},
    {"LimitExceededException", AWS_THROTTLED},
    {"SlowDown", AWS_THROTTLED},
    {"PriorRequestNotComplete", AWS_THROTTLED},
    {"EC2ThrottledException", AWS_THROTTLED},
    {"KmsThrottled", AWS_THROTTLED},
    {"KMS.ThrottlingException", AWS_THROTTLED},
    {"OverLimit", AWS_THROTTLED},

    {"RequestTimeout", AWS_TRANSIENT},
    {"RequestTimeoutException", AWS_TRANSIENT},
    {"InternalError", AWS_TRANSIENT},
    {"InternalFailure", AWS_TRANSIENT},
    {"InternalServerError", AWS_TRANSIENT},
    {"ServiceUnavailable", AWS_TRANSIENT},
    {"QueueDeletedRecently", AWS_TRANSIENT},
    {"PurgeQueueInProgress", AWS_TRANSIENT},
    {"ConditionalRequestConflict", AWS_TRANSIENT},
    {"OperationAborted", AWS_TRANSIENT},
    {"BadDigest", AWS_TRANSIENT}, /* damaged in flight */
    {"IncompleteBody", AWS_TRANSIENT},
    {"XAmzContentSHA256Mismatch", AWS_TRANSIENT},
    {"ReplicatedWriteConflictException", AWS_TRANSIENT},
    {"TransactionConflictException", AWS_TRANSIENT},
    {"IDPCommunicationError", AWS_TRANSIENT},

    {"ExpiredToken", AWS_EXPIRED},
    {"ExpiredTokenException", AWS_EXPIRED},
    {"InvalidToken", AWS_EXPIRED},
    {"TokenRefreshRequired", AWS_EXPIRED},
    {"InvalidIdentityToken", AWS_EXPIRED}, /* of a web identity: its file is read again */

    {"RequestTimeTooSkewed", AWS_SKEW},
    {"RequestExpired", AWS_SKEW},
    {"RequestInTheFuture", AWS_SKEW},

    {"AccessDenied", AWS_DENIED},
    {"AccessDeniedException", AWS_DENIED},
    {"AuthFailure", AWS_DENIED},
    {"IncompleteSignature", AWS_DENIED},
    {"InvalidAccessKeyId", AWS_DENIED},
    {"InvalidClientTokenId", AWS_DENIED},
    {"InvalidSecurity", AWS_DENIED},
    {"InvalidSignatureException", AWS_DENIED},
    {"MissingAuthenticationToken", AWS_DENIED},
    {"MissingAuthenticationTokenException", AWS_DENIED},
    {"NotAuthorized", AWS_DENIED},
    {"OptInRequired", AWS_DENIED},
    {"RegionDisabledException", AWS_DENIED},
    {"SignatureDoesNotMatch", AWS_DENIED},
    {"UnrecognizedClientException", AWS_DENIED},
    {"KmsAccessDenied", AWS_DENIED},
    {"KMS.AccessDeniedException", AWS_DENIED},
    {"KmsDisabled", AWS_DENIED},
    {"KMS.DisabledException", AWS_DENIED},
    {"KmsInvalidState", AWS_DENIED},
    {"KMS.InvalidStateException", AWS_DENIED},
    {"KMS.KMSInvalidStateException", AWS_DENIED},
    {"KmsNotFound", AWS_DENIED},
    {"KMS.NotFoundException", AWS_DENIED},
    {"KmsInvalidKeyUsage", AWS_DENIED},
    {"KMS.InvalidKeyUsageException", AWS_DENIED},
    {"KmsOptInRequired", AWS_DENIED},
    {"KMS.OptInRequired", AWS_DENIED},

    {"QueueDoesNotExist", AWS_MISSING},
    {"NonExistentQueue", AWS_MISSING},
    {"ResourceNotFoundException", AWS_MISSING},
    {"NoSuchBucket", AWS_MISSING},
    {"NoSuchKey", AWS_MISSING},
    {"NoSuchVersion", AWS_MISSING},

    {"QueueNameExists", AWS_INVALID},
    {"QueueAlreadyExists", AWS_INVALID},
    {"InvalidParameterValueException", AWS_INVALID},
    {"InvalidParameterValue", AWS_INVALID},
    {"MissingRequiredParameterException", AWS_INVALID},
    {"MissingParameter", AWS_INVALID},
    {"InvalidMessageContents", AWS_INVALID},
    {"InvalidAttributeName", AWS_INVALID},
    {"InvalidAttributeValue", AWS_INVALID},
    {"InvalidIdFormat", AWS_INVALID},
    {"InvalidAddress", AWS_INVALID},
    {"BatchEntryIdsNotDistinct", AWS_INVALID},
    {"EmptyBatchRequest", AWS_INVALID},
    {"InvalidBatchEntryId", AWS_INVALID},
    {"TooManyEntriesInBatchRequest", AWS_INVALID},
    {"UnsupportedOperation", AWS_INVALID},
    {"InvalidObjectState", AWS_INVALID}, /* archived by a lifecycle rule */
    {"ValidationException", AWS_INVALID},
    {"SerializationException", AWS_INVALID},
    {"UnknownOperationException", AWS_INVALID},
    {"NotImplemented", AWS_INVALID},

    {"BatchRequestTooLong", AWS_TOO_LARGE},
    {"EntityTooLarge", AWS_TOO_LARGE},
    {"ItemCollectionSizeLimitExceededException", AWS_TOO_LARGE},

    {"PreconditionFailed", AWS_CONFLICT},
    {"ConditionalCheckFailedException", AWS_CONFLICT},
    {"ReceiptHandleIsInvalid", AWS_CONFLICT},
    {"MessageNotInflight", AWS_CONFLICT},
};

const char *aws_class_word(enum aws_class class)
{
    static const char *const WORDS[] = {
        [AWS_OK] = "ok",
        [AWS_THROTTLED] = "throttled",
        [AWS_TRANSIENT] = "transient",
        [AWS_EXPIRED] = "expired",
        [AWS_SKEW] = "clock",
        [AWS_DENIED] = "denied",
        [AWS_MISSING] = "missing",
        [AWS_INVALID] = "invalid",
        [AWS_TOO_LARGE] = "too large",
        [AWS_CONFLICT] = "conflict",
        [AWS_NO_KEY] = "no key",
    };
    return WORDS[class];
}

static bool find_class(const char *code, enum aws_class *class_out)
{
    static const char PREFIX[] = "AWS.SimpleQueueService.";
    if (!strncmp(code, PREFIX, sizeof(PREFIX) - 1))
        code += sizeof(PREFIX) - 1;
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++) {
        if (!strcmp(code, CODES[i].code)) {
            *class_out = CODES[i].class;
            return true;
        }
    }
    return false;
}

static enum aws_class class_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return AWS_DENIED;
    case 404:
        return AWS_MISSING;
    case 408:
        return AWS_TRANSIENT;
    case 409:
    case 412:
        return AWS_CONFLICT;
    case 413:
        return AWS_TOO_LARGE;
    case 429:
        return AWS_THROTTLED;
    default:
        return status >= 500 && status != 501 && status != 505 ? AWS_TRANSIENT : AWS_INVALID;
    }
}

/* The first of these members that is a text and not empty, or NULL. */
static const char *member(const json_t *json, const char *const *names)
{
    const char *text = NULL;
    for (; *names && !(text && *text); names++)
        text = json_string_value(json_object_get(json, *names));
    return text && *text ? text : NULL;
}

/* "namespace#Code:where it is described" */
static void take_code(const char *type, struct aws_error *error_out)
{
    size_t len = strcspn(type, ":");
    const char *hash = memrchr(type, '#', len);
    size_t skip = hash ? (size_t)(hash - type) + 1 : 0;
    snprintf(error_out->code, sizeof(error_out->code), "%.*s", (int)(len - skip), type + skip);
}

void aws_error_read(const json_t *json, const char *error_type, const char *query_error, int status,
                    struct aws_error *error_out)
{
    static const char *const codes[] = {"__type", "code", "Code", NULL};
    static const char *const messages[] = {"message", "Message", NULL};
    memset(error_out, 0, sizeof(*error_out));
    const char *type = member(json, codes);
    if (type || error_type)
        take_code(type ? type : error_type, error_out);
    /* "code;fault": two parts, the first not empty. */
    const char *semicolon = query_error ? strchr(query_error, ';') : NULL;
    if (semicolon && semicolon != query_error && !strchr(semicolon + 1, ';'))
        snprintf(error_out->legacy_code, sizeof(error_out->legacy_code), "%.*s",
                 (int)(semicolon - query_error), query_error);
    if (!*error_out->code && *error_out->legacy_code)
        strcpy(error_out->code, error_out->legacy_code);
    if (!*error_out->code)
        snprintf(error_out->code, sizeof(error_out->code), "HTTP %d", status);
    const char *message = member(json, messages);
    snprintf(error_out->message, sizeof(error_out->message), "%s", message ? message : "");
}

void aws_error_read_xml(const char *text, size_t len, int status, struct aws_error *error_out)
{
    memset(error_out, 0, sizeof(*error_out));
    char *code = xml_first_text(text, len, "Code");
    char *message = xml_first_text(text, len, "Message");
    if (code)
        snprintf(error_out->code, sizeof(error_out->code), "%s", code);
    else
        snprintf(error_out->code, sizeof(error_out->code), "HTTP %d", status);
    snprintf(error_out->message, sizeof(error_out->message), "%s", message ? message : "");
    free(message);
    free(code);
}

/* A refused signature is the clock's fault where the text says so. */
static bool blames_clock(const struct aws_error *error)
{
    return strstr(error->message, "Signature expired") || strstr(error->message, "not yet current");
}

enum aws_class aws_error_class(const struct aws_error *error, int status)
{
    enum aws_class class;
    if (!find_class(error->code, &class) && !find_class(error->legacy_code, &class))
        class = class_of_status(status);
    return class == AWS_DENIED && blames_clock(error) ? AWS_SKEW : class;
}

enum aws_class aws_entry_class(const char *code, bool sender_fault)
{
    enum aws_class class;
    return find_class(code, &class) ? class : sender_fault ? AWS_INVALID : AWS_TRANSIENT;
}

bool aws_worth_retry(enum aws_class class)
{
    return class == AWS_THROTTLED || class == AWS_TRANSIENT;
}

int64_t aws_retry_delay_ms(enum aws_class class, int n, double random01, int64_t hint_ms)
{
    const double cap_ms = 20000;
    double bound_ms = class == AWS_THROTTLED ? 1000 : 50;
    for (int i = 1; i < n && bound_ms < cap_ms; i++)
        bound_ms *= 2;
    if (bound_ms > cap_ms)
        bound_ms = cap_ms;
    int64_t delay_ms = (int64_t)(random01 * bound_ms);
    int64_t hint_cap_ms = delay_ms + 5000;
    if (hint_ms > hint_cap_ms)
        hint_ms = hint_cap_ms;
    return hint_ms > delay_ms ? hint_ms : delay_ms;
}
