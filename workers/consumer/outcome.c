#include "workers/consumer/outcome.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/delivery/acknowledge.h"
#include "workers/consumer/process.h"
#include "workers/consumer/route.h"

/* What a callback of one delivery needs. */
struct attempt {
    struct process *process;
    struct work *work; /* borrow: it cannot leave while it is delivered, but by a cancel */
};

void outcome_passed(const char *point)
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

void outcome_write(struct process *p, struct work *w, bool releases, work_written_cb *done)
{
    w->stage = WORK_WRITING;
    claims_write(p->claims, w, releases, done);
}

/* Somebody else has the claim: what becomes of the message is theirs to say. */
bool outcome_is_lost(struct process *p, struct work *w, bool written)
{
    if (!written)
        settle_leave(p->settle, w);
    return !written;
}

static void then_delete(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (!outcome_is_lost(p, w, written))
        settle_delete(p->settle, w);
}

static void put_back(struct process *p, struct work *w)
{
    if (w->yield_s > 0)
        settle_defer(p->settle, w, w->yield_s);
    else
        settle_release(p->settle, w);
}

static void then_put_back(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (!outcome_is_lost(p, w, written))
        put_back(p, w);
}

/* The event is done with already, or another message stands for it. */
void outcome_duplicate(struct process *p, struct work *w, const char *why)
{
    p->counters->duplicates++;
    log_info("message %s deleted undelivered trace=%s source=%s: %s", w->message.id,
             w->hook->trace_id, w->hook->source, why);
    if (w->claim)
        outcome_write(p, w, true, then_delete);
    else
        settle_delete(p->settle, w);
}

/* ---- dying ---- */

