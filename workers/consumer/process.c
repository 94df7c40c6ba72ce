#include "workers/consumer/process.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/sigv4.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/delivery/backoff.h"
#include "common/webhook/event_id.h"
#include "workers/consumer/claims.h"
#include "workers/consumer/lease.h"
#include "workers/consumer/route.h"
#include "workers/consumer/settle.h"

#define BUSY_DOUBLINGS 6

struct process {
    const struct sources *sources; /* borrow */
    struct inflight *inflight;     /* borrow */
    struct counters *counters;     /* borrow */
    struct lease *lease;           /* own */
    struct claims *claims;         /* own */
    struct settle *settle;         /* own */
    const struct process_callbacks *callbacks;
    void *arg;
    bool draining;
    char trouble[256]; /* of the ledger, "" when all is well */
};

/* What a callback of one delivery needs. */
struct attempt {
    struct process *process;
    struct work *work; /* borrow: it cannot leave while it is delivered, but by a cancel */
};

static void passed(const char *point)
{
    if (fault_point(point))
        log_warn("fault point %s", point);
}

/* Attempts are counted in the record, or without one by the message's receives. */
static int attempt_of(const struct work *w)
{
    return w->claim ? w->record->attempts : w->message.receive_count;
}

/* ---- writing down ---- */

static void write_down(struct process *p, struct work *w, bool releases, work_written_cb *done)
{
    w->stage = WORK_WRITING;
    claims_write(p->claims, w, releases, done);
}

/* Somebody else has the claim: what becomes of the message is theirs to say. */
static bool is_lost(struct process *p, struct work *w, bool written)
{
    if (!written)
        settle_leave(p->settle, w);
    return !written;
}

static void then_delete(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (!is_lost(p, w, written))
        settle_delete(p->settle, w);
}

static void then_release(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (!is_lost(p, w, written))
        settle_release(p->settle, w);
}

/* Back to the queue; the record stays as it is, without the claim. */
static void give_back(struct process *p, struct work *w)
{
    if (w->claim)
        write_down(p, w, true, then_release);
    else
        settle_release(p->settle, w);
}

/* Back to the queue before its attempt has begun. */
static void uncount(struct process *p, struct work *w)
{
    w->record->attempts--;
    give_back(p, w);
}

/* The event is done with already, or another message stands for it. */
static void drop_duplicate(struct process *p, struct work *w, const char *why)
{
    p->counters->duplicates++;
    log_info("message %s deleted undelivered trace=%s source=%s: %s", w->message.id,
             w->hook->trace_id, w->hook->source, why);
    if (w->claim)
        write_down(p, w, true, then_delete);
    else
        settle_delete(p->settle, w);
}

/* ---- dying ---- */

static void on_dying(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (is_lost(p, w, written))
        return;
    passed("consumer.after_dying");
    settle_dead(p->settle, w);
}

static struct ledger_record *record_of(struct work *w, int attempts)
{
    if (w->claim)
        return w->record;
    ledger_record_free(w->record);
    w->record = ledger_record_new();
    w->record->attempts = attempts;
    ledger_record_set(&w->record->trace_id, w->hook->trace_id);
    if (w->message.first_received_ms > 0)
        w->record->first_failed_at_ms = w->message.first_received_ms;
    return w->record;
}

/* w->record has the attempts and the history. */
static void die(struct process *p, struct work *w, const char *class, const char *error)
{
    struct ledger_record *r = w->record;
    r->state = LEDGER_DYING;
    r->failed_at_ms = clock_wall_ms();
    if (!r->first_failed_at_ms)
        r->first_failed_at_ms = r->failed_at_ms;
    ledger_record_set(&r->error, error);
    ledger_record_set(&r->error_class, class);
    if (strcmp(class, "expired") == 0)
        p->counters->expired++;
    if (!w->claim) {
        settle_dead(p->settle, w);
        return;
    }
    passed("consumer.before_outcome");
    write_down(p, w, false, on_dying);
}

static void on_dead(void *arg, struct work *w, bool written)
{
    if (written)
        passed("consumer.after_dead");
    then_delete(arg, w, written);
}

static void buried(struct process *p, struct work *w)
{
    if (!w->claim) {
        settle_delete(p->settle, w);
        return;
    }
    struct ledger_record *r = w->record;
    r->state = LEDGER_DEAD;
    r->at_ms = ledger_now_ms(w->source->ledger);
    ledger_record_set(&r->message_id, w->message.id);
    ledger_record_set(&r->dlq_key, w->dlq_key);
    write_down(p, w, true, on_dead);
}

