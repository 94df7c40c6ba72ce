#include "common/delivery/ledger_kills.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/aws/dynamodb.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/log_rate.h"
#include "common/base/xalloc.h"
#include "common/delivery/ledger_failure.h"

/* Messages wait for these answers: in an outage not for long. */
static const struct dynamodb_options limits = {
    .timeout_ms = 2000, .deadline_ms = 4000, .max_attempts = 4};

#define TOLD_EVERY_MS 10000

struct kills_op {
    LIST_ENTRY(kills_op) link;
    struct ledger_kills *all; /* borrow: owns us */
    uint64_t call;
    ledger_written_cb *written; /* or */
    ledger_kills_cb *got;
    void *arg;
};

struct ledger_kills {
    struct aws_client *client;           /* borrow */
    const struct aws_endpoint *endpoint; /* borrow */
    struct ledger_config config;
    struct log_rate told;
    LIST_HEAD(, kills_op) ops; /* own */
};

struct ledger_kills *ledger_kills_new(struct aws_client *client,
                                      const struct aws_endpoint *endpoint,
                                      const struct ledger_config *config)
{
    struct ledger_kills *k = xcalloc(1, sizeof(*k));
    k->client = client;
    k->endpoint = endpoint;
    k->config = *config;
    LIST_INIT(&k->ops);
    return k;
}

static void op_free(struct kills_op *op)
{
    LIST_REMOVE(op, link);
    free(op);
}

void ledger_kills_free(struct ledger_kills *k)
{
    if (!k)
        return;
    while (!LIST_EMPTY(&k->ops)) {
        aws_cancel(k->client, LIST_FIRST(&k->ops)->call);
        op_free(LIST_FIRST(&k->ops));
    }
    free(k);
}

static struct kills_op *op_new(struct ledger_kills *k, void *arg)
{
    struct kills_op *op = xcalloc(1, sizeof(*op));
    op->all = k;
    op->arg = arg;
    LIST_INSERT_HEAD(&k->ops, op, link);
    return op;
}

/* input is stolen. */
static void op_send(struct kills_op *op, const char *operation, json_t *input, aws_reply_cb *done)
{
    assert(input);
    op->call =
        dynamodb_call(op->all->client, op->all->endpoint, operation, input, &limits, done, op);
}

static void on_written(void *arg, const struct aws_reply *reply)
{
    struct kills_op *op = arg;
    const struct ledger_kills *k = op->all;
    ledger_written_cb *written = op->written;
    void *written_arg = op->arg;
    op_free(op);
    if (reply->class == AWS_OK) {
        written(written_arg, LEDGER_WRITTEN, "");
    } else if (reply->class == AWS_CONFLICT) {
        written(written_arg, LEDGER_LOST, "");
    } else {
        char *error = ledger_failure(k->endpoint, &k->config, "UpdateItem", reply);
        written(written_arg, LEDGER_FAILED, error);
        free(error);
    }
}

void ledger_kills_release(struct ledger_kills *k, const char *id, const char *owner,
                          ledger_written_cb *done, void *arg)
{
    struct kills_op *op = op_new(k, arg);
    op->written = done;
    op_send(op, "UpdateItem",
            json_pack("{s:s, s:{s:o}, s:s, s:s, s:{s:s, s:s}, s:{s:o}}", "TableName",
                      k->config.table, "Key", "id", dynamodb_s(id), "UpdateExpression",
                      "REMOVE #owner, #until", "ConditionExpression", "#owner = :dead",
                      "ExpressionAttributeNames", "#owner", "owner", "#until", "until",
                      "ExpressionAttributeValues", ":dead", dynamodb_s(owner)),
            on_written);
}

/* New reference. */
static json_t *id_of(const char *queue_url, const char *message_id)
{
    char *id = xasprintf("kill#%s#%s", queue_url, message_id);
    json_t *value = dynamodb_s(id);
    free(id);
    return value;
}

void ledger_kills_add(struct ledger_kills *k, const char *queue_url, const char *message_id,
                      const char *table_token, ledger_written_cb *done, void *arg)
{
    struct kills_op *op = op_new(k, arg);
    op->written = done;
    op_send(op, "UpdateItem",
            json_pack("{s:s, s:{s:o}, s:s, s:s, s:{s:s, s:s, s:s}, s:{s:o, s:o, s:o, s:o}}",
                      "TableName", k->config.table, "Key", "id", id_of(queue_url, message_id),
                      "UpdateExpression",
                      "SET #kills = if_not_exists(#kills, :zero) + :one, #table = :token, "
                      "#expires = :expires",
                      "ConditionExpression", "attribute_not_exists(#table) OR #table <> :token",
                      "ExpressionAttributeNames", "#kills", "kills", "#table", "table", "#expires",
                      "expires", "ExpressionAttributeValues", ":zero", dynamodb_n(0), ":one",
                      dynamodb_n(1), ":token", dynamodb_s(table_token), ":expires",
                      dynamodb_n(clock_wall_ms() / 1000 + k->config.retention_s)),
            on_written);
}

/* Whoever asks goes on as if no worker had died of the message. */
static void tell(struct ledger_kills *k, const struct aws_reply *reply)
{
    int64_t left_out;
    if (!log_rate_due(&k->told, clock_mono_ms(), TOLD_EVERY_MS, &left_out))
        return;
    char *text = ledger_failure(k->endpoint, &k->config, "GetItem", reply);
    log_warn("whether messages killed workers is not known: %s", text);
    free(text);
}

static void on_got(void *arg, const struct aws_reply *reply)
{
    struct kills_op *op = arg;
    struct ledger_kills *k = op->all;
    int64_t kills = dynamodb_number(json_object_get(reply->json, "Item"), "kills", 0);
    ledger_kills_cb *got = op->got;
    void *got_arg = op->arg;
    op_free(op);
    if (reply->class != AWS_OK)
        tell(k, reply);
    got(got_arg, kills < 0 ? 0 : kills > INT32_MAX ? INT32_MAX : (int)kills);
}

void ledger_kills_get(struct ledger_kills *k, const char *queue_url, const char *message_id,
                      ledger_kills_cb *done, void *arg)
{
    struct kills_op *op = op_new(k, arg);
    op->got = done;
    op_send(op, "GetItem",
            json_pack("{s:s, s:{s:o}, s:b}", "TableName", k->config.table, "Key", "id",
                      id_of(queue_url, message_id), "ConsistentRead", 1),
            on_got);
}
