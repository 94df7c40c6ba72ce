#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "workers/store/sqs_op.h"

/* The numbers that SetQueueAttributes and CreateQueue take, as texts. */
static const struct setting {
    const char *name;
    int64_t low;
    int64_t high;
    size_t value;
    size_t has;
} table[] = {
#define ROW(NAME, LOW, HIGH, VALUE, HAS)                                                           \
    {                                                                                              \
        NAME, LOW, HIGH, offsetof(struct sqs_queue, VALUE), offsetof(struct sqs_settings, HAS)     \
    }
    ROW("VisibilityTimeout", 0, 43200, visibility_s, has_visibility),
    ROW("DelaySeconds", 0, 900, delay_s, has_delay),
    ROW("ReceiveMessageWaitTimeSeconds", 0, 20, wait_s, has_wait),
    ROW("MaximumMessageSize", 1024, 1048576, max_bytes, has_max_bytes),
    ROW("MessageRetentionPeriod", 60, 1209600, retention_s, has_retention),
#undef ROW
};
#define ROWS (sizeof(table) / sizeof(table[0]))

static int64_t *value_of(struct sqs_queue *queue, const struct setting *row)
{
    return (int64_t *)(void *)((char *)queue + row->value);
}

static int64_t const_value_of(const struct sqs_queue *queue, const struct setting *row)
{
    return *(const int64_t *)(const void *)((const char *)queue + row->value);
}

static bool *has_of(struct sqs_settings *s, const struct setting *row)
{
    return (bool *)((char *)s + row->has);
}

static bool const_has_of(const struct sqs_settings *s, const struct setting *row)
{
    return *(const bool *)((const char *)s + row->has);
}

/* Digits only, within bounds. */
static int parse_number(const char *text, int64_t low, int64_t high, int64_t *value_out)
{
    size_t len = strlen(text);
    if (len == 0 || len > 9 || strspn(text, "0123456789") != len)
        return -1;
    *value_out = strtoll(text, NULL, 10);
    return *value_out >= low && *value_out <= high ? 0 : -1;
}

static int bad_redrive(const char *text, const char *reason, struct sqs_refusal *r)
{
    return sqs_refuse(r, SQS_INVALID_PARAMETER,
                      "Value %.200s for parameter RedrivePolicy is invalid. Reason: %s", text,
                      reason);
}

static int redrive_count(const json_t *policy, int64_t *count_out)
{
    const json_t *count = json_object_get(policy, "maxReceiveCount");
    *count_out = 10;
    if (!count)
        return 0;
    if (json_is_string(count))
        return parse_number(json_string_value(count), 1, 1000, count_out);
    *count_out = json_integer_value(count);
    return json_is_integer(count) && *count_out >= 1 && *count_out <= 1000 ? 0 : -1;
}

/* {"deadLetterTargetArn": ..., "maxReceiveCount": n}; "" takes the policy away. */
static int parse_redrive(struct db *db, const char *queue_name, const char *text,
                         struct sqs_settings *s, struct sqs_refusal *r)
{
    s->has_redrive = true;
    if (!*text)
        return 0;
    json_t *policy = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const char *arn = json_string_value(json_object_get(policy, "deadLetterTargetArn"));
    struct sqs_queue target;
    int rc = -1;
    if (!json_is_object(policy)) {
        bad_redrive(text, "Redrive policy is not a valid JSON map.", r);
    } else if (!arn) {
        bad_redrive(text,
                    "Redrive policy does not contain mandatory attribute: "
                    "deadLetterTargetArn.",
                    r);
    } else if (redrive_count(policy, &s->values.max_receives) < 0) {
        bad_redrive(text, "Invalid value for maxReceiveCount: must be between 1 and 1000.", r);
    } else if (strncmp(arn, SQS_ARN, strlen(SQS_ARN)) != 0) {
        bad_redrive(text, "deadLetterTargetArn must start with " SQS_ARN ".", r);
    } else if (strcmp(arn + strlen(SQS_ARN), queue_name) == 0) {
        bad_redrive(text, "A queue cannot be its own dead letter target.", r);
    } else {
        int found = sqs_queue_by_name(db, arn + strlen(SQS_ARN), &target);
        if (found < 0)
            sqs_db_failed(r);
        else if (found == 0)
            bad_redrive(text, "Dead letter target does not exist.", r);
        else
            rc = 0;
        s->values.dead_queue = found > 0 ? target.id : 0;
    }
    json_decref(policy);
    return rc;
}

static int parse_one(const char *name, const char *text, struct sqs_settings *s,
                     struct sqs_refusal *r)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        if (parse_number(text, table[i].low, table[i].high, value_of(&s->values, &table[i])) < 0)
            return sqs_refuse(r, SQS_BAD_ATTRIBUTE_VALUE, "Invalid value for the parameter %s.",
                              name);
        *has_of(s, &table[i]) = true;
        return 0;
    }
    return sqs_refuse(r, SQS_BAD_ATTRIBUTE_NAME, "Unknown Attribute %.100s.", name);
}

int sqs_settings_parse(struct db *db, const char *queue_name, const json_t *attributes,
                       struct sqs_settings *settings_out, struct sqs_refusal *r)
{
    *settings_out = (struct sqs_settings){0};
    if (!attributes || json_is_null(attributes))
        return 0;
    if (!json_is_object(attributes))
        return sqs_refuse(r, SQS_SERIALIZATION, "The parameter Attributes must be a map.");
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)attributes, name, value)
    {
        const char *text = json_string_value(value);
        if (!text)
            return sqs_refuse(r, SQS_SERIALIZATION, "The attribute %.100s must be a string.", name);
        int rc = strcmp(name, "RedrivePolicy") == 0
                     ? parse_redrive(db, queue_name, text, settings_out, r)
                     : parse_one(name, text, settings_out, r);
        if (rc < 0)
            return -1;
    }
    return 0;
}

const char *sqs_settings_difference(const struct sqs_settings *s, const struct sqs_queue *queue)
{
    for (size_t i = 0; i < ROWS; i++)
        if (const_has_of(s, &table[i]) &&
            const_value_of(&s->values, &table[i]) != const_value_of(queue, &table[i]))
            return table[i].name;
    if (s->has_redrive && (s->values.dead_queue != queue->dead_queue ||
                           (queue->dead_queue && s->values.max_receives != queue->max_receives)))
        return "RedrivePolicy";
    return NULL;
}

void sqs_settings_apply(const struct sqs_settings *s, struct sqs_queue *queue)
{
    for (size_t i = 0; i < ROWS; i++)
        if (const_has_of(s, &table[i]))
            *value_of(queue, &table[i]) = const_value_of(&s->values, &table[i]);
    if (s->has_redrive) {
        queue->dead_queue = s->values.dead_queue;
        queue->max_receives = s->values.max_receives;
    }
}