/* ---- retrying ---- */

static int seconds_until(const struct work *w)
{
    int64_t left_ms = w->record->not_before_ms - ledger_now_ms(w->source->ledger);
    return left_ms > 0 ? (int)((left_ms + 999) / 1000) : 0;
}

static void on_retry_written(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (is_lost(p, w, written))
        return;
    passed("consumer.after_outcome");
    settle_defer(p->settle, w, seconds_until(w));
}

static void retry_by_visibility(struct process *p, struct work *w)
{
    w->record->state = LEDGER_OPEN;
    passed("consumer.before_outcome");
    write_down(p, w, true, on_retry_written);
}

static void send_retry(struct process *p, struct work *w)
{
    int64_t left_ms = w->record->not_before_ms - ledger_now_ms(w->source->ledger);
    if (settle_requeue(p->settle, w, clock_mono_ms() + (left_ms > 0 ? left_ms : 0)))
        return;
    /* The message goes on itself, so its number is the record's again: kept, the higher one would
     * make it an older copy of one that may not exist. Where it does, it is newer and adopted. */
    w->record->seq = w->retry_count;
    retry_by_visibility(p, w);
}

static void on_moving(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (is_lost(p, w, written))
        return;
    passed("consumer.requeue_moving");
    send_retry(p, w);
}

static void on_moved(void *arg, struct work *w, bool written)
{
    if (written)
        passed("consumer.requeue_open");
    then_delete(arg, w, written);
}

static void retry(struct process *p, struct work *w, int delay_s)
{
    p->counters->retried++;
    if (!w->claim) {
        settle_defer(p->settle, w, delay_s);
        return;
    }
    struct ledger_record *r = w->record;
    r->not_before_ms = ledger_now_ms(w->source->ledger) + delay_s * INT64_C(1000);
    if (!w->source->requeue || !settle_can_requeue(w, r->seq + 1)) {
        retry_by_visibility(p, w);
        return;
    }
    r->state = LEDGER_MOVING;
    r->seq++;
    passed("consumer.before_outcome");
    write_down(p, w, false, on_moving);
}

static void on_copied(void *arg, struct work *w)
{
    struct process *p = arg;
    if (w->record->state == LEDGER_DYING) {
        buried(p, w);
        return;
    }
    p->counters->requeued++;
    w->record->state = LEDGER_OPEN;
    write_down(p, w, true, on_moved);
}

/* ---- delivering ---- */

static void on_delivered_written(void *arg, struct work *w, bool written)
{
    if (written)
        passed("consumer.after_outcome");
    then_delete(arg, w, written);
}

static void delivered(struct process *p, struct work *w, const struct delivery_outcome *outcome)
{
    log_info("event delivered trace=%s source=%s attempt=%d ms=%lld", w->hook->trace_id,
             w->hook->source, attempt_of(w), (long long)outcome->took_ms);
    p->counters->delivered++;
    passed("consumer.delivered");
    if (!w->claim) {
        settle_delete(p->settle, w);
        return;
    }
    w->record->state = LEDGER_DELIVERED;
    w->record->at_ms = ledger_now_ms(w->source->ledger);
    passed("consumer.before_outcome");
    write_down(p, w, true, on_delivered_written);
}

static void on_outcome(void *arg, const struct delivery_outcome *outcome)
{
    struct attempt *attempt = arg;
    struct process *p = attempt->process;
    struct work *w = attempt->work;
    int n = attempt_of(w);
    struct route route;
    free(attempt);
    w->attempt = NULL;
    w->delivery = NULL;
    if (outcome->verdict == DELIVERED) {
        delivered(p, w, outcome);
        return;
    }
    route_failed(w->source, w->hook, n, outcome, &route);
    ledger_record_failure(record_of(w, n), clock_wall_ms() - outcome->took_ms, outcome->error,
                          outcome->status, outcome->took_ms);
    if (route.action == ROUTE_DEAD) {
        die(p, w, route.class, route.reason);
        return;
    }
    log_info("event retried trace=%s source=%s attempt=%d delay_s=%d status=%d: %s",
             w->hook->trace_id, w->hook->source, n, route.delay_s, outcome->status, outcome->error);
    retry(p, w, route.delay_s);
}

