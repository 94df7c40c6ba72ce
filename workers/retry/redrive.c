#include "workers/retry/redrive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/delivery.h"
#include "common/delivery/errands.h"
#include "common/delivery/ledger.h"
#include "common/webhook/rules.h"
#include "workers/retry/attempt.h"
#include "workers/retry/dlq_key.h"
#include "workers/retry/letter.h"
#include "workers/retry/owner.h"
#include "workers/retry/redrive_gate.h"

#define TEXT_BYTES 512
#define CLASS_BYTES 64
#define QUEUE_MS 45000         /* that a delivery may wait for a free place */
#define OBJECT_MARGIN_MS 15000 /* the object's claim ends this long after the delivery must */
#define UNTIMED_DELIVERY_S 30  /* for destinations without a timeout of their own */
#define OUTCOME_TRIES 3
#define DRAIN_MARGIN_MS 2000

struct redriver {
    const struct dead_letters *d; /* borrowed */
    struct redrive_gates *gates;  /* own */
    TAILQ_HEAD(, redrive) all;    /* own */
    size_t running;
    struct redrive_counters counters;
    bool draining;
};

struct redrive {
    TAILQ_ENTRY(redrive) link;
    struct redriver *all;         /* borrowed: owns us */
    const struct dead_letters *d; /* borrowed */
    struct letter *letter;        /* own */
    const struct params *params;  /* borrowed; NULL when detached */
    bool named, force;
    char *who; /* own */
    char owner[OWNER_BYTES];
    bool claimed;                  /* the object, or it may be */
    char *ledger_id;               /* own: of the record, once it is asked for */
    bool id_is_stored;             /* the object names it */
    struct ledger_claim *claim;    /* own; NULL without a ledger */
    struct webhook *hook;          /* own */
    struct attempt *attempt;       /* own; NULL while none is under way */
    int64_t attempt_at_ms;         /* wall clock */
    int64_t deliver_until_mono_ms; /* the claims' own calls take of that time, too */
    int outcome_tries;
    struct redrive_gate *gate;         /* own; NULL until it is read */
    bool is_delivered_now;             /* not before, by another redrive */
    struct deadletter_attempt failure; /* its error is `error` */
    enum redrive_end end;
    char note[TEXT_BYTES], error[TEXT_BYTES], class[CLASS_BYTES];
    redrive_cb *done; /* NULL when detached */
    void *arg;
};

static const char stopping[] = "the service is stopping: try again";

struct redriver *redriver_new(const struct dead_letters *d, struct gatekeeper *gates)
{
    struct redriver *all = xcalloc(1, sizeof(*all));
    all->d = d;
    all->gates = redrive_gates_new(d->conf, gates);
    TAILQ_INIT(&all->all);
    return all;
}

size_t redriver_running(const struct redriver *r)
{
    return r->running;
}

struct redrive_counters redriver_counters(const struct redriver *r)
{
    return r->counters;
}

const char *redrive_key(const struct redrive *r)
{
    return r->letter->key;
}

static void redrive_free(struct redrive *r)
{
    TAILQ_REMOVE(&r->all->all, r, link);
    r->all->running--;
    attempt_cancel(r->attempt);
    redrive_gate_free(r->gate);
    ledger_claim_free(r->claim);
    webhook_free(r->hook);
    letter_free(r->letter);
    free(r->ledger_id);
    free(r->who);
    free(r);
}

void redriver_free(struct redriver *all)
{
    if (!all)
        return;
    while (!TAILQ_EMPTY(&all->all))
        redrive_free(TAILQ_FIRST(&all->all));
    redrive_gates_free(all->gates);
    free(all);
}

/* ---- the end ---- */

static void count_and_log(struct redrive *r, const struct redrive_result *result)
{
    if (result->end == REDRIVE_SKIPPED || result->end == REDRIVE_UNTRIED)
        return;
    bool good = result->end == REDRIVE_PROCESSED;
    if (good)
        r->all->counters.redriven++;
    else
        r->all->counters.failed++;
    log_info("audit: redrive by %s trace=%s key=%s result=%s%s%s", r->who, result->trace_id,
             result->key, good ? "processed" : "failed", *r->note || *r->error ? ": " : "",
             good ? r->note : r->error);
}

