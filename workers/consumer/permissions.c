#include "workers/consumer/permissions.h"

#include <stdio.h>

#include "common/aws/sqs.h"
#include "workers/consumer/queues.h"
#include "workers/permissions.h"

#define TOO_MANY 11 /* SQS gives 10 messages at most */
#define NO_HANDLE "c2x1aWNlLWNoZWNr"

static const struct sqs_options patience = {CHECKUP_CALL_MS, CHECKUP_CALL_MS, 1};

static void on_batch(void *arg, const struct aws_reply *reply,
                     const struct sqs_entry_result *results, size_t count)
{
    (void)results, (void)count; /* an entry that is refused was allowed */
    checkup_answer(arg, reply);
}

static void on_received(void *arg, const struct aws_reply *reply,
                        const struct sqs_message *messages, size_t count)
{
    (void)messages, (void)count;
    checkup_answer(arg, reply);
}

static uint64_t try_receive(struct aws_client *client, const struct checkup_step *step,
                            struct checkup *c)
{
    return sqs_receive(client, step->endpoint, step->name, TOO_MANY, 0, 0, on_received, c);
}

static uint64_t try_delete(struct aws_client *client, const struct checkup_step *step,
                           struct checkup *c)
{
    static const char *const handles[] = {NO_HANDLE};
    return sqs_delete_batch(client, step->endpoint, step->name, handles, 1, &patience, on_batch, c);
}

static uint64_t try_visibility(struct aws_client *client, const struct checkup_step *step,
                               struct checkup *c)
{
    static const char *const handles[] = {NO_HANDLE};
    static const int seconds[] = {0};
    return sqs_change_visibility_batch(client, step->endpoint, step->name, handles, seconds, 1,
                                       &patience, on_batch, c);
}

void permissions_of_queue(struct checkup *c, const struct queue *q)
{
    static const struct {
        const char *action;
        uint64_t (*start)(struct aws_client *client, const struct checkup_step *step,
                          struct checkup *c);
        bool only_read;
        unsigned good;
    } tries[] = {
        {"sqs:GetQueueAttributes", permissions_queue_attributes, false, 0},
        {"sqs:ReceiveMessage", try_receive, true, CHECKUP_GOOD(AWS_INVALID)},
        {"sqs:DeleteMessage", try_delete, true,
         CHECKUP_GOOD(AWS_INVALID) | CHECKUP_GOOD(AWS_CONFLICT)},
        {"sqs:ChangeMessageVisibility", try_visibility, true,
         CHECKUP_GOOD(AWS_INVALID) | CHECKUP_GOOD(AWS_CONFLICT)},
        {"sqs:SendMessage", permissions_send, false, CHECKUP_GOOD(AWS_INVALID)},
    };
    char what[96], key[96];
    snprintf(what, sizeof(what), "queue \"%s\"", q->name);
    snprintf(key, sizeof(key), "queues.%s", q->name);
    if (!q->url)
        checkup_note(c, what, false, queues_opening(q));
    for (size_t i = 0; q->url && i < sizeof(tries) / sizeof(tries[0]); i++) {
        if (tries[i].only_read && !q->read)
            continue;
        checkup_add(c, &(struct checkup_step){.what = what,
                                              .key = key,
                                              .action = tries[i].action,
                                              .name = q->url,
                                              .endpoint = q->endpoint,
                                              .start = tries[i].start,
                                              .good = tries[i].good});
    }
}