static void deliver(struct process *p, struct work *w)
{
    struct attempt *attempt = xcalloc(1, sizeof(*attempt));
    attempt->process = p;
    attempt->work = w;
    passed("consumer.before_deliver");
    w->attempt = attempt;
    w->stage = WORK_DELIVERING;
    w->delivery =
        delivery_start(w->source->destination, w->hook, attempt_of(w), on_outcome, attempt);
}

static void cancel_delivery(struct work *w)
{
    delivery_cancel(w->delivery);
    free(w->attempt);
    w->delivery = NULL;
    w->attempt = NULL;
}

/* Delivers what may be delivered; the claim's attempt is taken back from what may not. */
static void try_to_deliver(struct process *p, struct work *w)
{
    struct route route;
    route_received(w->source, &w->message, w->hook, w->claim != NULL, clock_wall_ms(), &route);
    if (route.action == ROUTE_DELIVER) {
        deliver(p, w);
        return;
    }
    struct ledger_record *r = record_of(w, w->message.receive_count);
    if (r->attempts > 0)
        r->attempts--;
    die(p, w, route.class, route.reason);
}

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
        drop_duplicate(p, w,
                       age < 0 ? "a newer copy of it is on the queue"
                               : "it was sent before the event died");
        return;
    }
    if (age > 0)
        r->seq = w->retry_count;
    if (attempts_over) {
        char *last = ledger_record_last_error(r);
        die(p, w, "exhausted", *last ? last : "no attempt ever reported its outcome");
        free(last);
        return;
    }
    try_to_deliver(p, w);
}

static void on_arrived(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (!is_lost(p, w, written))
        ask(p, w);
}

/* The worker that was moving it is gone. An older message means that its copy may not have been
 * sent; the copy itself means that it was. */
static void act_moving(struct process *p, struct work *w)
{
    int age = age_of_copy(w);
    if (route_of_finished_round(&w->message, w->record)) {
        drop_duplicate(p, w, "it was sent before the event died");
        return;
    }
    if (age < 0) {
        send_retry(p, w);
        return;
    }
    if (age > 0)
        w->record->seq = w->retry_count;
    w->record->state = LEDGER_OPEN;
    write_down(p, w, true, on_arrived);
}

static void on_new_round(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (is_lost(p, w, written))
        return;
    if (p->draining)
        uncount(p, w);
    else
        try_to_deliver(p, w);
}

/* The number is taken over from the message, whatever it is: kept, it would make the message that
 * opens the round look like an older copy at its next receive. at_ms and message_id stay: they tell
 * copies of the finished round apart for as long as this one lasts. */
static void act_dead(struct process *p, struct work *w)
{
    struct ledger_record *r = w->record;
    if (route_of_finished_round(&w->message, r)) {
        drop_duplicate(p, w, "the event is a dead letter");
        return;
    }
    log_info("event begins a new round trace=%s source=%s message=%s", w->hook->trace_id,
             w->hook->source, w->message.id);
    r->state = LEDGER_OPEN;
    r->attempts = 1;
    r->not_before_ms = 0;
    if (age_of_copy(w) != 0)
        r->seq = w->retry_count;
    write_down(p, w, false, on_new_round);
}

