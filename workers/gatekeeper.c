#include "workers/gatekeeper.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/breaker.h"
#include "common/base/xalloc.h"
#include "common/ipc/gate.h"

#define KEYS_MAX 512

enum probe { PROBE_NONE, PROBE_GRANTED, PROBE_BEGUN };

struct gate {
    LIST_ENTRY(gate) link;
    char *key; /* own */
    char *why; /* own; "" while closed */
    struct breaker breaker;
    enum probe probe;
    bool is_probed; /* else it ends with its time */
};

struct gatekeeper {
    const struct gatekeeper_callbacks *callbacks; /* borrow */
    void *arg;
    LIST_HEAD(, gate) gates; /* own */
    size_t count;            /* of them */
};

struct gatekeeper *gatekeeper_new(const struct gatekeeper_callbacks *callbacks, void *arg)
{
    struct gatekeeper *k = xcalloc(1, sizeof(*k));
    k->callbacks = callbacks;
    k->arg = arg;
    LIST_INIT(&k->gates);
    return k;
}

static void drop(struct gatekeeper *k, struct gate *gate)
{
    LIST_REMOVE(gate, link);
    k->count--;
    free(gate->key);
    free(gate->why);
    free(gate);
}

void gatekeeper_free(struct gatekeeper *k)
{
    if (!k)
        return;
    while (!LIST_EMPTY(&k->gates))
        drop(k, LIST_FIRST(&k->gates));
    free(k);
}

/* ---- the gates ---- */

static struct gate *find(const struct gatekeeper *k, const char *key)
{
    struct gate *gate;
    LIST_FOREACH(gate, &k->gates, link)
    {
        if (strcmp(gate->key, key) == 0)
            return gate;
    }
    return NULL;
}

static bool holds(const struct gate *gate, int64_t now_ms)
{
    if (gate->breaker.state == BREAKER_CLOSED)
        return false;
    return gate->is_probed || now_ms < gate->breaker.until_ms;
}

static void drop_closed(struct gatekeeper *k, int64_t now_ms)
{
    struct gate *gate, *next;
    for (gate = LIST_FIRST(&k->gates); gate; gate = next) {
        next = LIST_NEXT(gate, link);
        if (!holds(gate, now_ms))
            drop(k, gate);
    }
}

/* The gate of a key, made where it is new. */
static struct gate *gate_of(struct gatekeeper *k, const char *key, int64_t now_ms)
{
    struct gate *gate = find(k, key);
    if (gate)
        return gate;
    if (k->count >= KEYS_MAX)
        drop_closed(k, now_ms);
    gate = xcalloc(1, sizeof(*gate));
    gate->key = xstrdup(key);
    gate->why = xstrdup("");
    gate->is_probed = gate_key_is_probed(key);
    LIST_INSERT_HEAD(&k->gates, gate, link);
    k->count++;
    return gate;
}

static void set_why(struct gate *gate, const char *why)
{
    char *copy = xstrdup(why);
    free(gate->why);
    gate->why = copy;
}

static void tell(struct gatekeeper *k, const struct gate *gate, int64_t now_ms)
{
    k->callbacks->send(k->arg, gate_message(gate->key, gate->breaker.until_ms - now_ms, gate->why));
    k->callbacks->changed(k->arg);
}

/* ---- what the supervisor says ---- */

static void take_probe(struct gatekeeper *k, struct gate *gate, bool granted)
{
    if (!gate || gate->breaker.state == BREAKER_CLOSED)
        return;
    gate->probe = granted ? PROBE_GRANTED : PROBE_NONE;
    k->callbacks->changed(k->arg);
}

static void take_time(struct gatekeeper *k, const char *key, const json_t *msg, int64_t now_ms)
{
    int64_t until_ms = json_integer_value(json_object_get(msg, "until_ms"));
    const char *why = json_string_value(json_object_get(msg, "why"));
    struct gate *gate = until_ms > 0 ? gate_of(k, key, now_ms) : find(k, key);
    if (!gate)
        return;
    if (until_ms > 0)
        breaker_open(&gate->breaker, now_ms + until_ms);
    else
        breaker_close(&gate->breaker, now_ms);
    gate->probe = PROBE_NONE;
    set_why(gate, until_ms > 0 && why ? why : "");
    k->callbacks->changed(k->arg);
}

void gatekeeper_take(struct gatekeeper *k, const json_t *msg, int64_t now_ms)
{
    const char *key = json_string_value(json_object_get(msg, "key"));
    const json_t *probe = json_object_get(msg, "probe");
    if (!key)
        return;
    if (json_is_boolean(probe))
        take_probe(k, find(k, key), json_is_true(probe));
    else if (json_is_integer(json_object_get(msg, "until_ms")))
        take_time(k, key, msg, now_ms);
}

