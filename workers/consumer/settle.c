#include "workers/consumer/settle.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/delivery/deadletter.h"
#include "common/delivery/ledger.h"
#include "workers/consumer/batch.h"
#include "workers/consumer/copy.h"
#include "workers/consumer/objects.h"
#include "workers/consumer/source.h"

#define DELETE_TRIES 5
#define YIELD_TRIES 4
#define VISIBILITY_TOTAL_S 43200
#define TOTAL_MARGIN_S 5

struct settle {
    struct event_base *base;   /* borrow */
    struct inflight *inflight; /* borrow */
    struct lease *lease;       /* borrow */
    struct counters *counters; /* borrow */
    struct objects *objects;   /* borrow, or NULL */
    const struct settle_callbacks *callbacks;
    void *arg;
    size_t queue_count;
    struct batch **deletes; /* own, by queue index; NULL for queues that are not read */
    struct batch **yields;  /* own, as above */
};

static void drop_copies(struct work *w)
{
    copy_free(w->copy);
    object_write_free(w->object);
    w->copy = NULL;
    w->object = NULL;
}

void settle_leave(struct settle *s, struct work *w)
{
    drop_copies(w);
    if (w->stage != WORK_DELETING && w->stage != WORK_YIELDING)
        s->callbacks->decided(s->arg, w, false);
    s->callbacks->gone(s->arg, w);
    inflight_remove(s->inflight, w);
}

static void tell(struct work *w, enum queue_action action, const char *failure,
                 const struct batch_result *r, const char *then)
{
    const struct aws_reply reply = {.class = r->class, .code = r->code, .message = r->message};
    queues_message_failed(w->queue, w->message.id, action, failure, &reply, then);
}

static void on_deleted(void *arg, uint64_t id, const struct batch_result *r)
{
    struct settle *s = arg;
    struct work *w = inflight_find(s->inflight, id);
    if (!w)
        return;
    if (r->ok) {
        s->counters->deleted++;
        queues_worked(w->queue, QUEUE_DELETE);
        fault_point("consumer.deleted");
    } else {
        s->counters->delete_failed++;
        tell(w, QUEUE_DELETE, "not deleted", r, "it will be received again");
    }
    settle_leave(s, w);
}

static void on_yielded(void *arg, uint64_t id, const struct batch_result *r)
{
    struct settle *s = arg;
    struct work *w = inflight_find(s->inflight, id);
    if (!w)
        return;
    if (r->ok)
        queues_worked(w->queue, QUEUE_VISIBILITY);
    else
        tell(w, QUEUE_VISIBILITY, "its visibility could not be set", r,
             "it comes again when its lease ends");
    settle_leave(s, w);
}

