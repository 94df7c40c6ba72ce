#include "workers/consumer/claimed.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/webhook/webhook.h"
#include "workers/consumer/route.h"

/* How the message's number stands to the record's: an older copy, the one, or a newer one. A number
 * that is far ahead is not one of ours. */
static int age_of_copy(struct work *w)
{
    struct ledger_record *r = w->record;
    if (w->retry_count > r->seq && w->retry_count - r->seq <= ROUTE_RETRY_COUNT_LEAP)
        return 1;
    return w->retry_count < r->seq ? -1 : 0;
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
        claims_ask(p->claims, w);
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

static void act(struct process *p, struct work *w, bool attempts_over)
{
    struct ledger_record *r = w->record;
    bool must_die = attempts_over || (w->is_poison && !outcome_only_goes_back(p, w));
    if (p->draining && r->state == LEDGER_OPEN && !must_die) {
        outcome_uncount(p, w, 0);
        return;
    }
    if (outcome_only_goes_back(p, w)) {
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

void claimed_act(struct process *p, struct work *w, const struct ledger_result *result)
{
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
