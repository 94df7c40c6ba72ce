#include "workers/retry/redrive_gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "workers/delivery_gate.h"
#include "workers/gatekeeper.h"

struct redrive_gates {
    const json_t *conf;              /* borrowed */
    struct gatekeeper *gatekeeper;   /* borrowed */
    LIST_HEAD(, redrive_gate) gates; /* each is a redrive's */
};

struct redrive_gate {
    LIST_ENTRY(redrive_gate) link;
    struct redrive_gates *all; /* borrowed */
    char *key;                 /* own; NULL: there is no gate */
    int64_t open_ms;           /* how long it is held back from after a failure */
    bool is_probe;             /* whether the delivery says if the destination is back */
};

struct redrive_gates *redrive_gates_new(const json_t *conf, struct gatekeeper *gatekeeper)
{
    struct redrive_gates *all = xcalloc(1, sizeof(*all));
    all->conf = conf;
    all->gatekeeper = gatekeeper;
    return all;
}

void redrive_gates_free(struct redrive_gates *all)
{
    free(all);
}

struct redrive_gate *redrive_gate_new(struct redrive_gates *all, const char *source)
{
    struct redrive_gate *g = xcalloc(1, sizeof(*g));
    g->all = all;
    g->key = delivery_gate_key(all->conf, source);
    if (g->key)
        g->open_ms = delivery_gate_open_ms(all->conf, source);
    LIST_INSERT_HEAD(&all->gates, g, link);
    return g;
}

void redrive_gate_free(struct redrive_gate *g)
{
    if (!g)
        return;
    LIST_REMOVE(g, link);
    free(g->key);
    free(g);
}

static bool is_probed(const struct redrive_gate *g)
{
    const struct redrive_gate *other;
    LIST_FOREACH(other, &g->all->gates, link)
    {
        if (other->is_probe && strcmp(other->key, g->key) == 0)
            return true;
    }
    return false;
}

bool redrive_gate_holds(const struct redrive_gate *g)
{
    struct gatekeeper *gatekeeper = g->all->gatekeeper;
    int64_t now = clock_mono_ms();
    return g->key && !g->is_probe && gatekeeper_holds(gatekeeper, g->key, now) &&
           (gatekeeper_left_ms(gatekeeper, g->key, now) > 0 || is_probed(g));
}

void redrive_gate_why(const struct redrive_gate *g, char *text_out, size_t size)
{
    int64_t left_ms = gatekeeper_left_ms(g->all->gatekeeper, g->key, clock_mono_ms());
    snprintf(text_out, size, "%s is held back, try again in %lld s: %.250s", g->key,
             (long long)(left_ms / 1000 + 1), gatekeeper_why(g->all->gatekeeper, g->key));
}

void redrive_gate_begin(struct redrive_gate *g)
{
    g->is_probe = g->key && gatekeeper_holds(g->all->gatekeeper, g->key, clock_mono_ms());
}

void redrive_gate_drop(struct redrive_gate *g)
{
    g->is_probe = false;
}

bool redrive_gate_outcome(struct redrive_gate *g, const struct delivery_outcome *outcome)
{
    struct gatekeeper *gatekeeper = g->all->gatekeeper;
    bool probe = g->is_probe;
    int64_t now = clock_mono_ms();
    g->is_probe = false;
    if (!g->key || (outcome->is_unasked && !outcome->of_destination))
        return false;
    if (outcome->verdict != RETRY || !outcome->of_destination) {
        gatekeeper_worked(gatekeeper, g->key, probe, now);
        return false;
    }
    const struct gatekeeper_failure failure = {
        .key = g->key,
        .why = outcome->error,
        .began_ms = now - outcome->took_ms,
        .open_ms = g->open_ms,
        .wait_ms = delivery_gate_wait_ms(outcome, g->open_ms),
        .probe = probe,
    };
    return gatekeeper_failed(gatekeeper, &failure, now);
}
