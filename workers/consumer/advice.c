#include "workers/consumer/advice.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/base/xalloc.h"

#define RETENTION_MAX_S 1209600
#define RECEIVES_MAX 1000 /* the largest maxReceiveCount */

char *advice_redrive(const char *queue, const char *url, const struct queue_attributes *a,
                     int max_retries)
{
    int needed = a->is_fifo ? RECEIVES_MAX : max_retries + ADVICE_SPARE_RECEIVES;
    if (a->max_receives == 0 || a->max_receives >= needed)
        return NULL;
    char *why = a->is_fifo
                    ? xasprintf("is less than %d, and the receives of an event that waits behind a "
                                "failing one of its group count, so it may die before its last "
                                "attempt",
                                RECEIVES_MAX)
                    : xasprintf("is less than max_retries + %d, so events are moved on as copies",
                                ADVICE_SPARE_RECEIVES);
    char *text = xasprintf(
        "queue \"%s\": its maxReceiveCount of %d %s; better: aws sqs set-queue-attributes "
        "--queue-url %s --attributes '{\"RedrivePolicy\":\"{\\\"deadLetterTargetArn\\\":"
        "\\\"%s\\\",\\\"maxReceiveCount\\\":%d}\"}'",
        queue, a->max_receives, why, url, a->dead_letter_arn, needed);
    free(why);
    return text;
}

char *advice_retention(const char *dead_queue, const char *dead_url,
                       const struct queue_attributes *dead, const struct queue_attributes *source)
{
    bool keeps_longer = dead->retention_s == 0 ||
                        (source->retention_s > 0 && dead->retention_s > source->retention_s);
    if (keeps_longer || dead->retention_s >= RETENTION_MAX_S)
        return NULL;
    return xasprintf("queue \"%s\": it keeps dead letters no longer than the source's queue keeps "
                     "events (%lld s); better: aws sqs set-queue-attributes --queue-url %s "
                     "--attributes MessageRetentionPeriod=%d",
                     dead_queue, (long long)dead->retention_s, dead_url, RETENTION_MAX_S);
}