/* ---- questions ---- */

bool gatekeeper_holds(const struct gatekeeper *k, const char *key, int64_t now_ms)
{
    const struct gate *gate = find(k, key);
    return gate && holds(gate, now_ms);
}

int64_t gatekeeper_left_ms(const struct gatekeeper *k, const char *key, int64_t now_ms)
{
    const struct gate *gate = find(k, key);
    if (!gate || gate->breaker.state == BREAKER_CLOSED || gate->breaker.until_ms <= now_ms)
        return 0;
    return gate->breaker.until_ms - now_ms;
}

const char *gatekeeper_why(const struct gatekeeper *k, const char *key)
{
    const struct gate *gate = find(k, key);
    return gate ? gate->why : "";
}

size_t gatekeeper_count(const struct gatekeeper *k, int64_t now_ms)
{
    size_t count = 0;
    const struct gate *gate;
    LIST_FOREACH(gate, &k->gates, link)
    {
        count += holds(gate, now_ms) ? 1 : 0;
    }
    return count;
}

/* ---- probes ---- */

bool gatekeeper_may_probe(const struct gatekeeper *k, const char *key)
{
    const struct gate *gate = find(k, key);
    return gate && gate->probe == PROBE_GRANTED;
}

void gatekeeper_begin_probe(struct gatekeeper *k, const char *key, int64_t verdict_ms)
{
    struct gate *gate = find(k, key);
    if (!gate || gate->probe != PROBE_GRANTED)
        return;
    gate->probe = PROBE_BEGUN;
    json_t *msg = gate_probe_message(key, true);
    json_object_set_new(msg, "until_ms", json_integer(verdict_ms));
    k->callbacks->send(k->arg, msg);
    k->callbacks->changed(k->arg);
}

void gatekeeper_drop_probe(struct gatekeeper *k, const char *key)
{
    struct gate *gate = find(k, key);
    if (!gate || gate->probe != PROBE_BEGUN)
        return;
    gate->probe = PROBE_GRANTED;
    k->callbacks->changed(k->arg);
}

/* ---- how it went ---- */

static void close_gate(struct gatekeeper *k, struct gate *gate, int64_t now_ms)
{
    if (gate->breaker.state == BREAKER_CLOSED)
        return;
    breaker_close(&gate->breaker, now_ms);
    gate->probe = PROBE_NONE;
    set_why(gate, "");
    k->callbacks->send(k->arg, gate_message(gate->key, 0, ""));
    k->callbacks->changed(k->arg);
}

void gatekeeper_worked(struct gatekeeper *k, const char *key, bool probe, int64_t now_ms)
{
    struct gate *gate = find(k, key);
    if (!gate)
        return;
    if (probe)
        close_gate(k, gate, now_ms);
    else
        breaker_worked(&gate->breaker);
}

/* The probe failed: as long again, even where somebody else has closed the gate meanwhile. */
static enum breaker_judgement probe_failed(struct gate *gate, const struct gatekeeper_failure *f,
                                           int64_t now_ms)
{
    breaker_open(&gate->breaker, now_ms + (f->wait_ms > 0 ? f->wait_ms : f->open_ms));
    return BREAKER_OPENS;
}

bool gatekeeper_failed(struct gatekeeper *k, const struct gatekeeper_failure *f, int64_t now_ms)
{
    struct gate *gate = gate_of(k, f->key, now_ms);
    if (gate->breaker.state != BREAKER_CLOSED && !holds(gate, now_ms))
        breaker_close(&gate->breaker, now_ms); /* its time was all there was to it */
    const struct breaker_failure failure = {now_ms, f->began_ms, f->open_ms, f->wait_ms};
    enum breaker_judgement judgement =
        f->probe ? probe_failed(gate, f, now_ms) : breaker_failed(&gate->breaker, &failure);
    if (judgement == BREAKER_OPENS) {
        gate->probe = PROBE_NONE;
        set_why(gate, f->why);
        tell(k, gate, now_ms);
    }
    return judgement != BREAKER_COUNTS;
}

void gatekeeper_hold(struct gatekeeper *k, const char *key, int64_t for_ms, const char *why,
                     int64_t now_ms)
{
    struct gate *gate = gate_of(k, key, now_ms);
    breaker_open(&gate->breaker, now_ms + for_ms);
    set_why(gate, why);
    tell(k, gate, now_ms);
}
