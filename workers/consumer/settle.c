#include "workers/consumer/settle.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/delivery/deadletter.h"
#include "workers/consumer/batch.h"
#include "workers/consumer/source.h"

#define DELETE_TRIES 5
#define YIELD_TRIES 4
#define FIRST_PAUSE_MS 500
#define LONGEST_PAUSE_MS 30000

/* A copy on its way to another queue. */
struct settle_copy {
    struct settle *settle;     /* borrow */
    struct work *work;         /* borrow: it leaves only through us */
    struct queue *to;          /* borrow */
    struct deadletter *letter; /* own */
    int64_t *confirmed;        /* borrow: the counter of such copies */
    struct event *timer;       /* own: the next try */
    uint64_t call;             /* 0: none under way */
    int pause_ms;
};

struct settle {
    struct event_base *base;   /* borrow */
    struct inflight *inflight; /* borrow */
    struct lease *lease;       /* borrow */
    struct counters *counters; /* borrow */
    settle_cb *gone;
    void *arg;
    size_t queue_count;
    struct batch **deletes; /* own, by queue index; NULL for queues that are not read */
    struct batch **yields;  /* own, as above */
};

static void leave(struct settle *s, struct work *w)
{
    s->gone(s->arg, w);
    inflight_remove(s->inflight, w);
}

static void on_deleted(void *arg, uint64_t id, const struct batch_result *r)
{
    struct settle *s = arg;
    struct work *w = inflight_find(s->inflight, id);
    if (!w)
        return;
    if (r->ok) {
        s->counters->deleted++;
        fault_point("consumer.deleted");
    } else {
        s->counters->delete_failed++;
        log_warn("message %s of queue \"%s\": not deleted (%s); it will be received again",
                 w->message.id, w->queue->name, r->code);
    }
    leave(s, w);
}

static void on_yielded(void *arg, uint64_t id, const struct batch_result *r)
{
    struct settle *s = arg;
    struct work *w = inflight_find(s->inflight, id);
    if (!w)
        return;
    if (!r->ok)
        log_warn("message %s of queue \"%s\": its visibility could not be set (%s); it comes again "
                 "when its lease ends",
                 w->message.id, w->queue->name, r->code);
    leave(s, w);
}

struct settle *settle_new(struct event_base *base, struct queues *queues, struct inflight *inflight,
                          struct lease *lease, struct counters *counters, settle_cb *gone,
                          void *arg)
{
    struct settle *s = xcalloc(1, sizeof(*s));
    s->base = base;
    s->inflight = inflight;
    s->lease = lease;
    s->counters = counters;
    s->gone = gone;
    s->arg = arg;
    s->queue_count = queues_count(queues);
    s->deletes = xcalloc(s->queue_count + 1, sizeof(struct batch *));
    s->yields = xcalloc(s->queue_count + 1, sizeof(struct batch *));
    for (size_t i = 0; i < s->queue_count; i++) {
        struct queue *q = queues_at(queues, i);
        if (!q->read)
            continue;
        s->deletes[i] = batch_new(base, q, BATCH_DELETE, DELETE_TRIES, on_deleted, s);
        s->yields[i] = batch_new(base, q, BATCH_VISIBILITY, YIELD_TRIES, on_yielded, s);
    }
    return s;
}

static void copy_free(struct work *w)
{
    struct settle_copy *c = w->copy;
    if (!c)
        return;
    if (c->call)
        aws_cancel(c->to->client, c->call);
    event_free(c->timer);
    deadletter_free(c->letter);
    free(c);
    w->copy = NULL;
}

void settle_free(struct settle *s)
{
    if (!s)
        return;
    struct work *w;
    for (w = inflight_first(s->inflight); w; w = TAILQ_NEXT(w, link))
        copy_free(w);
    for (size_t i = 0; i < s->queue_count; i++) {
        batch_free(s->deletes[i]);
        batch_free(s->yields[i]);
    }
    free(s->deletes);
    free(s->yields);
    free(s);
}

static void delete_message(struct settle *s, struct work *w)
{
    fault_point("consumer.before_delete");
    w->stage = WORK_DELETING;
    batch_add(s->deletes[w->queue->index], w->id, w->message.receipt_handle, 0);
}

void settle_delivered(struct settle *s, struct work *w)
{
    s->counters->delivered++;
    fault_point("consumer.delivered");
    delete_message(s, w);
}

static void set_visibility(struct settle *s, struct work *w)
{
    fault_point("consumer.before_visibility");
    batch_add(s->yields[w->queue->index], w->id, w->message.receipt_handle, w->yield_s);
}

static void yield_message(struct settle *s, struct work *w, int seconds)
{
    w->stage = WORK_YIELDING;
    w->yield_s = seconds;
    if (lease_stop(s->lease, w))
        set_visibility(s, w);
}

void settle_lease_stopped(struct settle *s, struct work *w)
{
    if (w->stage == WORK_YIELDING)
        set_visibility(s, w);
}

void settle_retry(struct settle *s, struct work *w, int delay_s)
{
    s->counters->retried++;
    yield_message(s, w, delay_s);
}

void settle_release(struct settle *s, struct work *w)
{
    s->counters->released++;
    yield_message(s, w, 0);
}

