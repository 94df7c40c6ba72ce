#include "workers/retry/dead_letters.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws/bucket_open.h"
#include "common/aws/endpoint.h"
#include "common/aws/obstacle.h"
#include "common/aws/table_open.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/log_rate.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/deadletter_object.h"
#include "common/delivery/delivery.h"
#include "common/delivery/errands.h"
#include "common/delivery/ledger.h"
#include "workers/permissions.h"
#include "workers/retry/dlq_key.h"
#include "workers/retry/owner.h"

#define CLAIM_MS 30000 /* of a ledger record; extended while a redrive runs */
#define HOUR_MS 3600000
#define TOLD_EVERY_MS 1000
#define OTHER_CLOCK_MS 5000 /* by which a claim of another host counts longer */

const struct s3_options dead_letters_patience = {
    .timeout_ms = 4000, .deadline_ms = 9000, .max_attempts = 3};

struct named {
    const char *name; /* borrowed: of the configuration */
    struct destination *destination;
};

struct dead_letters_own {
    struct endpoint *s3, *table;
    struct opening *bucket_open; /* NULL once open */
    struct opening *table_open;  /* NULL once open */
    struct named *destinations;
    size_t count;
    uint64_t versioning_call; /* 0: none is under way */
    struct log_rate told;     /* of failures */
    struct dead_letters_callbacks to;
};

static void look_whether_open(struct dead_letters *d)
{
    struct dead_letters_own *own = d->own;
    if (!own->bucket_open && !own->table_open)
        own->to.opened(own->to.arg);
}

/* Whether one is still under way is looked at in each turn of the drain. */
static void on_acknowledged(void *arg)
{
    (void)arg;
}

/* Where it cannot be known, because it is denied or the server has no such thing, nobody is
 * advised.
 */
static void on_versioning(void *arg, const struct aws_reply *reply, bool enabled)
{
    struct dead_letters *d = arg;
    d->own->versioning_call = 0;
    if (reply->class != AWS_OK || enabled)
        return;
    char *text = xasprintf("bucket \"%s\" keeps no versions: a dead letter that is deleted by "
                           "mistake is gone; recommended: aws s3api put-bucket-versioning --bucket "
                           "%s --versioning-configuration Status=Enabled, and the lifecycle rules "
                           "of etc/s3-lifecycle.json",
                           d->bucket, d->bucket);
    d->own->to.advise(d->own->to.arg, text);
    free(text);
}

static void look_at_versioning(struct dead_letters *d)
{
    if (!endpoint_is_embedded(d->s3))
        d->own->versioning_call = s3_get_bucket_versioning(
            d->client, d->s3, d->bucket, &dead_letters_patience, on_versioning, d);
}

static void on_bucket(void *arg)
{
    struct dead_letters *d = arg;
    opening_free(d->own->bucket_open);
    d->own->bucket_open = NULL;
    look_at_versioning(d);
    look_whether_open(d);
}

static void on_table(void *arg)
{
    struct dead_letters *d = arg;
    opening_free(d->own->table_open);
    d->own->table_open = NULL;
    look_whether_open(d);
}

static bool open_destinations(struct dead_letters *d, struct tokens *tokens)
{
    json_t *all = (json_t *)(uintptr_t)conf_value(d->conf, "destinations");
    const char *name;
    json_t *conf;
    d->own->destinations = xcalloc(json_object_size(all) + 1, sizeof(*d->own->destinations));
    json_object_foreach(all, name, conf)
    {
        struct destination *destination = destination_new(d->base, name, conf, tokens);
        if (!destination)
            return false;
        d->own->destinations[d->own->count++] =
            (struct named){.name = name, .destination = destination};
    }
    return true;
}

struct dead_letters *dead_letters_new(struct event_base *base, struct aws_client *client,
                                      const json_t *conf, struct tokens *tokens,
                                      const struct dead_letters_callbacks *callbacks)
{
    struct dead_letters *d = xcalloc(1, sizeof(*d));
    struct dead_letters_own *own = d->own = xcalloc(1, sizeof(*own));
    d->base = base;
    d->client = client;
    d->conf = conf;
    d->bucket = conf_str(conf, "dead_letters.bucket");
    d->prefix = conf_str(conf, "dead_letters.prefix");
    d->table = conf_str(conf, "ledger.table");
    d->max_redrives = (int)conf_int(conf, "dead_letters.max_redrives");
    own->to = *callbacks;
    d->errands = errands_new(base, conf_value(conf, "sources"), tokens, on_acknowledged, d);
    if (!d->errands || !open_destinations(d, tokens)) {
        dead_letters_free(d);
        return NULL;
    }
    own->s3 = endpoint_new(conf, conf_str(conf, "dead_letters.service"), "s3");
    own->table = endpoint_new(conf, conf_str(conf, "ledger.service"), "dynamodb");
    d->s3 = endpoint_aws(own->s3);
    d->table_at = endpoint_aws(own->table);
    const struct ledger_config config = {.table = d->table,
                                         .claim_ms = CLAIM_MS,
                                         .retention_s = conf_int(conf, "ledger.retention_s"),
                                         .role = "retry"};
    d->ledger = ledger_new(client, d->table_at, &config);
    const struct bucket_open_options bucket = {d->bucket, d->prefix, "retry"};
    own->bucket_open = bucket_open_start(base, client, d->s3, &bucket, on_bucket, d);
    own->table_open = table_open_start(base, client, d->table_at, "retry", d->table, on_table, d);
    return d;
}

