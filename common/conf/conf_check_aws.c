#include "common/conf/conf_check_aws.h"

#include <stdio.h>
#include <string.h>

#include "common/conf/conf.h"
#include "common/conf/conf_aws.h"
#include "common/conf/conf_errors.h"
#include "common/conf/conf_format.h"

#define PATH_BYTES 160

static bool is_aws(const json_t *object)
{
    return strcmp(conf_str(object, "service"), "aws") == 0;
}

/* A queue is asked for at aws.sqs_endpoint_url, whatever host its URL names. */
static void check_url(const json_t *aws, const char *at, const char *url,
                      struct conf_errors *errors)
{
    char region[CONF_AWS_REGION_BYTES], asked[CONF_AWS_REGION_BYTES];
    const char *ours = conf_str(aws, "region");
    bool asks_aws = conf_aws_url_region(conf_str(aws, "sqs_endpoint_url"), asked);
    if (!conf_aws_url_region(url, region)) {
        if (asks_aws)
            conf_errors_add(errors, at,
                            "its host is none of AWS's: set aws.sqs_endpoint_url or "
                            "AWS_ENDPOINT_URL_SQS to the server that has this queue");
    } else if (*ours && strcmp(region, ours) != 0) {
        conf_errors_warn(errors, at,
                         "it is in region %s, but requests are made in %s, where it will not be "
                         "found: correct aws.region or AWS_REGION",
                         region, ours);
    }
}

static void check_queue(const json_t *conf, const char *key, const json_t *queue,
                        struct conf_errors *errors)
{
    const char *url = conf_str(queue, "url");
    char at[PATH_BYTES];
    snprintf(at, sizeof(at), "queues.%s.url", key);
    if (conf_errors_concern(errors, at))
        return;
    if (!is_aws(queue) && *url)
        conf_errors_add(errors, at, "is only for service aws: set service to \"aws\"");
    else if (is_aws(queue) && !*url)
        conf_errors_add(errors, at,
                        "must be written for a queue on AWS: its URL, such as "
                        "\"https://sqs.eu-central-1.amazonaws.com/123456789012/events\"");
    else if (is_aws(queue))
        check_url(conf_value(conf, "aws"), at, url, errors);
}

static void check_dead_letters(const json_t *letters, struct conf_errors *errors)
{
    if (!is_aws(letters) && *conf_str(letters, "sse"))
        conf_errors_add(errors, "dead_letters.sse", "is only for service aws");
    if (*conf_str(letters, "kms_key_id") && strcmp(conf_str(letters, "sse"), "aws:kms") != 0)
        conf_errors_add(errors, "dead_letters.kms_key_id", "is only for sse \"aws:kms\"");
    if (!is_aws(letters) && !conf_bool(letters, "conditional_writes"))
        conf_errors_add(errors, "dead_letters.conditional_writes",
                        "false is only for service aws: the embedded store knows such writes");
}

/* The certificate of a server that is asked under many names covers one label of theirs. */
static void check_addressing(const json_t *conf, struct conf_errors *errors)
{
    const char *bucket = conf_str(conf, "dead_letters.bucket");
    bool is_virtual = strcmp(conf_str(conf, "aws.s3_addressing"), "virtual") == 0;
    bool is_tls = strncmp(conf_str(conf, "aws.s3_endpoint_url"), "https:", 6) == 0;
    if (is_aws(conf_value(conf, "dead_letters")) && is_virtual && is_tls && strchr(bucket, '.'))
        conf_errors_warn(errors, "aws.s3_addressing",
                         "virtual, while the bucket \"%.80s\" has a dot: no certificate of AWS "
                         "covers such a host; set it to \"path\" or leave it out",
                         bucket);
}

/* The first source whose queue other hosts may read while its ledger is this host's, or NULL. */
static const char *host_only_source(const json_t *conf)
{
    const json_t *queues = conf_value(conf, "queues");
    const char *name;
    json_t *source;
    if (is_aws(conf_value(conf, "ledger")))
        return NULL;
    json_object_foreach((json_t *)conf_value(conf, "sources"), name, source)
    {
        const json_t *queue = json_object_get(queues, conf_str(source, "queue"));
        if (queue && is_aws(queue) && conf_bool(source, "ledger"))
            return name;
    }
    return NULL;
}