static void finish(struct redrive *r)
{
    const struct deadletter_object *o = r->letter->object;
    struct dlq_key key = {0};
    dlq_key_parse(r->d->prefix, r->letter->key, &key);
    const struct redrive_result result = {
        .end = r->end,
        .key = r->letter->key,
        .trace_id = o ? o->trace_id : key.trace_id,
        .event_id = o ? o->event_id : "",
        .note = r->note,
        .error = r->error,
        .class = r->class,
        .retry_count = o ? o->retry_count : 0,
    };
    if (r->claimed)
        count_and_log(r, &result);
    if (r->done)
        r->done(r->arg, &result);
    redrive_free(r);
}

static void set_failed(struct redrive *r, const char *class, const char *error)
{
    r->end = REDRIVE_FAILED;
    snprintf(r->class, sizeof(r->class), "%s", class);
    snprintf(r->error, sizeof(r->error), "%s", error);
}

static void fail(struct redrive *r, const char *class, const char *error)
{
    set_failed(r, class, error);
    finish(r);
}

/* Where a sweep passes over it and whoever named it is told why. */
static void skip(struct redrive *r, const char *class, const char *error)
{
    set_failed(r, class, error);
    if (!r->named)
        r->end = REDRIVE_SKIPPED;
    finish(r);
}

static void on_ledger_released(void *arg, enum ledger_written written, const char *error)
{
    struct redrive *r = arg;
    if (written != LEDGER_WRITTEN)
        log_warn("trace=%s: the ledger's claim could not be given back (%s); it ends by itself",
                 r->letter->object->trace_id, error);
    finish(r);
}

/* Last step of all that is not delivered: the record stays what it is. */
static void release_ledger(struct redrive *r)
{
    if (!r->claim) {
        finish(r);
        return;
    }
    struct ledger_record *same = ledger_record_copy(ledger_claim_record(r->claim));
    if (same->state == LEDGER_DEAD && !*same->dlq_key)
        ledger_record_set(&same->dlq_key, r->letter->key);
    ledger_write(r->claim, same, true, on_ledger_released, r);
    ledger_record_free(same);
}

static void on_object_released(void *arg, enum letter_answer answer, const char *text)
{
    struct redrive *r = arg;
    if (answer != LETTER_OK)
        log_warn("trace=%s: the dead letter's claim could not be given back (%s); it ends by "
                 "itself",
                 r->letter->object->trace_id, text);
    release_ledger(r);
}

/* Gives both claims back with nothing changed; the end is set already. */
static void release(struct redrive *r)
{
    deadletter_object_release(r->letter->object);
    letter_store(r->letter, on_object_released, r);
}

static void release_failed(struct redrive *r, const char *class, const char *error)
{
    set_failed(r, class, error);
    release(r);
}

/* ---- after a failed delivery ---- */

static void on_failure_stored(void *arg, enum letter_answer answer, const char *text)
{
    struct redrive *r = arg;
    if (answer != LETTER_OK)
        log_error("trace=%s: a failed redrive could not be recorded in %s: %s",
                  r->letter->object->trace_id, r->letter->key, text);
    else if (r->letter->object->parked)
        r->all->counters.parked++;
    release_ledger(r);
}

static void store_failure(struct redrive *r)
{
    fault_point("retry.before_update");
    r->failure.error = r->error;
    deadletter_object_failed(r->letter->object, &r->failure, r->class, r->d->max_redrives);
    letter_store(r->letter, on_failure_stored, r);
}

static void fail_attempt(struct redrive *r, const char *class, const char *error, int status,
                         int64_t took_ms)
{
    set_failed(r, class, error);
    r->failure = (struct deadletter_attempt){
        .at_ms = r->attempt_at_ms, .status = status, .took_ms = took_ms};
    store_failure(r);
}

/* ---- after a delivery ---- */

static void on_deleted(void *arg, enum letter_answer answer, const char *text)
{
    struct redrive *r = arg;
    size_t len = strlen(r->note);
    if (answer != LETTER_OK) {
        snprintf(r->note + len, sizeof(r->note) - len,
                 "%sthe dead letter could not be deleted (%s); the next redrive does that",
                 len ? "; " : "", text);
        log_warn("trace=%s: delivered, but %s", r->letter->object->trace_id, r->note);
    }
    r->end = REDRIVE_PROCESSED;
    finish(r);
}

