#include "workers/consumer/process.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/consumer/claimed.h"
#include "workers/consumer/groups.h"
#include "workers/consumer/kills.h"
#include "workers/consumer/outcome.h"
#include "workers/consumer/parse.h"
#include "workers/consumer/route.h"

#define BUSY_LOOKS 12
#define BUSY_LONGEST_S 600

/* ---- the ledger's answer ---- */

static void ledger_recovered(struct process *p)
{
    if (trouble_end(&p->ledger_trouble))
        log_info("the ledger works again");
}

static void no_ledger(struct process *p, struct work *w, const char *error)
{
    char text[sizeof(p->ledger_trouble.text)];
    p->counters->unreachable++;
    /* The end of a long one is cut off: AWS's own words. */
    snprintf(text, sizeof(text), "%s (ledger.outage): %s",
             w->source->deliver_in_outage ? "delivering without the ledger" : "events wait", error);
    if (trouble_note(&p->ledger_trouble, text, clock_mono_ms()))
        log_warn("%s", text);
    p->callbacks->trouble(p->arg, text);
    /* Without a claim only the lease says that the message is ours. */
    bool delivers = w->source->deliver_in_outage && !w->queue->attributes.is_fifo;
    if (delivers && !p->draining && !w->lease_stopped)
        outcome_deliver(p, w);
    else
        outcome_defer(p, w, route_outage_delay_s(w->source, &w->message, w->hook));
}

/* A claim that is held is over sooner than it says where its work is short: the first looks come
 * early, the next at its end. One that is extended over and over is looked at less and less often:
 * a delivery may take 11 hours, and each look is a receive. */
static int busy_s(const struct work *w, int64_t wait_ms)
{
    int n = w->message.receive_count;
    int64_t seconds = (wait_ms + 999) / 1000;
    if (w->queue->attributes.is_fifo) /* its group waits with it, and receives say nothing */
        return (int)seconds;
    int64_t look = n < BUSY_LOOKS       ? INT64_C(1) << n
                   : n - BUSY_LOOKS < 4 ? INT64_C(64) << (n - BUSY_LOOKS)
                                        : BUSY_LONGEST_S;
    return (int)(n < BUSY_LOOKS && seconds < look ? seconds : look);
}

static void on_answer(void *arg, struct work *w, const struct ledger_result *result)
{
    struct process *p = arg;
    switch (result->answer) {
    case LEDGER_CLAIMED:
        ledger_recovered(p);
        claimed_act(p, w, result);
        break;
    case LEDGER_BUSY:
        ledger_recovered(p);
        p->counters->deferred++;
        outcome_defer(p, w, busy_s(w, result->wait_ms));
        break;
    case LEDGER_NOT_YET:
        ledger_recovered(p);
        p->counters->deferred++;
        outcome_defer(p, w, (int)((result->wait_ms + 999) / 1000));
        break;
    case LEDGER_UNREACHABLE:
        no_ledger(p, w, result->error);
        break;
    }
}

/* ---- received ---- */

static void handle(struct process *p, struct work *w)
{
    struct route route;
    if (!parse_message(p->sources, w, &route))
        settle_inspect(p->settle, w, route.reason);
    else if (w->source->ledger)
        claims_ask(p->claims, w);
    else
        outcome_deliver(p, w);
}

static void begin(struct process *p, struct work *w)
{
    if (outcome_only_goes_back(p, w)) {
        outcome_give_back(p, w, 0);
        return;
    }
    inflight_begin(p->inflight, w);
    handle(p, w);
    inflight_end(p->inflight);
}

static void on_kills(void *arg, struct work *w)
{
    begin(arg, w);
}

static void look_at_kills(struct process *p, struct work *w)
{
    if (outcome_only_goes_back(p, w) || !kills_ask(p->kills, w))
        begin(p, w);
}

void process_messages(struct process *p, struct queue *q, const struct sqs_message *messages,
                      size_t count, int visibility_s, int64_t first_byte_mono_ms)
{
    struct work *taken[SQS_BATCH_MAX];
    assert(count <= SQS_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        taken[i] = inflight_add(p->inflight, q, &messages[i]);
        lease_begin(p->lease, taken[i], visibility_s, first_byte_mono_ms);
    }
    for (size_t i = 0; i < count; i++)
        if (groups_must_wait(taken[i]))
            taken[i]->stage = WORK_WAITING;
    for (size_t i = 0; i < count; i++)
        if (taken[i]->stage == WORK_NEW)
            look_at_kills(p, taken[i]);
}

/* ---- the order of groups ---- */

