#include "workers/ingest/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/webhook/event_id.h"
#include "common/webhook/json_check.h"
#include "common/webhook/message_group.h"
#include "common/webhook/webhook.h"
#include "workers/ingest/queues.h"
#include "workers/ingest/source.h"
#include "workers/ingest/verify.h"

#define INSPECTION_ATTRIBUTE "SluiceInspection"
#define RETRY_API "/api/v1/dlq"
#define WARN_EVERY_MS 1000

static const int refusals[] = {400, 401, 404, 405, 408, 411, 413, 417, 501};
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

struct intake {
    struct intake_options options; /* members borrowed */
    struct http_server *server;    /* borrow */
    char retry_after[16];
    struct {
        int64_t requests;
        int64_t accepted;
        int64_t refused[REFUSALS];
        int64_t unavailable;
        int64_t inspection_lost; /* 400s whose copy did not reach the inspection queue */
    } count;
    int64_t warned_mono_ms; /* the last warning about an event that came too late */
    int64_t unwarned;       /* such events since then */
};

struct pending {       /* a request whose event is on its way to a queue; freed when that is over */
    struct intake *in; /* borrow: outlives its requests */
    const struct source *source; /* borrow: the configuration */
    struct http_ticket ticket;
    char trace_id[WEBHOOK_TRACE_BYTES];
    char *refusal; /* own; of what was not JSON, else NULL */
};

static void count_refusal(struct intake *in, int status)
{
    for (size_t i = 0; i < REFUSALS; i++)
        if (refusals[i] == status)
            in->count.refused[i]++;
}

static void reply_error(struct intake *in, struct http_ticket ticket, int status, const char *error,
                        const struct http_reply_header *headers, size_t header_count)
{
    json_t *json = json_pack("{s:s}", "error", error);
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
    struct http_reply reply = {.status = status,
                               .content_type = "application/json",
                               .headers = headers,
                               .header_count = header_count,
                               .body = text,
                               .body_len = strlen(text)};
    http_server_reply(in->server, ticket, &reply);
    free(text);
    json_decref(json);
}

static void refuse(struct intake *in, struct http_ticket ticket, int status, const char *error)
{
    static const struct http_reply_header allow = {.name = "Allow", .value = "POST"};
    count_refusal(in, status);
    reply_error(in, ticket, status, error, &allow, status == 405);
}

/* At most one line a second: in an outage there is one such event for each request. */
static void warn_late(struct intake *in, const struct pending *p)
{
    char text[256];
    snprintf(text, sizeof(text), "source \"%s\": its queue did not confirm an event within %d ms",
             p->source->name, p->source->ack_deadline_ms);
    in->options.trouble(in->options.arg, text);
    in->unwarned++;
    int64_t now = clock_mono_ms();
    if (in->warned_mono_ms && now - in->warned_mono_ms < WARN_EVERY_MS)
        return;
    log_warn("%s; answered 503, the sender has to try again trace=%s since_last_line=%lld", text,
             p->trace_id, (long long)in->unwarned);
    in->warned_mono_ms = now;
    in->unwarned = 0;
}

static void answer_stored(struct intake *in, const struct pending *p)
{
    const json_t *conf = p->source->conf;
    const char *body = conf_str(conf, "reply.body");
    struct http_reply_header trace = {.name = "Sluice-Trace", .value = p->trace_id};
    struct http_reply reply = {.status = (int)conf_int(conf, "reply.status"),
                               .content_type = conf_str(conf, "reply.content_type"),
                               .headers = &trace,
                               .header_count = 1,
                               .body = body,
                               .body_len = strlen(body)};
    in->count.accepted++;
    (void)fault_point("ingest.before_reply");
    http_server_reply(in->server, p->ticket, &reply);
}

static void answer_unavailable(struct intake *in, const struct pending *p)
{
    struct http_reply_header after = {.name = "Retry-After", .value = in->retry_after};
    in->count.unavailable++;
    warn_late(in, p);
    reply_error(in, p->ticket, 503, "the event could not be stored in time; send it again", &after,
                1);
}

static void on_event_done(void *arg, bool stored)
{
    struct pending *p = arg;
    if (stored)
        answer_stored(p->in, p);
    else
        answer_unavailable(p->in, p);
    free(p);
}