void dead_letters_free(struct dead_letters *d)
{
    if (!d)
        return;
    if (d->own->versioning_call)
        aws_cancel(d->client, d->own->versioning_call);
    opening_free(d->own->bucket_open);
    opening_free(d->own->table_open);
    ledger_free(d->ledger);
    for (size_t i = 0; i < d->own->count; i++)
        destination_free(d->own->destinations[i].destination);
    errands_free(d->errands);
    free(d->own->destinations);
    endpoint_free(d->own->s3);
    endpoint_free(d->own->table);
    free(d->own);
    free(d);
}

void dead_letters_waiting(const struct dead_letters *d, json_t *texts)
{
    const struct dead_letters_own *own = d->own;
    const char *bucket = opening_waiting(own->bucket_open);
    const char *table = opening_waiting(own->table_open);
    if (bucket)
        json_array_append_new(texts, json_string(bucket));
    if (table)
        json_array_append_new(texts, json_string(table));
}

const char *dead_letters_bucket_error(const struct dead_letters *d, bool *open_out)
{
    *open_out = !d->own->bucket_open;
    return opening_error(d->own->bucket_open);
}

const char *dead_letters_table_error(const struct dead_letters *d, bool *open_out)
{
    *open_out = !d->own->table_open;
    return opening_error(d->own->table_open);
}

char *dead_letters_failure(const struct dead_letters *d, const char *action,
                           const struct aws_reply *reply)
{
    bool of_table = strncmp(action, "dynamodb:", 9) == 0;
    char *what =
        of_table ? xasprintf("table \"%s\"", d->table) : xasprintf("bucket \"%s\"", d->bucket);
    const struct obstacle_object object = {what, of_table ? "ledger.table" : "dead_letters",
                                           "retry", of_table ? d->table_at->region : d->s3->region};
    char *failure = xasprintf("%s failed", action);
    char *text = obstacle_failure(&object, action, failure, reply);
    int64_t left_out;
    if (log_rate_due(&d->own->told, clock_mono_ms(), TOLD_EVERY_MS, &left_out))
        log_warn("%s lines_left_out=%lld", text, (long long)left_out);
    free(failure);
    free(what);
    return text;
}

static void on_deleted(void *arg, const struct aws_reply *reply)
{
    checkup_answer(arg, reply);
}

/* Of an object that is not there. */
static uint64_t try_delete(struct aws_client *client, const struct checkup_step *step,
                           struct checkup *c)
{
    static const struct s3_options patience = {CHECKUP_CALL_MS, CHECKUP_CALL_MS, 1};
    return s3_delete_object(client, step->endpoint, step->name, step->detail,
                            PERMISSIONS_PROBE_ETAG, &patience, on_deleted, c);
}

void dead_letters_check(const struct dead_letters *d, struct checkup *c)
{
    char *what = xasprintf("bucket \"%s\"", d->bucket);
    char *key = xasprintf("%s" PERMISSIONS_PROBE, d->prefix);
    permissions_bucket(c, d->s3, d->bucket, d->prefix);
    checkup_add(
        c, &(struct checkup_step){.what = what,
                                  .key = "dead_letters",
                                  .action = "s3:DeleteObject",
                                  .name = d->bucket,
                                  .detail = key,
                                  .endpoint = d->s3,
                                  .start = try_delete,
                                  .good = CHECKUP_GOOD(AWS_CONFLICT) | CHECKUP_GOOD(AWS_MISSING)});
    permissions_table(c, d->table_at, d->table);
    free(key);
    free(what);
}

struct destination *dead_letters_destination(const struct dead_letters *d, const char *name)
{
    for (size_t i = 0; i < d->own->count; i++)
        if (strcmp(d->own->destinations[i].name, name) == 0)
            return d->own->destinations[i].destination;
    return NULL;
}

const json_t *dead_letters_source(const struct dead_letters *d, const char *name)
{
    return json_object_get(conf_value(d->conf, "sources"), name);
}

bool dead_letters_match(const struct params *filter, const struct deadletter_object *o)
{
    return (!filter->source || strcmp(filter->source, o->source) == 0) &&
           (!filter->error_class || strcmp(filter->error_class, o->error_class) == 0) &&
           o->failed_at_ms >= filter->from_ms && o->failed_at_ms <= filter->to_ms;
}

bool dead_letters_held(const struct deadletter_object *o)
{
    return deadletter_object_is_claimed(o, clock_wall_ms() - OTHER_CLOCK_MS) &&
           !owner_is_gone(o->claimed_by);
}

void dead_letters_beyond(const struct dead_letters *d, const struct params *filter, char *key_out)
{
    static const int64_t far_ms = INT64_C(253370764800000); /* the year 9999 */
    key_out[0] = '\0';
    if (filter->to_ms < far_ms)
        dlq_key_before_hour(d->prefix, filter->to_ms + HOUR_MS, key_out);
}
