#include "workers/retry/attempt.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"

#define BEAT_MS 1000 /* how often the claim is looked at */

struct attempt {
    struct attempt_options o;
    struct delivery *delivery; /* own; NULL once it has ended */
    struct event *beat;        /* own */
    int64_t until_mono_ms, drain_until_mono_ms, extend_at_mono_ms;
    bool extending; /* a write under the claim is under way: the end waits for it */
    bool over;
    enum attempt_end end;
    struct delivery_outcome outcome;
    char *class, *error; /* own: of the outcome */
    attempt_cb *done;
    void *arg;
};

static void attempt_free(struct attempt *a)
{
    delivery_cancel(a->delivery);
    event_free(a->beat);
    free(a->class);
    free(a->error);
    free(a);
}

static void finish(struct attempt *a)
{
    a->done(a->arg, a->end, a->end == ATTEMPT_ENDED ? &a->outcome : NULL);
    attempt_free(a);
}

static void end(struct attempt *a, enum attempt_end how)
{
    a->over = true;
    a->end = how;
    event_del(a->beat);
    if (!a->extending)
        finish(a);
}

static void cut_off(struct attempt *a, enum attempt_end how)
{
    delivery_cancel(a->delivery);
    a->delivery = NULL;
    end(a, how);
}

static void on_verdict(void *arg, const struct delivery_outcome *outcome)
{
    struct attempt *a = arg;
    a->delivery = NULL;
    a->class = xstrdup(outcome->class);
    a->error = xstrdup(outcome->error);
    a->outcome = *outcome;
    a->outcome.class = a->class;
    a->outcome.error = a->error;
    end(a, ATTEMPT_ENDED);
}

static void on_extended(void *arg, enum ledger_written written, const char *error)
{
    struct attempt *a = arg;
    a->extending = false;
    if (written == LEDGER_FAILED)
        log_warn("trace=%s: the ledger's claim could not be extended: %s", a->o.trace_id, error);
    if (a->over)
        finish(a);
    else if (written == LEDGER_LOST)
        cut_off(a, ATTEMPT_CLAIM_LOST);
}

static void look_after_claim(struct attempt *a, int64_t now_ms)
{
    int64_t left_ms = ledger_claim_until_mono_ms(a->o.claim) - now_ms;
    if (left_ms <= 0) {
        cut_off(a, ATTEMPT_CLAIM_LOST);
    } else if (!a->extending && now_ms >= a->extend_at_mono_ms) {
        a->extending = true;
        a->extend_at_mono_ms = now_ms + left_ms / 4;
        ledger_extend(a->o.claim, on_extended, a);
    }
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct attempt *a = arg;
    int64_t now_ms = clock_mono_ms();
    bool waiting = delivery_waiting(a->delivery);
    if (now_ms >= a->drain_until_mono_ms || (waiting && a->drain_until_mono_ms < INT64_MAX))
        cut_off(a, ATTEMPT_STOPPED);
    else if (now_ms >= a->until_mono_ms)
        cut_off(a, waiting ? ATTEMPT_NOT_BEGUN : ATTEMPT_TOO_LONG);
    else if (a->o.claim)
        look_after_claim(a, now_ms);
}

struct attempt *attempt_start(const struct attempt_options *options, attempt_cb *done, void *arg)
{
    struct attempt *a = xcalloc(1, sizeof(*a));
    int64_t now_ms = clock_mono_ms();
    a->o = *options;
    a->done = done;
    a->arg = arg;
    a->until_mono_ms = now_ms + options->limit_ms;
    a->drain_until_mono_ms = INT64_MAX;
    if (options->claim)
        a->extend_at_mono_ms = (now_ms + ledger_claim_until_mono_ms(options->claim)) / 2;
    a->beat = event_new(options->base, -1, EV_PERSIST, on_beat, a);
    assert(a->beat);
    struct timeval beat = {.tv_sec = BEAT_MS / 1000};
    event_add(a->beat, &beat);
    const struct delivery_record record = {
        .ledger_id = options->claim ? ledger_claim_id(options->claim) : NULL,
        .revision = options->revision,
        .check = options->check,
    };
    a->delivery = delivery_start(options->destination, options->hook, options->number, &record,
                                 on_verdict, a);
    return a;
}

void attempt_give_up(struct attempt *a)
{
    if (a->over || !delivery_waiting(a->delivery))
        return;
    a->until_mono_ms = 0;
    event_active(a->beat, EV_TIMEOUT, 0);
}

void attempt_drain(struct attempt *a, int64_t until_mono_ms)
{
    a->drain_until_mono_ms = until_mono_ms;
    if (!a->over)
        event_active(a->beat, EV_TIMEOUT, 0);
}

void attempt_cancel(struct attempt *a)
{
    if (a)
        attempt_free(a);
}