static void on_copy_done(void *arg, bool stored)
{
    struct pending *p = arg;
    struct http_reply_header trace = {.name = "Sluice-Trace", .value = p->trace_id};
    if (!stored) {
        p->in->count.inspection_lost++;
        log_warn(
            "source \"%s\": a body that is not JSON was refused, and its copy did not reach the "
            "inspection queue in time trace=%s",
            p->source->name, p->trace_id);
    }
    count_refusal(p->in, 400);
    reply_error(p->in, p->ticket, 400, p->refusal, &trace, 1);
    free(p->refusal);
    free(p);
}

static const char *header_of(void *arg, const char *name)
{
    return http_request_header(arg, name);
}

static char *text_or_empty(const char *text)
{
    return xstrdup(text ? text : "");
}

static struct pending *pending_new(struct intake *in, const struct source *s,
                                   struct http_ticket ticket)
{
    struct pending *p = xcalloc(1, sizeof(*p));
    p->in = in;
    p->source = s;
    p->ticket = ticket;
    webhook_new_trace(clock_wall_ms(), p->trace_id);
    return p;
}

/* A FIFO queue takes nothing without a group, and a second send of one event only once. */
static void set_group(const struct pending *p, const struct http_request *request,
                      const char *queue, struct enqueue_message *m)
{
    bool is_fifo = queues_is_fifo(p->in->options.queues, queue);
    m->group = message_group_of(p->source->conf, request->body, request->body_len);
    if (is_fifo && !m->group)
        m->group = xstrdup(p->source->name);
    if (is_fifo)
        m->deduplication_id = xstrdup(p->trace_id);
}

/* The event in its SQS form for the queue of that key, with room for one more attribute. */
static struct enqueue_message message_of(const struct pending *p,
                                         const struct http_request *request, const char *queue)
{
    const struct source *s = p->source;
    void *raw = (void *)(uintptr_t)request; /* header_of takes no const; it only reads */
    struct webhook hook = {
        .source = xstrdup(s->name),
        .event_id =
            event_id_of(s->conf, header_of, raw, request->body, request->body_len, p->trace_id),
        .content_type = text_or_empty(http_request_header(request, "Content-Type")),
        .schema_version = xstrdup(conf_str(s->conf, "schema_version")),
        .received_at_ms = clock_wall_ms(),
        .body = (void *)(uintptr_t)request->body, /* only read */
        .body_len = request->body_len,
    };
    memcpy(hook.trace_id, p->trace_id, sizeof(hook.trace_id));
    struct buf body = {0};
    struct buf attribute = {0};
    webhook_to_message(&hook, &body, &attribute);
    free(hook.source);
    free(hook.event_id);
    free(hook.content_type);
    free(hook.schema_version);
    struct enqueue_message m = {.body_len = body.len, .attribute_count = 1};
    m.body = buf_steal(&body);
    m.attributes[0].name = WEBHOOK_ATTRIBUTE;
    m.attributes[0].value = buf_steal(&attribute);
    set_group(p, request, queue, &m);
    return m;
}

static char *inspection_of(const struct pending *p, const char *reason)
{
    char at[CLOCK_TEXT_BYTES];
    clock_rfc3339(clock_wall_ms(), at);
    json_t *json = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "v", 1, "source",
                             p->source->name, "queue", conf_str(p->source->conf, "queue"),
                             "message_id", "", "reason", reason, "at", at, "trace_id", p->trace_id);
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(json);
    return text;
}

static void accept_event(struct intake *in, const struct source *s,
                         const struct http_request *request, struct http_ticket ticket,
                         int64_t deadline)
{
    struct pending *p = pending_new(in, s, ticket);
    const char *queue = conf_str(s->conf, "queue");
    struct enqueue_message m = message_of(p, request, queue);
    enqueue_add(queues_get(in->options.queues, queue), &m, deadline, on_event_done, p);
}

static void refuse_not_json(struct intake *in, const struct source *s,
                            const struct http_request *request, struct http_ticket ticket,
                            const char *why, int64_t deadline)
{
    struct pending *p = pending_new(in, s, ticket);
    const char *queue = conf_str(s->conf, "inspection_queue");
    p->refusal = xasprintf("the body is not JSON: %s", why);
    struct enqueue_message m = message_of(p, request, queue);
    m.attributes[m.attribute_count].name = INSPECTION_ATTRIBUTE;
    m.attributes[m.attribute_count++].value = inspection_of(p, p->refusal);
    enqueue_add(queues_get(in->options.queues, queue), &m, deadline, on_copy_done, p);
}