static void check_ledger(const json_t *conf, struct conf_errors *errors)
{
    const char *name = host_only_source(conf);
    if (name)
        conf_errors_warn(errors, "ledger.service",
                         "embedded, while the queue of source \"%s\" is on AWS: idempotent on this "
                         "host only; set it to \"aws\" where several hosts read that queue",
                         name);
}

json_t *conf_check_aws_notes(const json_t *conf)
{
    json_t *notes = json_array();
    const char *name = host_only_source(conf);
    if (name)
        json_array_append_new(
            notes, json_sprintf("idempotent on this host only: the queue of source \"%s\" is on "
                                "AWS, the ledger is not",
                                name));
    if (!conf_bool(conf, "dead_letters.conditional_writes"))
        json_array_append_new(notes, json_string("dead letters are written without conditions: two "
                                                 "redrives of one at once may deliver it twice"));
    return notes;
}

/* A poll of AWS cannot be taken back: at a stop it is let go to its end. */
#define POLL_END_S 3
static void check_drain(const json_t *conf, struct conf_errors *errors)
{
    const json_t *queues = conf_value(conf, "queues");
    long long drain_s = conf_int(conf, "drain_s");
    const char *name;
    json_t *source;
    json_object_foreach((json_t *)conf_value(conf, "sources"), name, source)
    {
        const json_t *queue = json_object_get(queues, conf_str(source, "queue"));
        long long wait_s = conf_int(source, "retry.wait_s");
        if (!queue || !is_aws(queue) || drain_s >= wait_s + POLL_END_S)
            continue;
        conf_errors_warn(
            errors, "drain_s",
            "%lld is less than sources.%s.retry.wait_s + %d = %lld: what a poll on AWS "
            "brings while a worker stops then waits for its visibility timeout",
            drain_s, name, POLL_END_S, wait_s + POLL_END_S);
        return;
    }
}

/* What a FIFO queue asks of the source whose events are on it. */
static void check_fifo(const json_t *conf, const char *name, const json_t *source,
                       struct conf_errors *errors)
{
    const char *queue = conf_str(source, "queue");
    const json_t *its = json_object_get(conf_value(conf, "queues"), queue);
    char at[PATH_BYTES];
    if (!its || !is_aws(its) || !conf_format_is_fifo(conf_str(its, "url")))
        return;
    snprintf(at, sizeof(at), "sources.%s.message_group", name);
    if (!*conf_str(source, "message_group") && !conf_errors_concern(errors, at))
        conf_errors_add(errors, at,
                        "must be written: queue \"%s\" is FIFO and keeps the order within groups; "
                        "name the member of the body that says which events belong together, such "
                        "as \"/conversation_id\"",
                        queue);
    snprintf(at, sizeof(at), "sources.%s.ledger", name);
    if (!conf_bool(source, "ledger"))
        conf_errors_add(errors, at,
                        "must be true: on a FIFO queue receives are no attempts, since an event is "
                        "received again whenever one before it in its group is retried");
    snprintf(at, sizeof(at), "sources.%s.retry.strategy", name);
    if (strcmp(conf_str(source, "retry.strategy"), "requeue") == 0)
        conf_errors_add(errors, at,
                        "must be visibility: queue \"%s\" is FIFO, and a copy would stand behind "
                        "the events that came after it",
                        queue);
    if (strcmp(conf_str(conf, "ledger.outage"), "deliver") == 0)
        conf_errors_warn(errors, "ledger.outage",
                         "deliver, but the events of source \"%s\" wait all the same: its queue is "
                         "FIFO, and the ledger keeps their order",
                         name);
}

void conf_check_aws(const json_t *conf, struct conf_errors *errors)
{
    const char *key;
    json_t *queue, *source;
    json_object_foreach((json_t *)conf_value(conf, "queues"), key, queue)
    {
        check_queue(conf, key, queue, errors);
    }
    json_object_foreach((json_t *)conf_value(conf, "sources"), key, source)
    {
        check_fifo(conf, key, source, errors);
    }
    check_dead_letters(conf_value(conf, "dead_letters"), errors);
    check_addressing(conf, errors);
    check_ledger(conf, errors);
    check_drain(conf, errors);
}