struct settle *settle_new(struct event_base *base, struct queues *queues, struct inflight *inflight,
                          struct lease *lease, struct counters *counters, struct objects *objects,
                          const struct settle_callbacks *callbacks, void *arg)
{
    struct settle *s = xcalloc(1, sizeof(*s));
    s->base = base;
    s->inflight = inflight;
    s->lease = lease;
    s->counters = counters;
    s->objects = objects;
    s->callbacks = callbacks;
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

void settle_free(struct settle *s)
{
    if (!s)
        return;
    struct work *w;
    for (w = inflight_first(s->inflight); w; w = TAILQ_NEXT(w, link))
        drop_copies(w);
    for (size_t i = 0; i < s->queue_count; i++) {
        batch_free(s->deletes[i]);
        batch_free(s->yields[i]);
    }
    free(s->deletes);
    free(s->yields);
    free(s);
}

void settle_delete(struct settle *s, struct work *w)
{
    fault_point("consumer.before_delete");
    w->stage = WORK_DELETING;
    s->callbacks->decided(s->arg, w, true);
    batch_add(s->deletes[w->queue->index], w->id, w->message.receipt_handle, 0);
}

static void set_visibility(struct settle *s, struct work *w)
{
    fault_point("consumer.before_visibility");
    batch_add(s->yields[w->queue->index], w->id, w->message.receipt_handle, w->yield_s);
}

/* SQS allows 12 h from the receive on. */
static int within_total(const struct work *w, int seconds)
{
    int64_t held_s = (clock_mono_ms() - w->received_mono_ms) / 1000;
    int64_t left_s = VISIBILITY_TOTAL_S - TOTAL_MARGIN_S - held_s;
    return seconds <= left_s ? seconds : left_s > 0 ? (int)left_s : 0;
}

void settle_defer(struct settle *s, struct work *w, int delay_s)
{
    w->stage = WORK_YIELDING;
    s->callbacks->decided(s->arg, w, false);
    w->yield_s = within_total(w, delay_s);
    if (lease_stop(s->lease, w))
        set_visibility(s, w);
}

void settle_lease_stopped(struct settle *s, struct work *w)
{
    if (w->stage == WORK_YIELDING)
        set_visibility(s, w);
}

void settle_release(struct settle *s, struct work *w)
{
    /* A dying poll of our own would only take it again. */
    int64_t polled_ms = w->queue->polled_until_mono_ms - clock_mono_ms();
    s->counters->released++;
    settle_defer(s, w, polled_ms > 0 ? (int)((polled_ms + 999) / 1000) : 0);
}

/* ---- copies ---- */

static void on_inspected(void *arg, struct work *w)
{
    struct settle *s = arg;
    s->counters->malformed++;
    drop_copies(w);
    settle_delete(s, w);
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
    w->stage = WORK_COPYING;
    w->copy = copy_start(s->base, w, w->source->inspection, DEADLETTER_INSPECTION,
                         deadletter_inspection_json(&inspection), "consumer.before_dlq",
                         "consumer.after_dlq", on_inspected, s);
}

static void on_requeued(void *arg, struct work *w)
{
    struct settle *s = arg;
    drop_copies(w);
    s->callbacks->copied(s->arg, w);
}

bool settle_can_requeue(const struct work *w, int seq)
{
    return copy_retry_fits(w, seq);
}

bool settle_requeue(struct settle *s, struct work *w, int64_t at_mono_ms)
{
    w->copy = copy_start_retry(s->base, w, w->record->seq, at_mono_ms, "consumer.requeue_sent",
                               on_requeued, s);
    if (!w->copy)
        return false;
    w->stage = WORK_COPYING;
    return true;
}

static void on_passed_on(void *arg, struct work *w)
{
    struct settle *s = arg;
    drop_copies(w);
    settle_delete(s, w);
}

bool settle_pass_on(struct settle *s, struct work *w, int delay_s)
{
    int64_t at_mono_ms = clock_mono_ms() + delay_s * INT64_C(1000);
    w->copy = copy_start_retry(s->base, w, w->retry_count, at_mono_ms, "consumer.passed_on",
                               on_passed_on, s);
    if (!w->copy)
        return false;
    w->stage = WORK_COPYING;
    return true;
}

static void buried(struct settle *s, struct work *w)
{
    s->counters->dead++;
    drop_copies(w);
    s->callbacks->copied(s->arg, w);
}

static void on_queued(void *arg, struct work *w)
{
    buried(arg, w);
}

static json_t *reason_json(const struct work *w)
{
    const struct webhook *h = w->hook;
    const struct ledger_record *r = w->record;
    const struct deadletter_reason reason = {
        .trace_id = *r->trace_id ? r->trace_id : h->trace_id,
        .source = h->source,
        .event_id = h->event_id,
        .error = r->error,
        .error_class = r->error_class,
        .failed_at_ms = r->failed_at_ms,
        .first_failed_at_ms = r->first_failed_at_ms,
        .received_at_ms = h->received_at_ms > 0 ? h->received_at_ms : w->message.sent_at_ms,
        .retry_count = r->attempts > 0 ? r->attempts - 1 : 0,
        .history = r->history,
    };
    return deadletter_reason_json(&reason);
}

static void start_queue_copy(struct settle *s, struct work *w)
{
    w->copy = copy_start(s->base, w, w->source->dead_letters, DEADLETTER_ATTRIBUTE, reason_json(w),
                         "consumer.before_dlq", "consumer.after_dlq", on_queued, s);
}

static void on_object(struct work *w, const char *key)
{
    struct settle *s = w->settle;
    snprintf(w->dlq_key, sizeof(w->dlq_key), "%s", key);
    drop_copies(w);
    inflight_begin(s->inflight, w);
    if (w->source->dead_letters)
        start_queue_copy(s, w);
    else
        buried(s, w);
    inflight_end(s->inflight);
}

static void start_object(struct settle *s, struct work *w)
{
    const struct deadletter_facts facts = {
        .hook = w->hook,
        .record = w->record,
        .destination = w->source->destination_name,
        .ledger_id = w->claim ? ledger_claim_id(w->claim) : "",
        .message_id = w->message.id,
        .dlq = w->source->dead_letters != NULL,
        .unread = w->is_poison,
    };
    w->settle = s;
    w->object =
        object_write_start(s->objects, w, deadletter_object_new(&facts), !w->claim, on_object);
}

void settle_dead(struct settle *s, struct work *w)
{
    const struct ledger_record *r = w->record;
    const struct queue *to = w->source->dead_letters;
    log_warn("event dead trace=%s source=%s class=%s attempts=%d s3=%s queue=%s: %s", r->trace_id,
             w->hook->source, r->error_class, r->attempts, w->source->s3 ? "yes" : "no",
             to ? to->name : "none", r->error);
    w->stage = WORK_COPYING;
    if (w->source->s3)
        start_object(s, w);
    else
        start_queue_copy(s, w);
}

static bool is_sending(const struct work *w)
{
    return (w->copy && copy_is_sending(w->copy)) ||
           (w->object && object_write_is_sending(w->object));
}

void settle_lease_lost(struct settle *s, struct work *w)
{
    if (w->stage == WORK_COPYING && !is_sending(w))
        settle_leave(s, w);
}

bool settle_give_up(struct settle *s, struct work *w)
{
    (void)s;
    if (w->stage != WORK_COPYING)
        return false;
    drop_copies(w);
    return true;
}
