#include "workers/consumer/claims.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/consumer/source.h"

#define TICK_MS 200
#define EXTEND_RETRY_MS 1000
#define FIRST_PAUSE_MS 200
#define LONGEST_PAUSE_MS 5000

/* A question under way. The message cannot leave before the answer, but at the worker's end. */
struct ask {
    LIST_ENTRY(ask) link;
    struct claims *claims; /* borrow */
    uint64_t work_id;
};

struct claims {
    struct inflight *inflight; /* borrow */
    struct counters *counters; /* borrow */
    const struct claims_callbacks *callbacks;
    void *arg;
    struct event *tick; /* own */
    LIST_HEAD(, ask) asks;
};

static void arm(struct claims *c)
{
    const struct timeval tick = {.tv_usec = TICK_MS * 1000};
    if (!evtimer_pending(c->tick, NULL))
        evtimer_add(c->tick, &tick);
}

static void drop(struct work *w)
{
    ledger_claim_free(w->claim);
    w->claim = NULL;
    w->claim_busy = false;
}

/* Half a claim before its end: what a slow answer has used up of it is not waited for again. */
static int64_t next_extension_mono_ms(const struct work *w)
{
    return ledger_claim_until_mono_ms(w->claim) - w->source->visibility_s * INT64_C(500);
}

static void lose(struct claims *c, struct work *w, const char *why)
{
    log_warn("event trace=%s source=%s: its ledger claim is lost: %s", w->hook->trace_id,
             w->hook->source, why);
    c->counters->claims_lost++;
    drop(w);
}

/* ---- asking ---- */

static void on_answer(void *arg, const struct ledger_result *result)
{
    struct ask *ask = arg;
    struct claims *c = ask->claims;
    struct work *w = inflight_find(c->inflight, ask->work_id);
    LIST_REMOVE(ask, link);
    free(ask);
    if (!w) {
        ledger_claim_free(result->claim);
        return;
    }
    if (result->claim) {
        w->claim = result->claim;
        ledger_record_free(w->record);
        w->record = ledger_record_copy(result->record);
        w->claim_extend_mono_ms = next_extension_mono_ms(w);
        if (result->key_conflict)
            inflight_claimed(c->inflight, w, ledger_claim_id(w->claim),
                             ledger_claim_owner(w->claim));
        arm(c);
    }
    inflight_begin(c->inflight, w);
    c->callbacks->answer(c->arg, w, result);
    inflight_end(c->inflight);
}

void claims_ask(struct claims *c, struct work *w)
{
    struct ask *ask = xcalloc(1, sizeof(*ask));
    const struct ledger_key key = {.destination = w->source->destination_name,
                                   .source = w->hook->source,
                                   .event_id = w->hook->event_id,
                                   .payload_sha256 = w->sha256};
    ask->claims = c;
    ask->work_id = w->id;
    w->claims = c;
    w->stage = WORK_CLAIMING;
    LIST_INSERT_HEAD(&c->asks, ask, link);
    const struct ledger_claim *asked = ledger_claim(w->source->ledger, &key, w->hook->trace_id,
                                                    w->source->max_retries + 1, on_answer, ask);
    inflight_claimed(c->inflight, w, ledger_claim_id(asked), ledger_claim_owner(asked));
}

/* ---- writing ---- */

static void on_written(void *arg, enum ledger_written how, const char *error);

static void try_write(struct work *w)
{
    w->claim_busy = true;
    ledger_write(w->claim, w->record, w->write_releases, on_written, w);
}

static void on_written(void *arg, enum ledger_written how, const char *error)
{
    struct work *w = arg;
    struct claims *c = w->claims;
    w->claim_busy = false;
    if (how == LEDGER_FAILED) {
        log_warn("event trace=%s source=%s: \"%s\" could not be written to the ledger: %s; trying "
                 "again",
                 w->hook->trace_id, w->hook->source, ledger_state_word(w->record->state), error);
        w->write_at_mono_ms = clock_mono_ms() + w->write_pause_ms;
        w->write_pause_ms =
            w->write_pause_ms * 2 < LONGEST_PAUSE_MS ? w->write_pause_ms * 2 : LONGEST_PAUSE_MS;
        arm(c);
        return;
    }
    work_written_cb *done = w->write_done;
    w->write_done = NULL;
    if (how == LEDGER_LOST)
        lose(c, w, error);
    else if (w->write_releases)
        drop(w);
    inflight_begin(c->inflight, w);
    done(c->arg, w, how == LEDGER_WRITTEN);
    inflight_end(c->inflight);
}

void claims_write(struct claims *c, struct work *w, bool releases, work_written_cb *done)
{
    assert(w->claim && !w->write_done);
    w->write_done = done;
    w->write_releases = releases;
    w->write_pause_ms = FIRST_PAUSE_MS;
    w->write_at_mono_ms = 0;
    if (!w->claim_busy) /* else when the extension has been answered */
        try_write(w);
    arm(c);
}

/* ---- the heartbeat ---- */

static void on_extended(void *arg, enum ledger_written how, const char *error)
{
    struct work *w = arg;
    struct claims *c = w->claims;
    w->claim_busy = false;
    if (w->write_done) {
        try_write(w); /* its own condition says whether the claim still holds */
        return;
    }
    w->claim_extend_mono_ms =
        how == LEDGER_WRITTEN ? next_extension_mono_ms(w) : clock_mono_ms() + EXTEND_RETRY_MS;
    if (how == LEDGER_LOST) {
        lose(c, w, error);
        c->callbacks->lost(c->arg, w);
    }
}

static void beat(struct claims *c, struct work *w, int64_t now)
{
    if (!w->claim)
        return;
    if (w->write_done) {
        if (!w->claim_busy && now >= w->write_at_mono_ms)
            try_write(w);
    } else if (now >= ledger_claim_until_mono_ms(w->claim)) {
        lose(c, w, "it could not be extended in time");
        c->callbacks->lost(c->arg, w);
    } else if (!w->claim_busy && now >= w->claim_extend_mono_ms) {
        w->claim_busy = true;
        ledger_extend(w->claim, on_extended, w);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct claims *c = arg;
    int64_t now = clock_mono_ms();
    struct work *w, *next;
    for (w = inflight_first(c->inflight); w; w = next) {
        next = TAILQ_NEXT(w, link);
        beat(c, w, now);
    }
    if (inflight_count(c->inflight) > 0)
        arm(c);
}

struct claims *claims_new(struct event_base *base, struct inflight *inflight,
                          struct counters *counters, const struct claims_callbacks *callbacks,
                          void *arg)
{
    struct claims *c = xcalloc(1, sizeof(*c));
    c->inflight = inflight;
    c->counters = counters;
    c->callbacks = callbacks;
    c->arg = arg;
    c->tick = evtimer_new(base, on_tick, c);
    LIST_INIT(&c->asks);
    return c;
}

void claims_free(struct claims *c)
{
    if (!c)
        return;
    struct ask *ask;
    while ((ask = LIST_FIRST(&c->asks))) {
        LIST_REMOVE(ask, link);
        free(ask);
    }
    event_free(c->tick);
    free(c);
}