static void delete_letter(struct redrive *r)
{
    letter_delete(r->letter, on_deleted, r);
}

/* Of what was delivered now; what was delivered before was acknowledged then. */
static void acknowledge(struct redrive *r)
{
    if (r->is_delivered_now)
        acknowledge_send(errands_acknowledge(r->d->errands, r->letter->object->source), r->hook);
}

static void on_delivery_noted(void *arg, enum letter_answer answer, const char *text)
{
    struct redrive *r = arg;
    if (answer == LETTER_OK)
        acknowledge(r);
    else
        log_error("trace=%s: delivered, but neither the ledger nor %s could be told (%s): the next "
                  "redrive delivers it again",
                  r->letter->object->trace_id, r->letter->key, text);
    r->end = REDRIVE_PROCESSED;
    finish(r);
}

static void write_outcome(struct redrive *r);

/* The dead letter goes only after the outcome is recorded. Where the ledger cannot be told, the
 * dead letter itself says so, and the next redrive tells the ledger. */
static void on_outcome(void *arg, enum ledger_written written, const char *error)
{
    struct redrive *r = arg;
    if (written == LEDGER_FAILED && ++r->outcome_tries < OUTCOME_TRIES) {
        write_outcome(r);
        return;
    }
    if (written == LEDGER_WRITTEN) {
        fault_point("retry.after_outcome");
        acknowledge(r);
        delete_letter(r);
        return;
    }
    snprintf(r->note, sizeof(r->note), "delivered, but the ledger could not be told: %s", error);
    log_error("trace=%s: %s; the next redrive does that", r->letter->object->trace_id, r->note);
    deadletter_object_delivered(r->letter->object, r->attempt_at_ms);
    letter_store(r->letter, on_delivery_noted, r);
}

static void write_outcome(struct redrive *r)
{
    if (!r->claim) {
        fault_point("retry.after_outcome");
        acknowledge(r);
        delete_letter(r);
        return;
    }
    if (fault_point("retry.before_outcome")) {
        on_outcome(r, LEDGER_FAILED, "made to fail");
        return;
    }
    struct ledger_record *next = ledger_record_copy(ledger_claim_record(r->claim));
    next->state = LEDGER_DELIVERED;
    next->at_ms = ledger_now_ms(r->d->ledger);
    ledger_write(r->claim, next, true, on_outcome, r);
    ledger_record_free(next);
}

/* ---- the delivery ---- */

static void set_untried(struct redrive *r)
{
    r->end = REDRIVE_UNTRIED;
    redrive_gate_why(r->gate, r->error, sizeof(r->error));
}

static void release_untried(struct redrive *r)
{
    set_untried(r);
    release(r);
}

static void on_attempt(void *arg, enum attempt_end end, const struct delivery_outcome *outcome)
{
    struct redrive *r = arg;
    r->attempt = NULL;
    if (end != ATTEMPT_ENDED)
        redrive_gate_drop(r->gate);
    switch (end) {
    case ATTEMPT_ENDED:
        if (redrive_gate_outcome(r->gate, outcome)) {
            release_untried(r);
        } else if (outcome->verdict == DELIVERED) {
            fault_point("retry.delivered");
            r->is_delivered_now = true;
            write_outcome(r);
        } else {
            fail_attempt(r, outcome->verdict == DEAD ? outcome->class : "exhausted", outcome->error,
                         outcome->status, outcome->took_ms);
        }
        break;
    case ATTEMPT_TOO_LONG:
        fail_attempt(r, "exhausted", "it took longer than the claim on the dead letter lasts", 0,
                     clock_wall_ms() - r->attempt_at_ms);
        break;
    case ATTEMPT_NOT_BEGUN:
        if (redrive_gate_holds(r->gate))
            release_untried(r);
        else
            release_failed(r, "busy", "the destination is busy: try again");
        break;
    case ATTEMPT_CLAIM_LOST:
        ledger_claim_free(r->claim);
        r->claim = NULL;
        release_failed(r, "in_progress", "the ledger's claim was lost: somebody else works on it");
        break;
    case ATTEMPT_STOPPED:
        release_failed(r, "stopped", stopping);
        break;
    }
}

