#include "common/aws/queue_attributes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/sqs.h"
#include "common/base/buf.h"
#include "common/conf/conf_format.h"

#define VISIBILITY_S 30
#define RECEIVES_MAX 1000

static int64_t number(const json_t *attributes, const char *name, int64_t fallback)
{
    const char *text = json_string_value(json_object_get(attributes, name));
    size_t len = text ? strspn(text, "0123456789") : 0;
    return len == 0 || len > 12 || text[len] ? fallback : strtoll(text, NULL, 10);
}

/* maxReceiveCount is a number or a text, depending on who wrote the policy. */
static int receives_of(const json_t *policy)
{
    const json_t *count = json_object_get(policy, "maxReceiveCount");
    int64_t n =
        json_is_integer(count) ? json_integer_value(count) : number(policy, "maxReceiveCount", 0);
    return n >= 1 && n <= RECEIVES_MAX ? (int)n : 0;
}

static void read_policy(const char *text, struct queue_attributes *out)
{
    json_t *policy = text ? json_loads(text, 0, NULL) : NULL;
    const char *arn = json_string_value(json_object_get(policy, "deadLetterTargetArn"));
    if (arn) {
        out->max_receives = receives_of(policy);
        snprintf(out->dead_letter_arn, sizeof(out->dead_letter_arn), "%s", arn);
    }
    json_decref(policy);
}

void queue_attributes_read(const char *queue_url, const json_t *attributes,
                           struct queue_attributes *out)
{
    memset(out, 0, sizeof(*out));
    out->max_message_bytes = number(attributes, "MaximumMessageSize", SQS_MESSAGE_BYTES);
    if (out->max_message_bytes > SQS_MESSAGE_BYTES)
        out->max_message_bytes = SQS_MESSAGE_BYTES;
    out->visibility_s = number(attributes, "VisibilityTimeout", VISIBILITY_S);
    out->retention_s = number(attributes, "MessageRetentionPeriod", 0);
    out->is_fifo = conf_format_is_fifo(queue_url);
    read_policy(json_string_value(json_object_get(attributes, "RedrivePolicy")), out);
}

static void add_change(struct buf *out, const char *name, int64_t before, int64_t now)
{
    if (before != now)
        buf_printf(out, "%s%s %lld -> %lld", out->len ? ", " : "", name, (long long)before,
                   (long long)now);
}

char *queue_attributes_changes(const struct queue_attributes *before,
                               const struct queue_attributes *now)
{
    struct buf out = {0};
    add_change(&out, "MaximumMessageSize", before->max_message_bytes, now->max_message_bytes);
    add_change(&out, "VisibilityTimeout", before->visibility_s, now->visibility_s);
    add_change(&out, "MessageRetentionPeriod", before->retention_s, now->retention_s);
    add_change(&out, "maxReceiveCount", before->max_receives, now->max_receives);
    if (strcmp(before->dead_letter_arn, now->dead_letter_arn) != 0)
        buf_printf(&out, "%sdeadLetterTargetArn \"%s\" -> \"%s\"", out.len ? ", " : "",
                   before->dead_letter_arn, now->dead_letter_arn);
    return out.len ? buf_steal(&out) : NULL;
}
