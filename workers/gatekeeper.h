#ifndef WORKERS_GATEKEEPER_H
#define WORKERS_GATEKEEPER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What this worker holds back from, whoever met it: the workers' half of the `gate` messages
 * (common/ipc/gate.h has the kinds of keys). Whoever uses a thing with a gate asks before, and
 * tells how it went. Times are clock_mono_ms. */
struct gatekeeper;

struct gatekeeper_callbacks {
    void (*send)(void *arg, json_t *msg); /* to the supervisor; msg is the receiver's */
    /* Something is held back from now on, or no more, or a probe was granted. From inside
     * gatekeeper_take and from inside the words of this worker. */
    void (*changed)(void *arg);
};

struct gatekeeper *gatekeeper_new(const struct gatekeeper_callbacks *callbacks, void *arg);
void gatekeeper_free(struct gatekeeper *k); /* NULL is a no-op */

/* A `gate` of the supervisor. What is not well formed is left out. */
void gatekeeper_take(struct gatekeeper *k, const json_t *msg, int64_t now_ms);

/* Whether to hold back; for how long still (0: until somebody's probe has gone well); and why. */
bool gatekeeper_holds(const struct gatekeeper *k, const char *key, int64_t now_ms);
int64_t gatekeeper_left_ms(const struct gatekeeper *k, const char *key, int64_t now_ms);
const char *gatekeeper_why(const struct gatekeeper *k, const char *key); /* "" where it is not */
/* How many keys are held back from. */
size_t gatekeeper_count(const struct gatekeeper *k, int64_t now_ms);

/* Whether the probe is ours and not used yet. One that is begun (its verdict comes within
 * verdict_ms) ends with gatekeeper_worked or _failed, or is dropped: it can be used again then. */
bool gatekeeper_may_probe(const struct gatekeeper *k, const char *key);
void gatekeeper_begin_probe(struct gatekeeper *k, const char *key, int64_t verdict_ms);
void gatekeeper_drop_probe(struct gatekeeper *k, const char *key);

/* How it went. probe: what gatekeeper_begin_probe was called for, whatever has come since. */
void gatekeeper_worked(struct gatekeeper *k, const char *key, bool probe, int64_t now_ms);

struct gatekeeper_failure {
    const char *key;
    const char *why; /* for people */
    int64_t began_ms;
    int64_t open_ms; /* how long to hold back */
    int64_t wait_ms; /* what was asked for instead; 0: nothing */
    bool probe;
};
/* A failure of what is behind the gate. Three in a row, or one that asks for a wait, or the probe's
 * have everybody hold back. True where it is part of that, and so is nothing that speaks against
 * what was tried. */
bool gatekeeper_failed(struct gatekeeper *k, const struct gatekeeper_failure *f, int64_t now_ms)
    __attribute__((warn_unused_result));

/* Has everybody hold back for so long (an answer 429, say). */
void gatekeeper_hold(struct gatekeeper *k, const char *key, int64_t for_ms, const char *why,
                     int64_t now_ms);

#endif
