#include "workers/consumer/lease.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/obstacle.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/consumer/batch.h"

#define TICK_MS 200
#define RETRY_MS 1000
#define TOTAL_MS (43200 * INT64_C(1000))
/* How far below SQS's 12 h the last extension stays: time on the way. */
#define TOTAL_MARGIN_MS 5000

struct lease {
    struct inflight *inflight; /* borrow */
    struct counters *counters; /* borrow */
    const struct lease_callbacks *callbacks;
    void *arg;
    struct event *tick;   /* own */
    struct batch **batch; /* own, one for each queue that is read, by index; else NULL */
    size_t batch_count;
};

static bool is_gone(const struct batch_result *r)
{
    return !r->ok &&
           (r->class == AWS_INVALID || r->class == AWS_MISSING || r->class == AWS_CONFLICT);
}

/* What passes by itself is tried again in silence. */
static void tell(struct work *w, const struct batch_result *r)
{
    const struct aws_reply reply = {.class = r->class, .code = r->code, .message = r->message};
    if (is_gone(r) || obstacle_is_for_people(&reply))
        queues_message_failed(w->queue, w->message.id, QUEUE_VISIBILITY, "its lease is lost",
                              &reply, "somebody else may receive it");
}

static void on_extended(void *arg, uint64_t id, const struct batch_result *r)
{
    struct lease *l = arg;
    struct work *w = inflight_find(l->inflight, id);
    if (!w)
        return;
    w->extending = false;
    if (r->ok) {
        queues_worked(w->queue, QUEUE_VISIBILITY);
        l->counters->extended++;
        int64_t length = w->lease_s * INT64_C(1000);
        w->until_mono_ms = r->sent_mono_ms + length - LEASE_MARGIN_MS;
        w->extend_at_mono_ms = r->sent_mono_ms + length / 2;
    } else {
        w->extend_at_mono_ms = clock_mono_ms() + RETRY_MS;
    }
    if (!r->ok && !w->lease_stopped)
        tell(w, r);
    if (w->lease_stopped) {
        l->callbacks->stopped(l->arg, w);
    } else if (is_gone(r)) {
        w->lease_stopped = true;
        l->callbacks->lost(l->arg, w);
    }
}

static void extend(struct lease *l, struct work *w, int64_t now)
{
    int64_t left_ms = TOTAL_MS - TOTAL_MARGIN_MS - (now - w->received_mono_ms);
    int64_t seconds = w->visibility_s;
    if (seconds * 1000 > left_ms)
        seconds = left_ms / 1000;
    bool gains = now + seconds * 1000 - LEASE_MARGIN_MS >= w->until_mono_ms + 1000;
    if (seconds <= 0 || (seconds < w->visibility_s && !gains)) {
        w->extend_at_mono_ms = INT64_MAX; /* the twelve hours leave nothing to gain */
        return;
    }
    w->extending = true;
    w->lease_s = (int)seconds;
    batch_add(l->batch[w->queue->index], w->id, w->message.receipt_handle, (int)seconds);
}

static void arm(struct lease *l)
{
    const struct timeval tick = {.tv_usec = TICK_MS * 1000};
    if (inflight_count(l->inflight) > 0 && !evtimer_pending(l->tick, NULL))
        evtimer_add(l->tick, &tick);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct lease *l = arg;
    int64_t now = clock_mono_ms();
    struct work *w, *next;
    for (w = inflight_first(l->inflight); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (w->lease_stopped)
            continue;
        if (now >= w->until_mono_ms) {
            w->lease_stopped = true;
            log_warn("message %s of queue \"%s\": its lease ran out without an extension",
                     w->message.id, w->queue->name);
            l->callbacks->lost(l->arg, w);
        } else if (!w->extending && now >= w->extend_at_mono_ms) {
            extend(l, w, now);
        }
    }
    arm(l);
}

struct lease *lease_new(struct event_base *base, struct queues *queues, struct inflight *inflight,
                        struct counters *counters, const struct lease_callbacks *callbacks,
                        void *arg)
{
    struct lease *l = xcalloc(1, sizeof(*l));
    l->inflight = inflight;
    l->counters = counters;
    l->callbacks = callbacks;
    l->arg = arg;
    l->tick = evtimer_new(base, on_tick, l);
    l->batch_count = queues_count(queues);
    l->batch = xcalloc(l->batch_count + 1, sizeof(struct batch *));
    for (size_t i = 0; i < l->batch_count; i++)
        if (queues_at(queues, i)->read)
            l->batch[i] =
                batch_new(base, queues_at(queues, i), BATCH_VISIBILITY, 1, on_extended, l);
    return l;
}

void lease_free(struct lease *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->batch_count; i++)
        batch_free(l->batch[i]);
    free(l->batch);
    event_free(l->tick);
    free(l);
}

void lease_begin(struct lease *l, struct work *w, int visibility_s, int64_t first_byte_mono_ms)
{
    w->visibility_s = visibility_s;
    w->lease_s = visibility_s;
    w->received_mono_ms = first_byte_mono_ms;
    w->until_mono_ms = first_byte_mono_ms + visibility_s * INT64_C(1000) - LEASE_MARGIN_MS;
    w->extend_at_mono_ms = first_byte_mono_ms + visibility_s * INT64_C(500);
    arm(l);
}

bool lease_stop(struct lease *l, struct work *w)
{
    (void)l;
    w->lease_stopped = true;
    return !w->extending;
}
