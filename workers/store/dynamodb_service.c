#include "workers/store/dynamodb_service.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/crc32.h"
#include "common/base/xalloc.h"
#include "common/base/utf8.h"
#include "workers/store/dynamodb_op.h"

#define NAME_SPACE "com.amazonaws.dynamodb.v20120810"

struct dynamodb_service {
    struct service table;
    struct dynamodb_counts total;
    struct dynamodb_counts turn; /* not durable yet */
};

static const struct operation {
    const char *name;
    bool needs_table;
    dynamodb_operation *run;
} operations[] = {
    {"UpdateItem", true, dynamodb_update_item_op},
    {"GetItem", true, dynamodb_get_item_op},
    {"PutItem", true, dynamodb_put_item_op},
    {"DeleteItem", true, dynamodb_delete_item_op},
    {"CreateTable", false, dynamodb_create_table_op},
    {"DescribeTable", true, dynamodb_describe_table_op},
    {"UpdateTimeToLive", true, dynamodb_update_time_to_live_op},
    {"DescribeTimeToLive", true, dynamodb_describe_time_to_live_op},
};

static const char *const error_types[] = {
    [DYNAMODB_NO_TABLE] = "ResourceNotFoundException",
    [DYNAMODB_TABLE_EXISTS] = "ResourceInUseException",
    [DYNAMODB_INVALID] = "ValidationException",
    [DYNAMODB_CONDITION_FAILED] = "ConditionalCheckFailedException",
    [DYNAMODB_UNKNOWN_OPERATION] = "UnknownOperationException",
};

json_t *dynamodb_refuse(struct dynamodb_op *op, enum dynamodb_error error, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    op->refusal.error = error;
    vsnprintf(op->refusal.message, sizeof(op->refusal.message), format, ap);
    va_end(ap);
    return NULL;
}

const char *dynamodb_take_text(struct dynamodb_op *op, const json_t *in, const char *name,
                               const char *fallback)
{
    const json_t *value = json_object_get(in, name);
    if (!value || json_is_null(value))
        return fallback;
    if (!json_is_string(value))
        dynamodb_refuse(op, DYNAMODB_INVALID, "The parameter %s must be a string.", name);
    return json_string_value(value);
}

static json_t *run_op(struct dynamodb_op *op, const char *name)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(operations[i].name, name) != 0)
            continue;
        if (operations[i].needs_table && dynamodb_table_of(op) < 0)
            return NULL;
        return operations[i].run(op);
    }
    return dynamodb_refuse(op, DYNAMODB_UNKNOWN_OPERATION,
                           "The store does not know the operation %.100s.", name);
}

static void answer_refusal(struct dynamodb_refusal *r, struct service_answer *answer)
{
    /* What was cut may have lost half a character. */
    char *message = utf8_safe(r->message, strlen(r->message), sizeof(r->message));
    if (r->error == DYNAMODB_NO_SPACE) {
        service_answer_unavailable(answer, message, 5);
    } else {
        char *type = xasprintf(NAME_SPACE "#%s", error_types[r->error]);
        json_t *out = json_pack("{s:s, s:s}", "__type", type, "message", message);
        if (r->item)
            json_object_set(out, "Item", r->item);
        service_answer_json(answer, 400, out);
        free(type);
    }
    free(message);
}

static void add_crc(struct service_answer *answer)
{
    char text[16];
    snprintf(text, sizeof(text), "%" PRIu32, crc32_of(answer->body, answer->body_len));
    service_answer_header(answer, "x-amz-crc32", text);
}

static enum service_verdict run(void *state, const struct service_context *context,
                                struct service_call *call, struct service_answer *answer)
{
    struct dynamodb_service *s = state;
    struct dynamodb_counts before = s->turn;
    struct dynamodb_op op = {.context = context, .counts = &s->turn, .in = call->input};
    json_t *out = run_op(&op, call->operation);
    bool failed = !out && op.refusal.error == DYNAMODB_DATABASE;
    if (!out)
        s->turn = before;
    if (out)
        service_answer_json(answer, 200, out);
    else if (!failed)
        answer_refusal(&op.refusal, answer);
    s->turn.conditions_failed += !out && op.refusal.error == DYNAMODB_CONDITION_FAILED;
    json_decref(op.refusal.item);
    if (failed)
        return SERVICE_FAILED;
    add_crc(answer);
    return SERVICE_ANSWERED;
}

static enum service_verdict sweep(void *state, const struct service_context *context)
{
    struct dynamodb_service *s = state;
    int rc = dynamodb_expire(context, &s->turn);
    return rc < 0 ? SERVICE_FAILED : rc > 0 ? SERVICE_WAITS : SERVICE_ANSWERED;
}

static void committed(void *state)
{
    struct dynamodb_service *s = state;
    s->total.item_reads += s->turn.item_reads;
    s->total.item_writes += s->turn.item_writes;
    s->total.items_expired += s->turn.items_expired;
    s->total.conditions_failed += s->turn.conditions_failed;
    s->turn = (struct dynamodb_counts){0};
}

static void dropped(void *state)
{
    struct dynamodb_service *s = state;
    s->turn = (struct dynamodb_counts){0};
}

struct dynamodb_service *dynamodb_service_new(void)
{
    struct dynamodb_service *s = xcalloc(1, sizeof(*s));
    s->table = (struct service){
        .name = "dynamodb",
        .target_prefix = "DynamoDB_20120810.",
        .state = s,
        .run = run,
        .sweep = sweep,
        .committed = committed,
        .dropped = dropped,
    };
    return s;
}

void dynamodb_service_free(struct dynamodb_service *s)
{
    free(s);
}

const struct service *dynamodb_service_table(struct dynamodb_service *s)
{
    return &s->table;
}

struct dynamodb_counts dynamodb_service_counts(const struct dynamodb_service *s)
{
    return s->total;
}
