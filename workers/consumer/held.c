#include "workers/consumer/held.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/ipc/message.h"
#include "workers/consumer/throttling.h"
#include "workers/delivery_gate.h"
#include "workers/gatekeeper.h"

#define PROBE_MARGIN_MS 30000 /* that a probe may wait for a place beside those under way */
#define SWEEP_DELAY_S 5       /* out of the sweep's way, and soon back */

/* A source, by its index in the sources. */
struct state {
    bool paused;
    int64_t held_ms; /* wall clock: when it was last known to be held back; 0: never */
};

/* A queue with a sweep under way. */
struct sweep {
    const struct queue *queue; /* borrow */
    bool wanted;
    bool batch_is_out; /* its messages are being judged */
    bool expired;      /* there was one that is past its age limit */
};

struct held {
    struct held_options o;
    struct gatekeeper *gates; /* own */
    struct state *states;     /* own */
    struct sweep *sweeps;     /* own: one for each source, those of a queue's later ones unused */
    struct event *timer;      /* own; NULL where it does not sweep */
};

static const struct source *source_at(const struct held *h, size_t i)
{
    return sources_at(h->o.sources, i);
}

static size_t count_of(const struct held *h)
{
    return sources_count(h->o.sources);
}

static struct sweep *sweep_of(const struct held *h, const struct queue *queue)
{
    size_t i = 0;
    while (i < count_of(h) && h->sweeps[i].queue != queue)
        i++;
    return &h->sweeps[i];
}

static size_t index_of(const struct held *h, const struct source *source)
{
    size_t i = 0;
    while (source_at(h, i) != source)
        i++;
    return i;
}

static bool has_gate(const struct held *h, const struct source *source)
{
    return source->gate_key && gatekeeper_holds(h->gates, source->gate_key, clock_mono_ms());
}

/* ---- messages ---- */

static void on_send(void *arg, json_t *msg)
{
    struct held *h = arg;
    h->o.send(h->o.arg, msg);
}

static void on_changed(void *arg)
{
    struct held *h = arg;
    for (size_t i = 0; i < count_of(h); i++)
        if (has_gate(h, source_at(h, i)))
            h->states[i].held_ms = clock_wall_ms();
    h->o.changed(h->o.arg);
}

static void pause_source(struct held *h, const json_t *msg, bool paused)
{
    const char *name = json_string_value(json_object_get(msg, "source"));
    for (size_t i = 0; name && i < count_of(h); i++) {
        if (strcmp(source_at(h, i)->name, name) != 0)
            continue;
        h->states[i].paused = paused;
        h->states[i].held_ms = clock_wall_ms();
    }
    h->o.changed(h->o.arg);
}

static void take_gate(struct held *h, const json_t *msg)
{
    int64_t pause_ms;
    const char *queue = throttling_pause(msg, &pause_ms);
    gatekeeper_take(h->gates, msg, clock_mono_ms());
    if (queue)
        h->o.slow_down(h->o.arg, queue, pause_ms);
}

void held_take(struct held *h, const json_t *msg)
{
    if (strcmp(message_kind(msg), "gate") == 0)
        take_gate(h, msg);
    else if (strcmp(message_kind(msg), "pause") == 0)
        pause_source(h, msg, true);
    else if (strcmp(message_kind(msg), "resume") == 0)
        pause_source(h, msg, false);
}

/* ---- polling ---- */

/* Whether a message of the queue has not come to the point yet where it is delivered or not. */
static bool is_judging(const struct held *h, const struct queue *queue)
{
    const struct work *w;
    for (w = inflight_first(h->o.inflight); w; w = TAILQ_NEXT(w, link))
        if (w->queue == queue && (w->stage == WORK_NEW || w->stage == WORK_CLAIMING))
            return true;
    return false;
}

/* The batch has been judged: another one, or the end. */
static void end_batch(struct sweep *sweep)
{
    if (!sweep->batch_is_out)
        return;
    sweep->wanted = sweep->expired;
    sweep->batch_is_out = false;
    sweep->expired = false;
}

static bool is_paused(const struct held *h, const struct queue *queue)
{
    for (size_t i = 0; i < count_of(h); i++)
        if (source_at(h, i)->queue == queue && h->states[i].paused)
            return true;
    return false;
}

/* For its sources. */
static enum poller_mode mode_of(struct held *h, const struct queue *queue, bool paused)
{
    bool gated = false, probing = false;
    for (size_t i = 0; i < count_of(h); i++) {
        const struct source *s = source_at(h, i);
        if (s->queue != queue)
            continue;
        gated = gated || has_gate(h, s);
        probing = probing || (s->gate_key && gatekeeper_may_probe(h->gates, s->gate_key));
    }
    struct sweep *sweep = sweep_of(h, queue);
    if (!paused && !gated) {
        sweep->wanted = false;
        return POLLER_FREELY;
    }
    if (is_judging(h, queue))
        return POLLER_NOT;
    if (probing && !paused)
        return POLLER_ONE;
    end_batch(sweep);
    return sweep->wanted ? POLLER_SWEEP : POLLER_NOT;
}

enum poller_mode held_mode(struct held *h, const struct queue *queue)
{
    bool paused = is_paused(h, queue);
    enum poller_mode mode = mode_of(h, queue, paused);
    return paused && mode == POLLER_NOT ? mode
                                        : throttling_mode(h->gates, queue, mode, clock_mono_ms());
}