static void act(struct process *p, struct work *w, bool attempts_over)
{
    struct ledger_record *r = w->record;
    if (p->draining && r->state == LEDGER_OPEN && !attempts_over) {
        uncount(p, w);
        return;
    }
    if (p->draining) {
        give_back(p, w);
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
        drop_duplicate(p, w, "the event was delivered");
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
    snprintf(text, sizeof(text), "ledger: %s; %s", error,
             w->source->deliver_in_outage ? "delivering without it (ledger.outage)"
                                          : "events wait (ledger.outage)");
    if (strcmp(text, p->trouble) != 0)
        log_warn("%s", text);
    memcpy(p->trouble, text, sizeof(text));
    p->callbacks->trouble(p->arg, text);
    if (w->source->deliver_in_outage && !p->draining)
        try_to_deliver(p, w);
    else
        settle_defer(
            p->settle, w,
            backoff_delay_s(w->source->base_s, w->source->cap_s,
                            w->message.receive_count > 1 ? w->message.receive_count - 1 : 0,
                            w->hook->event_id));
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
    passed("consumer.claimed");
    if (!w->claim) {
        drop_duplicate(p, w, "the event was delivered");
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
 * early, at most at its end. */
static int busy_s(const struct work *w, int64_t wait_ms)
{
    int n = w->message.receive_count < BUSY_DOUBLINGS ? w->message.receive_count : BUSY_DOUBLINGS;
    int64_t seconds = (wait_ms + 999) / 1000;
    return seconds < 1 << n ? (int)seconds : 1 << n;
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
        settle_defer(p->settle, w, busy_s(w, result->wait_ms));
        break;
    case LEDGER_NOT_YET:
        ledger_recovered(p);
        p->counters->deferred++;
        settle_defer(p->settle, w, (int)((result->wait_ms + 999) / 1000));
        break;
    case LEDGER_UNREACHABLE:
        no_ledger(p, w, result->error);
        break;
    }
}

/* ---- received ---- */

/* The event in a message, with its id and trace where it did not come through our ingest. */
static void read_event(struct process *p, struct work *w, char *reason, size_t reason_size)
{
    const char *queue = w->queue->name;
    w->source = sources_of_queue(p->sources, w->queue, NULL);
    if (w->message.damaged)
        return;
    w->hook = webhook_from_message(&w->message, w->source->name, queue, reason, reason_size);
    if (!w->hook)
        return;
    w->source = sources_of_queue(p->sources, w->queue, w->hook->source);
    if (*w->hook->event_id)
        return;
    free(w->hook->event_id);
    w->hook->event_id = event_id_of(w->source->conf, NULL, NULL, w->hook->body, w->hook->body_len,
                                    w->hook->trace_id);
    if (strcmp(w->hook->event_id, w->hook->trace_id) != 0)
        webhook_derived_trace(queue, w->hook->event_id, w->hook->trace_id);
}

void process_message(struct process *p, struct queue *q, const struct sqs_message *message,
                     int visibility_s, int64_t first_byte_mono_ms)
{
    char malformed[256] = "";
    struct route route;
    struct work *w = inflight_add(p->inflight, q, message);
    lease_begin(p->lease, w, visibility_s, first_byte_mono_ms);
    if (p->draining) { /* the answer of a poll that was under way */
        settle_release(p->settle, w);
        return;
    }
    read_event(p, w, malformed, sizeof(malformed));
    if (!route_readable(w->source, &w->message, w->hook, malformed, &route)) {
        settle_inspect(p->settle, w, route.reason);
        return;
    }
    sigv4_sha256_hex(w->hook->body, w->hook->body_len, w->sha256);
    w->retry_count = route_retry_count(&w->message);
    if (w->source->ledger)
        ask(p, w);
    else
        try_to_deliver(p, w);
}

/* ---- leases and claims ---- */

static void on_lease_lost(void *arg, struct work *w)
{
    struct process *p = arg;
    p->counters->lost++;
    if (w->claim || w->stage == WORK_CLAIMING)
        return; /* the claim says who may work */
    if (w->stage == WORK_DELIVERING) {
        cancel_delivery(w);
        settle_leave(p->settle, w);
    } else {
        settle_lease_lost(p->settle, w);
    }
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
        cancel_delivery(w);
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
            if (w->claim && delivery_waiting(w->delivery))
                w->record->attempts--;
            cancel_delivery(w);
            give_back(p, w);
        } else if (begun_too && settle_give_up(p->settle, w)) {
            give_back(p, w);
        }
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
                            struct objects *objects, struct counters *counters,
                            const struct process_callbacks *callbacks, void *arg)
{
    static const struct lease_callbacks lease_callbacks = {on_lease_lost, on_lease_stopped};
    static const struct claims_callbacks claims_callbacks = {on_answer, on_claim_lost};
    static const struct settle_callbacks settle_callbacks = {on_gone, on_copied};
    struct process *p = xcalloc(1, sizeof(*p));
    p->sources = sources;
    p->inflight = inflight;
    p->counters = counters;
    p->callbacks = callbacks;
    p->arg = arg;
    p->lease = lease_new(base, queues, inflight, counters, &lease_callbacks, p);
    p->claims = claims_new(base, inflight, counters, &claims_callbacks, p);
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
            cancel_delivery(w);
    settle_free(p->settle);
    claims_free(p->claims);
    lease_free(p->lease);
    free(p);
}
