#include "common/aws/sqs.h"
#include "workers/permissions.h"

static void on_reply(void *arg, const struct aws_reply *reply)
{
    checkup_answer(arg, reply);
}

uint64_t permissions_queue_attributes(struct aws_client *client, const struct checkup_step *step,
                                      struct checkup *c)
{
    static const struct sqs_options options = {CHECKUP_CALL_MS, CHECKUP_CALL_MS, 1};
    return sqs_get_queue_attributes(client, step->endpoint, step->name, &options, on_reply, c);
}