/* In a turn of its own: a crash over this message must not count against the one ahead of it. */
static void on_next(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct process *p = arg;
    struct work *w;
    while ((w = groups_next(p->inflight))) {
        w->stage = WORK_NEW;
        look_at_kills(p, w);
    }
}

static void on_decided(void *arg, struct work *w, bool is_done)
{
    struct process *p = arg;
    struct work *behind = groups_follower(w);
    if (behind && is_done)
        event_active(p->next, 0, 0);
    else if (behind)
        settle_release(p->settle, behind); /* and so on: that is decided then, too */
}

/* ---- leases and claims ---- */

static void on_lease_lost(void *arg, struct work *w)
{
    struct process *p = arg;
    p->counters->lost++;
    if (w->claim || w->stage == WORK_CLAIMING)
        return; /* the claim says who may work */
    if (w->stage == WORK_DELIVERING)
        outcome_cancel(w);
    if (w->stage == WORK_DELIVERING || w->stage == WORK_WAITING)
        settle_leave(p->settle, w);
    else
        settle_lease_lost(p->settle, w);
}

static void on_lease_stopped(void *arg, struct work *w)
{
    struct process *p = arg;
    settle_lease_stopped(p->settle, w);
}

static void on_claim_lost(void *arg, struct work *w)
{
    struct process *p = arg;
    if (w->stage == WORK_DELIVERING)
        outcome_cancel(w);
    settle_leave(p->settle, w);
}

/* ---- drain ---- */

void process_release(struct process *p, bool begun_too)
{
    struct work *w, *next;
    p->draining = true;
    for (w = inflight_first(p->inflight); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (w->stage == WORK_DELIVERING && (begun_too || delivery_waiting(w->delivery))) {
            bool waiting = delivery_waiting(w->delivery);
            outcome_cancel(w);
            if (waiting)
                outcome_uncount(p, w, 0);
            else
                outcome_give_back(p, w, 0);
        } else if (begun_too && !outcome_is_near_redrive(w) && settle_give_up(p->settle, w)) {
            outcome_give_back(p, w, 0);
        } else if (w->stage == WORK_WAITING && (begun_too || !outcome_is_near_redrive(w))) {
            settle_release(p->settle, w);
        }
    }
}

void process_hold(struct process *p)
{
    struct work *w, *next;
    int delay_s;
    for (w = inflight_first(p->inflight); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (w->stage != WORK_DELIVERING || !delivery_waiting(w->delivery) ||
            held_ask_again(p->held, w, &delay_s) != HELD_BACK)
            continue;
        outcome_cancel(w);
        p->counters->held_back++;
        inflight_begin(p->inflight, w);
        outcome_uncount(p, w, delay_s);
        inflight_end(p->inflight);
    }
}

void process_waiting(const struct process *p, json_t *list)
{
    const char *trouble = trouble_shown(&p->ledger_trouble, clock_mono_ms());
    if (trouble)
        json_array_append_new(list, json_string(trouble));
}

static void on_gone(void *arg, struct work *w)
{
    struct process *p = arg;
    (void)w;
    p->callbacks->gone(p->arg);
}

struct process *process_new(struct event_base *base, struct queues *queues,
                            const struct sources *sources, struct inflight *inflight,
                            struct objects *objects, struct held *held, struct counters *counters,
                            const struct process_callbacks *callbacks, void *arg)
{
    static const struct lease_callbacks lease_callbacks = {on_lease_lost, on_lease_stopped};
    static const struct claims_callbacks claims_callbacks = {on_answer, on_claim_lost};
    static const struct settle_callbacks settle_callbacks = {on_decided, on_gone, outcome_copied};
    struct process *p = xcalloc(1, sizeof(*p));
    p->sources = sources;
    p->inflight = inflight;
    p->kills = kills_new(sources, inflight, on_kills, p);
    p->held = held;
    p->counters = counters;
    p->callbacks = callbacks;
    p->arg = arg;
    p->lease = lease_new(base, queues, inflight, counters, &lease_callbacks, p);
    p->claims = claims_new(base, inflight, counters, &claims_callbacks, p);
    p->next = event_new(base, -1, 0, on_next, p);
    p->settle =
        settle_new(base, queues, inflight, p->lease, counters, objects, &settle_callbacks, p);
    return p;
}

void process_free(struct process *p)
{
    if (!p)
        return;
    struct work *w;
    for (w = inflight_first(p->inflight); w; w = TAILQ_NEXT(w, link))
        if (w->delivery)
            outcome_cancel(w);
    kills_free(p->kills);
    event_free(p->next);
    settle_free(p->settle);
    claims_free(p->claims);
    lease_free(p->lease);
    free(p);
}
