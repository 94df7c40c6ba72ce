#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"
#include "workers/store/sqs_op.h"

/* Source: aws-protocol notes 1.4. type is what stands behind the "#" of __type. */
static const struct error_row {
    int status;
    const char *type;
    const char *code; /* x-amzn-query-error and Failed entries */
} rows[] = {
    [SQS_NO_QUEUE] = {400, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"},
    [SQS_QUEUE_EXISTS] = {400, "QueueNameExists", "QueueAlreadyExists"},
    [SQS_PURGE_IN_PROGRESS] = {403, "PurgeQueueInProgress",
                               "AWS.SimpleQueueService.PurgeQueueInProgress"},
    [SQS_BAD_RECEIPT] = {404, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"},
    [SQS_NOT_IN_FLIGHT] = {400, "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"},
    [SQS_INVALID_PARAMETER] = {400, "InvalidParameterValueException", "InvalidParameterValue"},
    [SQS_MISSING_PARAMETER] = {400, "MissingRequiredParameterException", "MissingParameter"},
    [SQS_BAD_CONTENTS] = {400, "InvalidMessageContents", "InvalidMessageContents"},
    [SQS_BAD_ATTRIBUTE_NAME] = {400, "InvalidAttributeName", "InvalidAttributeName"},
    [SQS_BAD_ATTRIBUTE_VALUE] = {400, "InvalidAttributeValue", "InvalidAttributeValue"},
    [SQS_IDS_NOT_DISTINCT] = {400, "BatchEntryIdsNotDistinct",
                              "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"},
    [SQS_BATCH_TOO_LONG] = {400, "BatchRequestTooLong",
                            "AWS.SimpleQueueService.BatchRequestTooLong"},
    [SQS_BATCH_EMPTY] = {400, "EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"},
    [SQS_BAD_BATCH_ID] = {400, "InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"},
    [SQS_BATCH_TOO_MANY] = {400, "TooManyEntriesInBatchRequest",
                            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"},
    [SQS_UNSUPPORTED] = {400, "UnsupportedOperation",
                         "AWS.SimpleQueueService.UnsupportedOperation"},
    [SQS_UNKNOWN_OPERATION] = {400, "UnknownOperationException", "InvalidAction"},
    [SQS_SERIALIZATION] = {400, "SerializationException", "MalformedInput"},
};

/* Cutting may have split a character, and a header's bytes may be anything; JSON would refuse the
 * whole answer. */
static void make_text(char *message)
{
    size_t left = strlen(message);
    while (left > 0) {
        size_t n = utf8_sequence(message, left);
        if (n == 0) {
            *message = '?';
            n = 1;
        }
        message += n;
        left -= n;
    }
}

int sqs_refuse(struct sqs_refusal *r, enum sqs_error error, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    r->error = error;
    vsnprintf(r->message, sizeof(r->message), format, ap);
    va_end(ap);
    make_text(r->message);
    return -1;
}

int sqs_db_failed(struct sqs_refusal *r)
{
    return sqs_refuse(r, SQS_DATABASE, "the database failed");
}

const char *sqs_error_code(enum sqs_error error)
{
    return rows[error].code;
}

void sqs_error_answer(const struct sqs_refusal *r, struct service_answer *answer)
{
    if (r->error == SQS_NO_SPACE) {
        service_answer_unavailable(answer, r->message, 5);
        return;
    }
    const struct error_row *row = &rows[r->error];
    service_answer_error(answer, row->status, "com.amazonaws.sqs", row->type, r->message);
    snprintf(answer->query_error, sizeof(answer->query_error), "%s;Sender", row->code);
}

int sqs_take_text(const json_t *in, const char *name, const char **text_out, struct sqs_refusal *r)
{
    const json_t *value = json_object_get(in, name);
    *text_out = NULL;
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return sqs_refuse(r, SQS_SERIALIZATION, "The parameter %s must be a string.", name);
    *text_out = json_string_value(value);
    return 0;
}

int sqs_need_text(const json_t *in, const char *name, const char **text_out, struct sqs_refusal *r)
{
    if (sqs_take_text(in, name, text_out, r) < 0)
        return -1;
    if (!*text_out || !**text_out)
        return sqs_refuse(r, SQS_MISSING_PARAMETER, "The request must contain the parameter %s.",
                          name);
    return 0;
}

int sqs_take_int(const json_t *in, const char *name, int64_t low, int64_t high,
                 int64_t *value_inout, struct sqs_refusal *r)
{
    const json_t *value = json_object_get(in, name);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_integer(value))
        return sqs_refuse(r, SQS_SERIALIZATION, "The parameter %s must be an integer.", name);
    int64_t number = json_integer_value(value);
    if (number < low || number > high) {
        /* AWS words a range from 0 and one from 1 differently. */
        if (low == 0)
            return sqs_refuse(r, SQS_INVALID_PARAMETER,
                              "Value %" PRId64 " for parameter %s is invalid. Reason: Must be >= 0 "
                              "and <= %" PRId64 ", if provided.",
                              number, name, high);
        return sqs_refuse(r, SQS_INVALID_PARAMETER,
                          "Value %" PRId64 " for parameter %s is invalid. Reason: Must be between "
                          "%" PRId64 " and %" PRId64 ", if provided.",
                          number, name, low, high);
    }
    *value_inout = number;
    return 0;
}
