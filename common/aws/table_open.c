/* describe -> (missing: create -> describe) -> active -> time to live -> done; at AWS without
 * create and time to live */
#include "common/aws/table_open.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws/dynamodb.h"
#include "common/aws/endpoint.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"

struct table_open {
    struct aws_client *client;           /* borrowed: the worker's, outlives us */
    const struct aws_endpoint *endpoint; /* borrowed: the worker's, outlives us */
    char *name;                          /* own */
    struct opening *opening;             /* borrowed: owns us */
    table_open_cb *done;
    void *arg;
};

static uint64_t call(struct table_open *open, const char *operation, json_t *input,
                     aws_reply_cb *done)
{
    static const struct dynamodb_options options = {
        .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};
    return dynamodb_call(open->client, open->endpoint, operation, input, &options, done, open);
}

/* "Already enabled" is a validation error. */
static void on_ttl(void *arg, const struct aws_reply *reply)
{
    struct table_open *open = arg;
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
    if (strcmp(reply->code, "ResourceInUseException") == 0)
        seen.class = AWS_OK;                                     /* somebody else is creating it */
    opening_later(open->opening, "dynamodb:CreateTable", &seen); /* and look again */
}

static uint64_t create(struct table_open *open)
{
    return call(open, "CreateTable",
                json_pack("{s:s, s:[{s:s, s:s}], s:[{s:s, s:s}], s:s}", "TableName", open->name,
                          "AttributeDefinitions", "AttributeName", "id", "AttributeType", "S",
                          "KeySchema", "AttributeName", "id", "KeyType", "HASH", "BillingMode",
                          "PAY_PER_REQUEST"),
                on_created);
}

static uint64_t set_ttl(struct table_open *open)
{
    return call(open, "UpdateTimeToLive",
                json_pack("{s:s, s:{s:b, s:s}}", "TableName", open->name, "TimeToLiveSpecification",
                          "Enabled", 1, "AttributeName", "expires"),
                on_ttl);
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
    if (reply->class == AWS_MISSING && endpoint_is_embedded(open->endpoint)) {
        opening_goes_on(open->opening, create(open));
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
        opening_goes_on(open->opening, set_ttl(open));
    } else {
        opening_done(open->opening);
        open->done(open->arg); /* may free open */
    }
}

static uint64_t ask(void *arg)
{
    struct table_open *open = arg;
    return call(open, "DescribeTable", json_pack("{s:s}", "TableName", open->name), on_described);
}

static void drop(void *arg)
{
    struct table_open *open = arg;
    free(open->name);
    free(open);
}

struct opening *table_open_start(struct event_base *base, struct aws_client *client,
                                 const struct aws_endpoint *endpoint, const char *role,
                                 const char *name, table_open_cb *done, void *arg)
{
    static const struct opening_kind kind = {ask, drop};
    struct table_open *open = xcalloc(1, sizeof(*open));
    char *what = xasprintf("table \"%s\"", name);
    const struct obstacle_object object = {what, "ledger.table", role, endpoint->region};
    open->client = client;
    open->endpoint = endpoint;
    open->name = xstrdup(name);
    open->done = done;
    open->arg = arg;
    open->opening = opening_new(base, client, &object, &kind, open);
    free(what);
    return open->opening;
}
