#include <stdlib.h>

#include "common/aws/dynamodb.h"
#include "common/aws/s3.h"
#include "common/base/xalloc.h"
#include "workers/permissions.h"

static const struct s3_options patience = {CHECKUP_CALL_MS, CHECKUP_CALL_MS, 1};

static void on_reply(void *arg, const struct aws_reply *reply)
{
    checkup_answer(arg, reply);
}

/* ---- the bucket ---- */

static uint64_t try_head(struct aws_client *client, const struct checkup_step *step,
                         struct checkup *c)
{
    return s3_head_bucket(client, step->endpoint, step->name, &patience, on_reply, c);
}

static void on_put(void *arg, const struct aws_reply *reply, const char *etag)
{
    (void)etag;
    checkup_answer(arg, reply);
}

/* The update of an object that is not there: nothing is ever written. */
static uint64_t try_put(struct aws_client *client, const struct checkup_step *step,
                        struct checkup *c)
{
    const struct s3_put put = {.key = step->detail,
                               .body = "",
                               .content_type = "text/plain",
                               .if_match = PERMISSIONS_PROBE_ETAG};
    return s3_put_object(client, step->endpoint, step->name, &put, &patience, on_put, c);
}

static void on_got(void *arg, const struct aws_reply *reply, const struct s3_got *got)
{
    (void)got;
    checkup_answer(arg, reply);
}

static uint64_t try_get(struct aws_client *client, const struct checkup_step *step,
                        struct checkup *c)
{
    return s3_get_object(client, step->endpoint, step->name, step->detail, &patience, on_got, c);
}

void permissions_bucket(struct checkup *c, const struct aws_endpoint *endpoint, const char *bucket,
                        const char *prefix)
{
    char *what = xasprintf("bucket \"%s\"", bucket);
    char *key = xasprintf("%s" PERMISSIONS_PROBE, prefix);
    struct checkup_step step = {
        .what = what, .key = "dead_letters", .name = bucket, .detail = key, .endpoint = endpoint};
    step.action = "s3:ListBucket";
    step.start = try_head;
    checkup_add(c, &step);
    if (endpoint->unconditional) {
        checkup_note(c, what, true,
                     "s3:PutObject is not tried: without dead_letters.conditional_writes an object "
                     "would be left behind");
    } else {
        step.action = "s3:PutObject";
        step.start = try_put;
        step.good = CHECKUP_GOOD(AWS_CONFLICT) | CHECKUP_GOOD(AWS_MISSING);
        checkup_add(c, &step);
    }
    step.action = "s3:GetObject";
    step.start = try_get;
    step.good = CHECKUP_GOOD(AWS_MISSING);
    checkup_add(c, &step);
    free(key);
    free(what);
}

/* ---- the table ---- */

static const struct dynamodb_options limits = {CHECKUP_CALL_MS, CHECKUP_CALL_MS, 1};

static uint64_t try_describe(struct aws_client *client, const struct checkup_step *step,
                             struct checkup *c)
{
    return dynamodb_call(client, step->endpoint, "DescribeTable",
                         json_pack("{s:s}", "TableName", step->name), &limits, on_reply, c);
}

static uint64_t try_get_item(struct aws_client *client, const struct checkup_step *step,
                             struct checkup *c)
{
    return dynamodb_call(client, step->endpoint, "GetItem",
                         json_pack("{s:s, s:{s:{s:s}}}", "TableName", step->name, "Key", "id", "S",
                                   PERMISSIONS_PROBE),
                         &limits, on_reply, c);
}

/* An update on the condition that the item is there, which it never is. */
static uint64_t try_update_item(struct aws_client *client, const struct checkup_step *step,
                                struct checkup *c)
{
    json_t *input = json_pack("{s:s, s:{s:{s:s}}, s:s, s:s, s:{s:s, s:s}, s:{s:{s:s}}}",
                              "TableName", step->name, "Key", "id", "S", PERMISSIONS_PROBE,
                              "UpdateExpression", "SET #s = :s", "ConditionExpression",
                              "attribute_exists(#i)", "ExpressionAttributeNames", "#s", "state",
                              "#i", "id", "ExpressionAttributeValues", ":s", "S", "none");
    return dynamodb_call(client, step->endpoint, "UpdateItem", input, &limits, on_reply, c);
}

void permissions_table(struct checkup *c, const struct aws_endpoint *endpoint, const char *table)
{
    char *what = xasprintf("table \"%s\"", table);
    struct checkup_step step = {
        .what = what, .key = "ledger.table", .name = table, .endpoint = endpoint};
    step.action = "dynamodb:DescribeTable";
    step.start = try_describe;
    checkup_add(c, &step);
    step.action = "dynamodb:GetItem";
    step.start = try_get_item;
    checkup_add(c, &step);
    step.action = "dynamodb:UpdateItem";
    step.start = try_update_item;
    step.good = CHECKUP_GOOD(AWS_CONFLICT);
    checkup_add(c, &step);
    free(what);
}
