#include <string.h>

#include "common/aws/dynamodb.h"
#include "tests/interop/peer/peer.h"

static void on_reply(void *arg, const struct aws_reply *reply)
{
    struct peer *p = arg;
    p->answer = peer_reply(reply);
    if (reply->json)
        json_object_set_new(p->answer, "json", json_deep_copy(reply->json));
}

/* {"operation","input"}: any call. */
bool peer_dynamodb_run(struct peer *p, const char *op, const json_t *in)
{
    if (strcmp(op, "dynamodb.call") != 0)
        return false;
    const struct dynamodb_options limits = PEER_LIMITS(struct dynamodb_options, in);
    dynamodb_call(p->client, &p->endpoint, peer_text(in, "operation"),
                  json_deep_copy(json_object_get(in, "input")), &limits, on_reply, p);
    return true;
}
