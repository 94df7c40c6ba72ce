#include "workers/consumer/process.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/consumer/groups.h"
#include "workers/consumer/kills.h"
#include "workers/consumer/outcome.h"
#include "workers/consumer/parse.h"
#include "workers/consumer/route.h"

#define BUSY_LOOKS 12
#define BUSY_LONGEST_S 600

/* ---- what the record says ---- */

/* How the message's number stands to the record's: an older copy, the one, or a newer one. A number
 * that is far ahead is not one of ours. */
static int age_of_copy(struct work *w)
{
    struct ledger_record *r = w->record;
    if (w->retry_count > r->seq && w->retry_count - r->seq <= ROUTE_RETRY_COUNT_LEAP)
        return 1;
    return w->retry_count < r->seq ? -1 : 0;
}

static void ask(struct process *p, struct work *w)
{
    w->stage = WORK_CLAIMING;
    claims_ask(p->claims, w);
}

static void act_open(struct process *p, struct work *w, bool attempts_over)
{
    struct ledger_record *r = w->record;
    int age = age_of_copy(w);
    if (age < 0 || route_of_finished_round(&w->message, r)) {
        if (!attempts_over)
            r->attempts--;
        outcome_duplicate(p, w,
                          age < 0 ? "a newer copy of it is on the queue"
                                  : "it was sent before the event died");
        return;
    }
    if (age > 0)
        r->seq = w->retry_count;
    if (attempts_over) {
        char *last = ledger_record_last_error(r);
        outcome_die(p, w, "exhausted", *last ? last : "no attempt ever reported its outcome");
        free(last);
        return;
    }
    outcome_deliver(p, w);
}

static void on_arrived(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (!outcome_is_lost(p, w, written))
        ask(p, w);
}

/* The worker that was moving it is gone. An older message means that its copy may not have been
 * sent; the copy itself means that it was. */
static void act_moving(struct process *p, struct work *w)
{
    int age = age_of_copy(w);
    if (route_of_finished_round(&w->message, w->record)) {
        outcome_duplicate(p, w, "it was sent before the event died");
        return;
    }
    if (age < 0) {
        outcome_send_retry(p, w);
        return;
    }
    if (age > 0)
        w->record->seq = w->retry_count;
    w->record->state = LEDGER_OPEN;
    outcome_write(p, w, true, on_arrived);
}

static void on_new_round(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (outcome_is_lost(p, w, written))
        return;
    if (p->draining)
        outcome_uncount(p, w, 0);
    else
        outcome_deliver(p, w);
}

/* The number is taken over from the message, whatever it is: kept, it would make the message that
 * opens the round look like an older copy at its next receive. at_ms and message_id stay: they tell
 * copies of the finished round apart for as long as this one lasts. */
static void act_dead(struct process *p, struct work *w)
{
    struct ledger_record *r = w->record;
    if (route_of_finished_round(&w->message, r)) {
        outcome_duplicate(p, w, "the event is a dead letter");
        return;
    }
    log_info("event begins a new round trace=%s source=%s message=%s", w->hook->trace_id,
             w->hook->source, w->message.id);
    r->state = LEDGER_OPEN;
    r->attempts = 1;
    r->not_before_ms = 0;
    r->excused = 0;
    if (age_of_copy(w) != 0)
        r->seq = w->retry_count;
    outcome_write(p, w, false, on_new_round);
}

/* What comes in a drain goes back as it is, unless its queue would redrive it then. */
static bool only_goes_back(const struct process *p, const struct work *w)
{
    return p->draining && !outcome_is_near_redrive(w);
}

static void act(struct process *p, struct work *w, bool attempts_over)
{
    struct ledger_record *r = w->record;
    bool must_die = attempts_over || (w->is_poison && !only_goes_back(p, w));
    if (p->draining && r->state == LEDGER_OPEN && !must_die) {
        outcome_uncount(p, w, 0);
        return;
    }
    if (only_goes_back(p, w)) {
        outcome_give_back(p, w, 0);
        return;
    }
    switch (r->state) {
    case LEDGER_OPEN:
        act_open(p, w, attempts_over);
        break;
    case LEDGER_MOVING:
        act_moving(p, w);
        break;
    case LEDGER_DYING:
        settle_dead(p->settle, w);
        break;
    case LEDGER_DEAD:
        act_dead(p, w);
        break;
    case LEDGER_DELIVERED:
        outcome_duplicate(p, w, "the event was delivered");
        break;
    }
}

/* ---- the ledger's answer ---- */

static void ledger_recovered(struct process *p)
{
    if (*p->trouble)
        log_info("the ledger works again");
    *p->trouble = '\0';
}

static void no_ledger(struct process *p, struct work *w, const char *error)
{
    char text[sizeof(p->trouble)];
    p->counters->unreachable++;
    /* The end of a long one is cut off: AWS's own words. */
    snprintf(text, sizeof(text), "%s (ledger.outage): %s",
             w->source->deliver_in_outage ? "delivering without the ledger" : "events wait", error);
    if (strcmp(text, p->trouble) != 0)
        log_warn("%s", text);
    memcpy(p->trouble, text, sizeof(text));
    p->callbacks->trouble(p->arg, text);
    /* Without a claim only the lease says that the message is ours. */
    bool delivers = w->source->deliver_in_outage && !w->queue->attributes.is_fifo;
    if (delivers && !p->draining && !w->lease_stopped)
        outcome_deliver(p, w);
    else
        outcome_defer(p, w, route_outage_delay_s(w->source, &w->message, w->hook));
}

/* One event has one trace, that of its first receive. Where two payloads of strangers share an
 * event id, the derived trace would be the same for both. */
static void follow_trace(struct work *w, bool key_conflict)
{
    struct webhook *h = w->hook;
    struct ledger_record *r = w->record;
    if (key_conflict && strncmp(h->trace_id, "DLQ-", 4) == 0) {
        char *id = xasprintf("%s#%s", h->event_id, w->sha256);
        webhook_derived_trace(w->queue->name, id, h->trace_id);
        free(id);
        ledger_record_set(&r->trace_id, h->trace_id);
    } else if (*r->trace_id && strlen(r->trace_id) < sizeof(h->trace_id) &&
               strcmp(r->trace_id, h->trace_id) != 0) {
        log_info("message %s trace=%s is another copy of trace=%s", w->message.id, h->trace_id,
                 r->trace_id);
        strcpy(h->trace_id, r->trace_id);
    }
}

static void claimed(struct process *p, struct work *w, const struct ledger_result *result)
{
    ledger_recovered(p);
    outcome_passed("consumer.claimed");
    if (!w->claim) {
        outcome_duplicate(p, w, "the event was delivered");
        return;
    }
    follow_trace(w, result->key_conflict);
    if (result->key_conflict && w->record->state == LEDGER_OPEN && w->record->attempts == 1) {
        p->counters->key_conflict++;
        log_warn("event trace=%s source=%s: its id \"%s\" is in use for another payload; treated "
                 "as an event of its own",
                 w->hook->trace_id, w->hook->source, w->hook->event_id);
    }
    act(p, w, result->attempts_over);
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
        claimed(p, w, result);
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
        ask(p, w);
    else
        outcome_deliver(p, w);
}

static void begin(struct process *p, struct work *w)
{
    if (only_goes_back(p, w)) {
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
    if (only_goes_back(p, w) || !kills_ask(p->kills, w))
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
    if (*p->trouble)
        json_array_append_new(list, json_string(p->trouble));
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
