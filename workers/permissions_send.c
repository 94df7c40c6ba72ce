#include "common/aws/sqs.h"
#include "workers/permissions.h"

#define TOO_LONG_S 901 /* SQS delays by 900 s at most, so the message is never taken */

static void on_sent(void *arg, const struct aws_reply *reply,
                    const struct sqs_entry_result *results, size_t count)
{
    (void)results, (void)count; /* an entry that is refused was allowed */
    checkup_answer(arg, reply);
}

uint64_t permissions_send(struct aws_client *client, const struct checkup_step *step,
                          struct checkup *c)
{
    static const struct sqs_options patience = {CHECKUP_CALL_MS, CHECKUP_CALL_MS, 1};
    static const struct sqs_outgoing message = {.body = "x", .body_len = 1, .delay_s = TOO_LONG_S};
    return sqs_send_batch(client, step->endpoint, step->name, &message, 1, &patience, on_sent, c);
}