static const json_t *source_of(const struct redrive *r)
{
    return dead_letters_source(r->d, r->letter->object->source);
}

static const json_t *destination_conf(const struct redrive *r, const char *name)
{
    return json_object_get(conf_value(r->d->conf, "destinations"), name);
}

/* How long a delivery to it may take, waiting and the check included. */
static int64_t delivery_ms(const struct redrive *r, const char *destination)
{
    const json_t *timeout = json_object_get(destination_conf(r, destination), "timeout_s");
    json_int_t s = json_is_integer(timeout) ? json_integer_value(timeout) : UNTIMED_DELIVERY_S;
    if (*conf_str(source_of(r), "check.url"))
        s += conf_int(source_of(r), "check.timeout_s");
    return s * 1000 + QUEUE_MS;
}

static const char *destination_of(const struct redrive *r)
{
    return conf_str(source_of(r), "destination");
}

static void deliver(struct redrive *r)
{
    struct rules_failure failure;
    r->attempt_at_ms = clock_wall_ms();
    if (r->all->draining) {
        release_failed(r, "stopped", stopping);
        return;
    }
    if (r->letter->object->delivered_at_ms && !r->force) {
        snprintf(r->note, sizeof(r->note), "already delivered");
        write_outcome(r);
        return;
    }
    if (!rules_check(source_of(r), r->hook->body, r->hook->body_len, &failure)) {
        fail_attempt(r, failure.class, failure.reason, 0, 0);
        return;
    }
    if (redrive_gate_holds(r->gate)) {
        release_untried(r);
        return;
    }
    redrive_gate_begin(r->gate);
    fault_point("retry.before_deliver");
    const struct attempt_options options = {
        .base = r->d->base,
        .destination = dead_letters_destination(r->d, destination_of(r)),
        .check = errands_check(r->d->errands, r->letter->object->source),
        .hook = r->hook,
        .number = r->letter->object->retry_count + 2,
        .revision = r->letter->object->revision,
        .claim = r->claim,
        .trace_id = r->letter->object->trace_id,
        .limit_ms = r->deliver_until_mono_ms - clock_mono_ms(),
    };
    r->attempt = attempt_start(&options, on_attempt, r);
}

/* ---- the claims ---- */

static void claim_record(struct redrive *r);

/* The record is of another payload with the same event id: this one's record has the payload's hash
 * in its id. */
static void use_other_record(struct redrive *r)
{
    char *id = xasprintf("%s#%s", r->ledger_id, r->letter->object->sha256);
    free(r->ledger_id);
    r->ledger_id = id;
    r->id_is_stored = true;
    claim_record(r);
}

static void on_other_released(void *arg, enum ledger_written written, const char *error)
{
    struct redrive *r = arg;
    (void)written;
    (void)error;
    ledger_claim_free(r->claim);
    r->claim = NULL;
    use_other_record(r);
}

static void on_record(void *arg, const struct ledger_result *result)
{
    struct redrive *r = arg;
    const struct deadletter_object *o = r->letter->object;
    r->claim = result->claim;
    if (result->answer == LEDGER_UNREACHABLE) {
        if (strcmp(conf_str(r->d->conf, "ledger.outage"), "deliver") == 0)
            deliver(r);
        else
            release_failed(r, "ledger", result->error);
    } else if (result->answer != LEDGER_CLAIMED) {
        release_failed(r, "in_progress", "in progress");
    } else if (!r->id_is_stored && *result->record->payload &&
               strcmp(result->record->payload, o->sha256) != 0) {
        if (r->claim)
            ledger_write(r->claim, result->record, true, on_other_released, r);
        else
            use_other_record(r);
    } else if (!r->claim) {
        snprintf(r->note, sizeof(r->note), "already delivered");
        delete_letter(r);
    } else {
        deliver(r);
    }
}

static void claim_record(struct redrive *r)
{
    const struct deadletter_object *o = r->letter->object;
    ledger_claim_redrive(r->d->ledger, r->ledger_id, o->sha256, o->trace_id, r->force, on_record,
                         r);
}