static void take_post(struct intake *in, const struct source *s, const struct http_request *request,
                      struct http_ticket ticket)
{
    int64_t deadline = clock_mono_ms() + s->ack_deadline_ms;
    char why[128];
    void *raw = (void *)(uintptr_t)request; /* header_of takes no const; it only reads */
    size_t message_bytes =
        enqueue_limit(queues_get(in->options.queues, conf_str(s->conf, "queue")));
    if (!source_takes(s, request->body, request->body_len, message_bytes))
        refuse(in, ticket, 413, "the body is too large for this source");
    else if (!verify_request(conf_value(s->conf, "verify"), header_of, raw))
        refuse(in, ticket, 401, "unauthorized");
    else if (s->json && !json_check(request->body, request->body_len, why, sizeof(why)))
        refuse_not_json(in, s, request, ticket, why, deadline);
    else
        accept_event(in, s, request, ticket, deadline);
}

/* People look for the retry API where the webhooks go: say where it is. */
static char *not_found_text(const struct intake *in, const char *path)
{
    size_t n = strlen(RETRY_API);
    if (strncmp(path, RETRY_API, n) != 0 || (path[n] && path[n] != '/'))
        return xstrdup("no source has this path");
    const char *base = conf_str(in->options.conf, "ingest.public_retry_url");
    const char *listen =
        json_string_value(json_array_get(conf_value(in->options.conf, "retry.listen"), 0));
    if (*base)
        return xasprintf("the retry API is at %.*s%s",
                         (int)(strlen(base) - (base[strlen(base) - 1] == '/')), base, path);
    return xasprintf("the retry API is at http://%s%s", listen ? listen : "", path);
}

void intake_request(void *arg, const struct http_request *request, struct http_ticket ticket)
{
    struct intake *in = arg;
    in->count.requests++;
    const struct source *s = source_list_find(in->options.sources, request->path);
    if (!s) {
        char *text = not_found_text(in, request->path);
        refuse(in, ticket, 404, text);
        free(text);
    } else if (strcmp(request->method, "POST") != 0) {
        refuse(in, ticket, 405, "webhooks are sent with POST");
    } else {
        take_post(in, s, request, ticket);
    }
}

struct intake *intake_new(const struct intake_options *options)
{
    struct intake *in = xcalloc(1, sizeof(*in));
    in->options = *options;
    snprintf(in->retry_after, sizeof(in->retry_after), "%lld",
             (long long)conf_int(options->conf, "ingest.retry_after_s"));
    for (size_t i = 0; i < options->sources->count; i++) {
        const struct source *s = &options->sources->items[i];
        queues_get(options->queues, conf_str(s->conf, "queue"));
        if (s->json)
            queues_get(options->queues, conf_str(s->conf, "inspection_queue"));
    }
    return in;
}

void intake_free(struct intake *in)
{
    free(in);
}

void intake_set_server(struct intake *in, struct http_server *server)
{
    in->server = server;
}

void intake_count(const struct intake *in, json_t *counters)
{
    int64_t refused = http_server_refused(in->server, 0);
    int64_t by_server = refused;
    int64_t overloaded = http_server_refused(in->server, 503);
    for (size_t i = 0; i < REFUSALS; i++) {
        char name[32];
        int64_t there = http_server_refused(in->server, refusals[i]);
        snprintf(name, sizeof(name), "status_%d", refusals[i]);
        json_object_set_new(counters, name, json_integer(in->count.refused[i] + there));
        refused += in->count.refused[i] + there;
        by_server += there;
    }
    json_object_set_new(counters, "requests",
                        json_integer(in->count.requests + by_server + overloaded));
    json_object_set_new(counters, "overloaded", json_integer(overloaded));
    json_object_set_new(counters, "accepted", json_integer(in->count.accepted));
    json_object_set_new(counters, "refused", json_integer(refused));
    json_object_set_new(counters, "unavailable", json_integer(in->count.unavailable));
    json_object_set_new(counters, "inspection_lost", json_integer(in->count.inspection_lost));
}
