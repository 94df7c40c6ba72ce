#include "workers/store/sqs_service.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/store/db.h"
#include "workers/store/sqs_op.h"

struct sqs_service {
    struct service table;
    struct sqs_counts total;
    struct sqs_counts turn; /* not durable yet */
};

static const struct operation {
    const char *name;
    sqs_operation *run;
} operations[] = {
    {"ReceiveMessage", sqs_receive_op},
    {"SendMessage", sqs_send_op},
    {"SendMessageBatch", sqs_send_batch_op},
    {"DeleteMessage", sqs_delete_op},
    {"DeleteMessageBatch", sqs_delete_batch_op},
    {"ChangeMessageVisibility", sqs_visibility_op},
    {"ChangeMessageVisibilityBatch", sqs_visibility_batch_op},
    {"CreateQueue", sqs_create_queue_op},
    {"GetQueueUrl", sqs_get_queue_url_op},
    {"GetQueueAttributes", sqs_get_attributes_op},
    {"SetQueueAttributes", sqs_set_attributes_op},
    {"ListQueues", sqs_list_queues_op},
    {"PurgeQueue", sqs_purge_queue_op},
};

static const struct operation *find(const char *name)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    return NULL;
}

static enum service_verdict run(void *state, const struct service_context *context,
                                struct service_call *call, struct service_answer *answer)
{
    struct sqs_service *s = state;
    struct sqs_counts before = s->turn;
    struct sqs_op op = {
        .service = s, .context = context, .call = call, .counts = &s->turn, .in = call->input};
    const struct operation *operation = find(call->operation);
    json_t *out = NULL;
    if (operation)
        out = operation->run(&op);
    else
        sqs_refuse(&op.refusal, SQS_UNKNOWN_OPERATION,
                   "The store does not know the operation %.100s.", call->operation);
    if (op.waits)
        return SERVICE_WAITS;
    if (!out)
        s->turn = before;
    if (!out && op.refusal.error == SQS_DATABASE)
        return SERVICE_FAILED;
    if (out) {
        service_answer_json(answer, 200, out);
    } else {
        sqs_error_answer(&op.refusal, answer);
    }
    return SERVICE_ANSWERED;
}

static bool waits(const struct service_call *call)
{
    return strcmp(call->operation, "ReceiveMessage") == 0;
}

static int64_t due_ms(void *state, const struct service_context *context, int64_t wait_key)
{
    (void)state;
    return sqs_receive_due_ms(context, wait_key);
}

static enum service_verdict undo(void *state, const struct service_context *context,
                                 const struct service_call *call)
{
    struct sqs_service *s = state;
    return sqs_receive_undo(context, call, &s->turn) < 0 ? SERVICE_FAILED : SERVICE_ANSWERED;
}

static enum service_verdict sweep(void *state, const struct service_context *context)
{
    struct sqs_service *s = state;
    return sqs_receive_sweep(context, &s->turn) < 0 ? SERVICE_FAILED : SERVICE_ANSWERED;
}

static void committed(void *state)
{
    struct sqs_service *s = state;
    const struct sqs_counts *turn = &s->turn;
    s->total.sends += turn->sends;
    s->total.messages_sent += turn->messages_sent;
    s->total.receives += turn->receives;
    s->total.messages_received += turn->messages_received;
    s->total.deletes += turn->deletes;
    s->total.visibility_changes += turn->visibility_changes;
    s->total.redriven += turn->redriven;
    s->total.returned += turn->returned;
    s->total.expired += turn->expired;
    s->turn = (struct sqs_counts){0};
}

static void dropped(void *state)
{
    struct sqs_service *s = state;
    s->turn = (struct sqs_counts){0};
}

struct sqs_service *sqs_service_new(void)
{
    struct sqs_service *s = xcalloc(1, sizeof(*s));
    s->table = (struct service){
        .name = "sqs",
        .target_prefix = "AmazonSQS.",
        .state = s,
        .run = run,
        .waits = waits,
        .due_ms = due_ms,
        .undo = undo,
        .sweep = sweep,
        .committed = committed,
        .dropped = dropped,
    };
    return s;
}

void sqs_service_free(struct sqs_service *s)
{
    free(s);
}

const struct service *sqs_service_table(struct sqs_service *s)
{
    return &s->table;
}

struct sqs_counts sqs_service_counts(const struct sqs_service *s)
{
    return s->total;
}
