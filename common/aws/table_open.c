/* describe -> (missing: create -> describe) -> active -> time to live -> done; at AWS without
 * create and time to live */
#include "common/aws/table_open.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws/dynamodb.h"
#include "common/aws/endpoint.h"
#include "common/aws/opening.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"

struct table_open {
    struct aws_client *client;           /* borrowed: the worker's, outlives us */
    const struct aws_endpoint *endpoint; /* borrowed: the worker's, outlives us */
    char *name;                          /* own */
    struct opening *opening;             /* own */
    uint64_t call_id;                    /* 0: none is under way */
    table_open_cb *done;
    void *arg;
};

static void call(struct table_open *open, const char *operation, json_t *input, aws_reply_cb *done)
{
    static const struct dynamodb_options options = {
        .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};
    open->call_id =
        dynamodb_call(open->client, open->endpoint, operation, input, &options, done, open);
}

/* "Already enabled" is a validation error. */
static void on_ttl(void *arg, const struct aws_reply *reply)
{
    struct table_open *open = arg;
    open->call_id = 0;
    if (reply->class != AWS_OK && reply->class != AWS_INVALID && reply->class != AWS_DENIED) {
        opening_later(open->opening, "dynamodb:UpdateTimeToLive", reply);
        return;
    }
    if (reply->class == AWS_DENIED)
        log_warn("table \"%s\": its time to live cannot be switched on (%s): switch it on for the "
                 "attribute \"expires\" or records are kept for ever",
                 open->name, reply->code);
    opening_done(open->opening);
    open->done(open->arg); /* may free open */
}

static void on_created(void *arg, const struct aws_reply *reply)
{
    struct table_open *open = arg;
    struct aws_reply seen = *reply;
    open->call_id = 0;
    if (strcmp(reply->code, "ResourceInUseException") == 0)
        seen.class = AWS_OK;                                     /* somebody else is creating it */
    opening_later(open->opening, "dynamodb:CreateTable", &seen); /* and look again */
}

static void create(struct table_open *open)
{
    call(open, "CreateTable",
         json_pack("{s:s, s:[{s:s, s:s}], s:[{s:s, s:s}], s:s}", "TableName", open->name,
                   "AttributeDefinitions", "AttributeName", "id", "AttributeType", "S", "KeySchema",
                   "AttributeName", "id", "KeyType", "HASH", "BillingMode", "PAY_PER_REQUEST"),
         on_created);
}

/* One partition key, `id`, and no sort key. */
static bool has_our_key(const json_t *table)
{
    const json_t *schema = json_object_get(table, "KeySchema");
    const char *name =
        json_string_value(json_object_get(json_array_get(schema, 0), "AttributeName"));
    return !schema || (json_array_size(schema) == 1 && name && strcmp(name, "id") == 0);
}

static void on_described(void *arg, const struct aws_reply *reply)
{
    struct table_open *open = arg;
    open->call_id = 0;
    if (reply->class == AWS_MISSING && endpoint_is_embedded(open->endpoint)) {
        create(open);
        return;
    }
    const json_t *table = json_object_get(reply->json, "Table");
    const char *status = json_string_value(json_object_get(table, "TableStatus"));
    bool usable = status && (strcmp(status, "ACTIVE") == 0 || strcmp(status, "UPDATING") == 0);
    if (reply->class != AWS_OK || !usable) {
        opening_later(open->opening, "dynamodb:DescribeTable", reply);
    } else if (!has_our_key(table)) {
        opening_unfit(open->opening, "its key is not the one partition key \"id\" (a string); "
                                     "create a table with that key, or correct ledger.table");
    } else if (endpoint_is_embedded(open->endpoint)) {
        call(open, "UpdateTimeToLive",
             json_pack("{s:s, s:{s:b, s:s}}", "TableName", open->name, "TimeToLiveSpecification",
                       "Enabled", 1, "AttributeName", "expires"),
             on_ttl);
    } else {
        opening_done(open->opening);
        open->done(open->arg); /* may free open */
    }
}

static void ask(void *arg)
{
    struct table_open *open = arg;
    call(open, "DescribeTable", json_pack("{s:s}", "TableName", open->name), on_described);
}

struct table_open *table_open_start(struct event_base *base, struct aws_client *client,
                                    const struct aws_endpoint *endpoint, const char *role,
                                    const char *name, table_open_cb *done, void *arg)
{
    struct table_open *open = xcalloc(1, sizeof(*open));
    char *what = xasprintf("table \"%s\"", name);
    const struct opening_object object = {what, "ledger", role, endpoint->region};
    open->client = client;
    open->endpoint = endpoint;
    open->name = xstrdup(name);
    open->opening = opening_new(base, &object, ask, open);
    open->done = done;
    open->arg = arg;
    free(what);
    ask(open);
    return open;
}

void table_open_free(struct table_open *open)
{
    if (!open)
        return;
    if (open->call_id)
        aws_cancel(open->client, open->call_id);
    opening_free(open->opening);
    free(open->name);
    free(open);
}

const char *table_open_waiting(const struct table_open *open)
{
    return opening_waiting(open->opening);
}

const char *table_open_error(const struct table_open *open)
{
    return opening_error(open->opening);
}