void held_polled(struct held *h, const struct queue *queue, const struct poller_result *result)
{
    throttling_answered(h->gates, queue, result, clock_mono_ms());
}

void held_swept(struct held *h, const struct queue *queue, size_t count)
{
    struct sweep *sweep = sweep_of(h, queue);
    sweep->batch_is_out = count > 0;
    sweep->wanted = count > 0;
}

void held_expired(struct held *h, const struct work *w)
{
    sweep_of(h, w->queue)->expired = true;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct held *h = arg;
    for (size_t i = 0; i < count_of(h); i++)
        h->sweeps[i].wanted =
            h->states[i].paused || has_gate(h, source_at(h, i)) || h->sweeps[i].wanted;
    for (size_t i = 0; i < count_of(h); i++)
        if (h->sweeps[i].wanted)
            sweep_of(h, source_at(h, i)->queue)->wanted = true;
    h->o.changed(h->o.arg);
}

/* ---- deliveries ---- */

static int delay_s(const struct held *h, const struct work *w)
{
    const struct source *s = w->source;
    bool sweeping = sweep_of(h, w->queue)->wanted;
    if (!has_gate(h, s))
        return sweeping ? SWEEP_DELAY_S : 0; /* paused: nobody polls for it */
    int64_t left_s = (gatekeeper_left_ms(h->gates, s->gate_key, clock_mono_ms()) + 999) / 1000;
    return left_s < 1 ? 1 : (int)left_s;
}

enum held_answer held_ask_again(const struct held *h, const struct work *w, int *delay_s_out)
{
    bool gated = has_gate(h, w->source) && !w->is_probe;
    if (!gated && !h->states[index_of(h, w->source)].paused)
        return HELD_DELIVER;
    *delay_s_out = delay_s(h, w);
    return HELD_BACK;
}

enum held_answer held_ask(struct held *h, struct work *w, int *delay_s_out)
{
    const struct source *s = w->source;
    if (held_ask_again(h, w, delay_s_out) == HELD_DELIVER)
        return HELD_DELIVER;
    if (h->states[index_of(h, s)].paused || !gatekeeper_may_probe(h->gates, s->gate_key))
        return HELD_BACK;
    w->is_probe = true;
    gatekeeper_begin_probe(h->gates, s->gate_key, s->delivery_ms + PROBE_MARGIN_MS);
    return HELD_PROBE;
}

bool held_outcome(struct held *h, struct work *w, const struct delivery_outcome *outcome,
                  int *delay_s_out)
{
    const struct source *s = w->source;
    bool probe = w->is_probe;
    int64_t now = clock_mono_ms();
    bool says_nothing = outcome->is_unasked && !outcome->of_destination;
    if (says_nothing)
        held_cancelled(h, w);
    w->is_probe = false;
    if (!s->gate_key || says_nothing)
        return false;
    if (outcome->verdict != RETRY || !outcome->of_destination) {
        gatekeeper_worked(h->gates, s->gate_key, probe, now);
        return false;
    }
    const struct gatekeeper_failure failure = {
        .key = s->gate_key,
        .why = outcome->error,
        .began_ms = now - outcome->took_ms,
        .open_ms = s->breaker_open_ms,
        .wait_ms = delivery_gate_wait_ms(outcome, s->breaker_open_ms),
        .probe = probe,
    };
    bool excused = gatekeeper_failed(h->gates, &failure, now);
    *delay_s_out = excused ? delay_s(h, w) : 0;
    return excused;
}

void held_cancelled(struct held *h, struct work *w)
{
    if (w->is_probe)
        gatekeeper_drop_probe(h->gates, w->source->gate_key);
    w->is_probe = false;
}

bool held_since(const struct held *h, const struct source *source, int64_t since_ms)
{
    const struct state *state = &h->states[index_of(h, source)];
    return state->paused || has_gate(h, source) ||
           (state->held_ms > 0 && state->held_ms >= since_ms);
}

size_t held_paused(const struct held *h)
{
    size_t count = 0;
    for (size_t i = 0; i < count_of(h); i++)
        count += h->states[i].paused ? 1 : 0;
    return count;
}

size_t held_gates(const struct held *h)
{
    return gatekeeper_count(h->gates, clock_mono_ms());
}

/* ---- life ---- */

static void start_timer(struct held *h)
{
    const struct timeval every = {h->o.sweep_ms / 1000, (suseconds_t)(h->o.sweep_ms % 1000) * 1000};
    h->timer = event_new(h->o.base, -1, EV_PERSIST, on_timer, h);
    event_add(h->timer, &every);
}

struct held *held_new(const struct held_options *options)
{
    static const struct gatekeeper_callbacks callbacks = {on_send, on_changed};
    struct held *h = xcalloc(1, sizeof(*h));
    h->o = *options;
    h->gates = gatekeeper_new(&callbacks, h);
    h->states = xcalloc(count_of(h) + 1, sizeof(*h->states));
    h->sweeps = xcalloc(count_of(h) + 1, sizeof(*h->sweeps));
    for (size_t i = 0; i < count_of(h); i++)
        h->sweeps[i].queue = source_at(h, i)->queue;
    if (h->o.sweep_ms > 0)
        start_timer(h);
    return h;
}

void held_free(struct held *h)
{
    if (!h)
        return;
    if (h->timer)
        event_free(h->timer);
    gatekeeper_free(h->gates);
    free(h->sweeps);
    free(h->states);
    free(h);
}