static void on_claimed(void *arg, enum letter_answer answer, const char *text)
{
    struct redrive *r = arg;
    const struct deadletter_object *o = r->letter->object;
    if (answer == LETTER_TROUBLE) {
        fail(r, "storage", text);
        return;
    }
    if (answer != LETTER_OK) {
        fail(r, "in_progress", "in progress");
        return;
    }
    fault_point("retry.claimed");
    if (!conf_bool(source_of(r), "ledger")) {
        deliver(r);
        return;
    }
    const struct ledger_key key = {
        .destination = destination_of(r), .source = o->source, .event_id = o->event_id};
    r->id_is_stored = *o->ledger_id && strcmp(o->destination, key.destination) == 0;
    r->ledger_id = r->id_is_stored ? xstrdup(o->ledger_id) : ledger_id(&key);
    claim_record(r);
}

static void claim_object(struct redrive *r)
{
    int64_t takes_ms = delivery_ms(r, destination_of(r));
    r->claimed = true;
    r->deliver_until_mono_ms = clock_mono_ms() + takes_ms;
    deadletter_object_claim(r->letter->object, r->owner,
                            clock_wall_ms() + takes_ms + OBJECT_MARGIN_MS);
    letter_store(r->letter, on_claimed, r);
}

/* ---- reading it ---- */

/* What speaks against a redrive of it; false after ending it. */
static bool may_redrive(struct redrive *r)
{
    char why[TEXT_BYTES];
    const struct deadletter_object *o = r->letter->object;
    if (!dead_letters_match(r->params, o)) {
        skip(r, "filtered", "the filters of the request exclude it");
    } else if (o->parked && !r->force) {
        snprintf(why, sizeof(why), "parked after %d redrives: only force tries it again",
                 o->redrives);
        skip(r, "parked", why);
    } else if (dead_letters_held(o)) {
        fail(r, "in_progress", "in progress");
    } else if (!source_of(r)) {
        snprintf(why, sizeof(why), "source \"%s\" is not in the configuration any more", o->source);
        fail(r, "configuration", why);
    } else if (!(r->hook = deadletter_object_webhook(o, why, sizeof(why)))) {
        fail(r, "unreadable", why);
    } else {
        return true;
    }
    return false;
}

static void on_read(void *arg, enum letter_answer answer, const char *text)
{
    struct redrive *r = arg;
    if (answer == LETTER_GONE) {
        skip(r, "missing", "there is no such dead letter");
    } else if (answer != LETTER_OK) {
        fail(r, answer == LETTER_UNREADABLE ? "unreadable" : "storage", text);
    } else if (may_redrive(r)) {
        r->gate = redrive_gate_new(r->all->gates, r->letter->object->source);
        if (!r->params->dry_run && redrive_gate_holds(r->gate)) {
            set_untried(r);
            finish(r);
        } else if (r->params->dry_run) {
            snprintf(r->note, sizeof(r->note), "would be redriven");
            r->end = REDRIVE_PROCESSED;
            finish(r);
        } else {
            claim_object(r);
        }
    }
}

struct redrive *redrive_start(struct redriver *all, const struct redrive_request *request,
                              redrive_cb *done, void *arg)
{
    struct redrive *r = xcalloc(1, sizeof(*r));
    r->all = all;
    r->d = all->d;
    r->letter = letter_new(all->d, request->key);
    r->params = request->params;
    r->force = request->params->force;
    r->named = request->named;
    r->who = xstrdup(request->who);
    r->done = done;
    r->arg = arg;
    owner_make(r->owner);
    TAILQ_INSERT_TAIL(&all->all, r, link);
    all->running++;
    letter_read(r->letter, on_read, r);
    return r;
}

void redrive_detach(struct redrive *r)
{
    r->done = NULL;
    r->params = NULL;
    if (!r->claimed)
        redrive_free(r);
}

void redriver_hold(struct redriver *all)
{
    struct redrive *r, *next;
    for (r = TAILQ_FIRST(&all->all); r; r = next) {
        next = TAILQ_NEXT(r, link);
        if (r->attempt && redrive_gate_holds(r->gate))
            attempt_give_up(r->attempt);
    }
}

void redriver_drain(struct redriver *all, int64_t deadline_mono_ms)
{
    struct redrive *r;
    all->draining = true;
    TAILQ_FOREACH(r, &all->all, link)
    {
        if (r->attempt)
            attempt_drain(r->attempt, deadline_mono_ms - DRAIN_MARGIN_MS);
    }
}