static void try_copy_later(struct settle_copy *c)
{
    const struct timeval pause = {.tv_sec = c->pause_ms / 1000,
                                  .tv_usec = c->pause_ms % 1000 * 1000};
    evtimer_add(c->timer, &pause);
    c->pause_ms = c->pause_ms * 2 < LONGEST_PAUSE_MS ? c->pause_ms * 2 : LONGEST_PAUSE_MS;
}

static void on_copied(void *arg, const struct aws_reply *reply,
                      const struct sqs_entry_result *results, size_t count)
{
    struct settle_copy *c = arg;
    struct settle *s = c->settle;
    struct work *w = c->work;
    c->call = 0;
    if (!results || count != 1 || !results[0].ok) {
        bool whole = !results || count != 1;
        queues_trouble(c->to, "a copy could not be sent: %s (%s); trying again",
                       whole ? reply->message : results[0].message,
                       whole ? reply->code : results[0].code);
        if (whole && reply->class == AWS_MISSING)
            queues_lost(c->to);
        if (w->lease_stopped)
            settle_lease_lost(s, w);
        else
            try_copy_later(c);
        return;
    }
    fault_point("consumer.after_dlq");
    queues_recovered(c->to);
    ++*c->confirmed;
    copy_free(w);
    delete_message(s, w);
}

static void on_copy_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    static const struct sqs_options options = {
        .timeout_ms = 5000, .deadline_ms = 10000, .max_attempts = 2};
    struct settle_copy *c = arg;
    if (!c->to->url || fault_point("consumer.before_dlq")) {
        try_copy_later(c);
        return;
    }
    struct sqs_outgoing out = {.body = c->work->message.body,
                               .body_len = c->work->message.body_len};
    out.attributes = deadletter_attributes(c->letter, &out.attribute_count);
    c->call =
        sqs_send_batch(c->to->client, c->to->endpoint, c->to->url, &out, 1, &options, on_copied, c);
}

/* Takes over json. */
static void start_copy(struct settle *s, struct work *w, struct queue *to, const char *attribute,
                       json_t *json, int64_t *confirmed)
{
    struct settle_copy *c = xcalloc(1, sizeof(*c));
    c->settle = s;
    c->work = w;
    c->to = to;
    c->confirmed = confirmed;
    c->letter = deadletter_new(attribute, json, &w->message, SQS_MESSAGE_BYTES);
    if (deadletter_is_cut(c->letter))
        log_warn("message %s of queue \"%s\": SQS's limits left no room for all of %s",
                 w->message.id, w->queue->name, attribute);
    c->pause_ms = FIRST_PAUSE_MS;
    c->timer = evtimer_new(s->base, on_copy_timer, c);
    json_decref(json);
    const struct timeval now = {0};
    evtimer_add(c->timer, &now);
    w->copy = c;
    w->stage = WORK_COPYING;
}

void settle_dead(struct settle *s, struct work *w, const struct settle_death *death)
{
    const struct webhook *h = w->hook;
    int64_t now = clock_wall_ms();
    const struct deadletter_attempt last = {.at_ms = now - death->took_ms,
                                            .attempt = death->attempts,
                                            .error = death->error,
                                            .status = death->status,
                                            .took_ms = death->took_ms};
    const struct deadletter_reason reason = {
        .trace_id = h->trace_id,
        .source = h->source,
        .event_id = h->event_id,
        .error = death->error,
        .error_class = death->class,
        .failed_at_ms = now,
        .first_failed_at_ms = w->message.first_received_ms > 0 ? w->message.first_received_ms : now,
        .received_at_ms = h->received_at_ms > 0 ? h->received_at_ms : w->message.sent_at_ms,
        .retry_count = death->attempts > 0 ? death->attempts - 1 : 0,
        .attempts = &last,
        .attempt_count = death->attempts > 0 ? 1 : 0,
    };
    log_warn("event dead trace=%s source=%s class=%s attempts=%d queue=%s: %s", h->trace_id,
             h->source, death->class, death->attempts, w->source->dead_letters->name, death->error);
    start_copy(s, w, w->source->dead_letters, DEADLETTER_ATTRIBUTE, deadletter_reason_json(&reason),
               &s->counters->dead);
}

void settle_inspect(struct settle *s, struct work *w, const char *reason)
{
    char trace[WEBHOOK_TRACE_BYTES];
    webhook_derived_trace(w->queue->name, w->message.id, trace);
    const struct deadletter_inspection inspection = {
        .source = w->hook ? w->hook->source : w->source->name,
        .queue = w->queue->name,
        .message_id = w->message.id,
        .reason = reason,
        .trace_id = w->hook ? w->hook->trace_id : trace,
        .at_ms = clock_wall_ms(),
    };
    log_warn("message malformed trace=%s source=%s message=%s queue=%s: %s", inspection.trace_id,
             inspection.source, w->message.id, w->source->inspection->name, reason);
    start_copy(s, w, w->source->inspection, DEADLETTER_INSPECTION,
               deadletter_inspection_json(&inspection), &s->counters->malformed);
}

void settle_lease_lost(struct settle *s, struct work *w)
{
    if (w->stage != WORK_COPYING || w->copy->call)
        return;
    copy_free(w);
    leave(s, w);
}

void settle_give_up(struct settle *s, struct work *w)
{
    if (w->stage != WORK_COPYING)
        return;
    copy_free(w);
    settle_release(s, w);
}