static void on_dying(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (outcome_is_lost(p, w, written))
        return;
    outcome_passed("consumer.after_dying");
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

/* When the round ends, in the record's clock: at or after the send of each of its messages (by the
 * queue's clock, which may be a little ahead), and before the dead letter can be seen, or its
 * copy, sent back at once, would be taken for one of the round and deleted. */
static int64_t end_of_round_ms(const struct work *w)
{
    int64_t now_ms = ledger_now_ms(w->source->ledger);
    return w->message.sent_at_ms > now_ms ? w->message.sent_at_ms : now_ms;
}

/* w->record has the attempts and the history. */
void outcome_die(struct process *p, struct work *w, const char *class, const char *error)
{
    struct ledger_record *r = w->record;
    r->state = LEDGER_DYING;
    r->failed_at_ms = clock_wall_ms();
    if (!r->first_failed_at_ms)
        r->first_failed_at_ms = r->failed_at_ms;
    ledger_record_set(&r->error, error);
    ledger_record_set(&r->error_class, class);
    if (strcmp(class, "expired") == 0) {
        p->counters->expired++;
        held_expired(p->held, w);
    }
    if (!w->claim) {
        settle_dead(p->settle, w);
        return;
    }
    r->at_ms = end_of_round_ms(w);
    outcome_passed("consumer.before_outcome");
    outcome_write(p, w, false, on_dying);
}

static void on_dead(void *arg, struct work *w, bool written)
{
    if (written)
        outcome_passed("consumer.after_dead");
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
    ledger_record_set(&r->message_id, w->message.id);
    ledger_record_set(&r->dlq_key, w->dlq_key);
    outcome_write(p, w, true, on_dead);
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
    if (outcome_is_lost(p, w, written))
        return;
    outcome_passed("consumer.after_outcome");
    settle_defer(p->settle, w, seconds_until(w));
}

static void retry_by_visibility(struct process *p, struct work *w)
{
    w->record->state = LEDGER_OPEN;
    outcome_passed("consumer.before_outcome");
    outcome_write(p, w, true, on_retry_written);
}

void outcome_send_retry(struct process *p, struct work *w)
{
    int64_t left_ms = w->record->not_before_ms - ledger_now_ms(w->source->ledger);
    if (settle_requeue(p->settle, w, clock_mono_ms() + (left_ms > 0 ? left_ms : 0)))
        return;
    /* The message goes on itself, so its number is the record's again: kept, the higher one would
     * make it an older copy of one that may not exist. Where it does, it is newer and adopted. */
    w->record->seq = w->retry_count;
    if (outcome_is_near_redrive(w))
        outcome_die(p, w, "exhausted", "there is no room in the message for its next retry");
    else
        retry_by_visibility(p, w);
}

static void on_moving(void *arg, struct work *w, bool written)
{
    struct process *p = arg;
    if (outcome_is_lost(p, w, written))
        return;
    outcome_passed("consumer.requeue_moving");
    outcome_send_retry(p, w);
}

/* On by a copy, whose receives count from 1. */
static void move(struct process *p, struct work *w)
{
    w->record->state = LEDGER_MOVING;
    w->record->seq++;
    w->record->excused = 0;
    outcome_passed("consumer.before_outcome");
    outcome_write(p, w, false, on_moving);
}

static void on_moved(void *arg, struct work *w, bool written)
{
    if (written)
        outcome_passed("consumer.requeue_open");
    then_delete(arg, w, written);
}

void outcome_copied(void *arg, struct work *w)
{
    struct process *p = arg;
    if (w->record->state == LEDGER_DYING) {
        buried(p, w);
        return;
    }
    p->counters->requeued++;
    w->record->state = LEDGER_OPEN;
    outcome_write(p, w, true, on_moved);
}

/* ---- going back ---- */

bool outcome_is_near_redrive(const struct work *w)
{
    return route_is_near_redrive(&w->queue->attributes, &w->message);
}

bool outcome_only_goes_back(const struct process *p, const struct work *w)
{
    return p->draining && !outcome_is_near_redrive(w);
}

/* A message near its queue's redrive goes on as a copy. Without the claim nobody could tell which
 * of the two counts, and a FIFO queue takes no copies (copy.h): our own dead letter has the reason
 * at least. */
static void move_or_die(struct process *p, struct work *w, const char *error)
{
    struct ledger_record *r = w->record;
    if (w->claim && w->retry_count > r->seq && w->retry_count - r->seq <= ROUTE_RETRY_COUNT_LEAP)
        r->seq = w->retry_count;
    if (w->claim && settle_can_requeue(w, r->seq + 1)) {
        move(p, w);
        return;
    }
    char *why = xasprintf("%s; received %d times, and the queue's maxReceiveCount of %d leaves no "
                          "further attempt",
                          error, w->message.receive_count, w->queue->attributes.max_receives);
    if (!w->record)
        record_of(w, w->message.receive_count);
    outcome_die(p, w, "exhausted", why);
    free(why);
}

void outcome_give_back(struct process *p, struct work *w, int delay_s)
{
    w->yield_s = delay_s;
    if (outcome_is_near_redrive(w)) {
        if (w->claim && delay_s > 0)
            w->record->not_before_ms = ledger_now_ms(w->source->ledger) + delay_s * INT64_C(1000);
        char *last = w->record ? ledger_record_last_error(w->record) : xstrdup("");
        move_or_die(p, w, *last ? last : "its delivery was ended by a stop");
        free(last);
    } else if (w->claim) {
        outcome_write(p, w, true, then_put_back);
    } else {
        put_back(p, w);
    }
}

/* Near the redrive a copy takes the message's place under its own number, without a claim. Where
 * the event has died since the ledger was asked, that copy begins a new round: better than a
 * message without a reason. False where it need not or cannot. */
static bool pass_on(struct process *p, struct work *w, int delay_s)
{
    return outcome_is_near_redrive(w) && settle_pass_on(p->settle, w, delay_s);
}

void outcome_uncount(struct process *p, struct work *w, int delay_s)
{
    struct ledger_record *r = w->record;
    if (w->claim) {
        r->attempts--;
        r->excused = w->message.receive_count - r->attempts;
    } else if (pass_on(p, w, delay_s)) {
        return;
    }
    outcome_give_back(p, w, delay_s);
}

void outcome_defer(struct process *p, struct work *w, int delay_s)
{
    if (!pass_on(p, w, delay_s))
        settle_defer(p->settle, w, delay_s);
}

static void retry(struct process *p, struct work *w, int delay_s, const char *error)
{
    struct ledger_record *r = w->record;
    p->counters->retried++;
    if (w->claim)
        r->not_before_ms = ledger_now_ms(w->source->ledger) + delay_s * INT64_C(1000);
    if (outcome_is_near_redrive(w)) {
        move_or_die(p, w, error);
        return;
    }
    if (!w->claim) {
        settle_defer(p->settle, w, delay_s);
        return;
    }
    if (!w->source->requeue || !settle_can_requeue(w, r->seq + 1)) {
        retry_by_visibility(p, w);
        return;
    }
    move(p, w);
}

/* ---- delivering ---- */

static void on_delivered_written(void *arg, struct work *w, bool written)
{
    if (written) {
        outcome_passed("consumer.after_outcome");
        acknowledge_send(w->source->acknowledge, w->hook);
    }
    then_delete(arg, w, written);
}

static void delivered(struct process *p, struct work *w, const struct delivery_outcome *outcome)
{
    log_info("event delivered trace=%s source=%s attempt=%d ms=%lld", w->hook->trace_id,
             w->hook->source, attempt_of(w), (long long)outcome->took_ms);
    p->counters->delivered++;
    outcome_passed("consumer.delivered");
    if (!w->claim) {
        acknowledge_send(w->source->acknowledge, w->hook);
        settle_delete(p->settle, w);
        return;
    }
    w->record->state = LEDGER_DELIVERED;
    w->record->at_ms = ledger_now_ms(w->source->ledger);
    outcome_passed("consumer.before_outcome");
    outcome_write(p, w, true, on_delivered_written);
}

/* Part of an outage of the destination: its attempt does not count. */
static void put_off(struct process *p, struct work *w, const struct delivery_outcome *outcome,
                    int delay_s)
{
    p->counters->held_back++;
    log_info(
        "event put off trace=%s source=%s attempt=%d delay_s=%d status=%d: %s; its destination "
        "is held back and the attempt not counted",
        w->hook->trace_id, w->hook->source, attempt_of(w), delay_s, outcome->status,
        outcome->error);
    if (w->claim)
        ledger_record_outage(w->record, clock_wall_ms() - outcome->took_ms, outcome->error,
                             outcome->status, outcome->took_ms);
    outcome_uncount(p, w, delay_s);
}

static void judge(struct process *p, struct work *w, const struct delivery_outcome *outcome)
{
    int n = attempt_of(w);
    struct route route;
    int delay_s;
    if (held_outcome(p->held, w, outcome, &delay_s)) {
        put_off(p, w, outcome, delay_s);
        return;
    }
    if (outcome->verdict == DELIVERED) {
        delivered(p, w, outcome);
        return;
    }
    route_failed(w->source, w->hook, n, outcome, &route);
    ledger_record_failure(record_of(w, n), clock_wall_ms() - outcome->took_ms, outcome->error,
                          outcome->status, outcome->took_ms);
    if (route.action == ROUTE_DEAD) {
        outcome_die(p, w, route.class, route.reason);
        return;
    }
    log_info("event retried trace=%s source=%s attempt=%d delay_s=%d status=%d: %s",
             w->hook->trace_id, w->hook->source, n, route.delay_s, outcome->status, outcome->error);
    retry(p, w, route.delay_s, outcome->error);
}

static void on_outcome(void *arg, const struct delivery_outcome *outcome)
{
    struct attempt *attempt = arg;
    struct process *p = attempt->process;
    struct work *w = attempt->work;
    free(attempt);
    w->attempt = NULL;
    w->delivery = NULL;
    inflight_begin(p->inflight, w);
    judge(p, w, outcome);
    inflight_end(p->inflight);
}

static void on_handling(void *arg, bool begins)
{
    struct attempt *attempt = arg;
    if (begins)
        inflight_begin(attempt->process->inflight, attempt->work);
    else
        inflight_end(attempt->process->inflight);
}

static void deliver(struct process *p, struct work *w)
{
    struct attempt *attempt = xcalloc(1, sizeof(*attempt));
    attempt->process = p;
    attempt->work = w;
    outcome_passed("consumer.before_deliver");
    w->attempt = attempt;
    w->stage = WORK_DELIVERING;
    const struct delivery_record record = {
        .ledger_id = w->claim ? ledger_claim_id(w->claim) : NULL,
        .revision = w->record ? w->record->revision : 0,
        .check = w->source->check,
        .handling = on_handling,
    };
    w->delivery = delivery_start(w->source->destination, w->hook, attempt_of(w), &record,
                                 on_outcome, attempt);
}

void outcome_cancel(struct work *w)
{
    struct attempt *attempt = w->attempt;
    delivery_cancel(w->delivery);
    held_cancelled(attempt->process->held, w);
    free(w->attempt);
    w->delivery = NULL;
    w->attempt = NULL;
}

/* Those that may have been attempts without an end. */
static int receives_of(const struct process *p, const struct work *w)
{
    int all = w->message.receive_count;
    int most = w->source->max_retries + 1;
    if (w->claim && w->queue->attributes.is_fifo)
        return w->record->attempts; /* the others may have been those of messages ahead of it */
    if (w->claim)
        return all - w->record->excused;
    bool was_held = held_since(p->held, w->source, w->message.first_received_ms);
    return was_held && all > most ? most : all;
}

static void deliver_or_hold(struct process *p, struct work *w)
{
    int delay_s;
    if (held_ask(p->held, w, &delay_s) != HELD_BACK) {
        deliver(p, w);
        return;
    }
    p->counters->held_back++;
    outcome_uncount(p, w, delay_s);
}

/* Delivers what may be delivered; the claim's attempt is taken back from what may not. */
void outcome_deliver(struct process *p, struct work *w)
{
    struct route route;
    if (w->is_poison)
        route_poison(w->kills, &route);
    else
        route_received(w->source, &w->message, w->hook, w->claim ? w->record : NULL,
                       receives_of(p, w), clock_wall_ms(), &route);
    if (route.action == ROUTE_DELIVER) {
        deliver_or_hold(p, w);
        return;
    }
    struct ledger_record *r = record_of(w, w->message.receive_count);
    if (r->attempts > 0)
        r->attempts--;
    outcome_die(p, w, route.class, route.reason);
}
