#ifndef SUPERVISOR_GATES_H
#define SUPERVISOR_GATES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the workers hold back from, since one of them met it throttled or failing: the `gate`
 * messages of common/ipc/message.h, passed on to all others and kept for workers that start later.
 * A gate whose key is probed (common/ipc/gate.h) is a breaker for all workers together: when
 * its time is over one worker is granted the probe; past its time or gone, it goes to the next.
 * Every other gate ends with its time.
 *
 * Nothing here asks the time or sends by itself. Workers are named by their pid. */
struct gates;

#define GATES_MAX 256
#define GATES_KEY_BYTES 200
#define GATES_LONGEST_MS (24 * 3600 * 1000)

struct gates_host { /* borrowed, const table; msg is the receiver's in each */
    void (*tell)(void *arg, pid_t worker, json_t *msg);
    void (*tell_others)(void *arg, pid_t but, json_t *msg); /* 0: all */
    bool (*can_probe)(void *arg, pid_t worker);
    pid_t (*next_prober)(void *arg, pid_t after); /* one that can, going round; 0: none */
    bool (*is_known)(void *arg, const char *key); /* whether there still is such a thing */
};

struct gates *gates_new(const struct gates_host *host, void *arg);
void gates_free(struct gates *g); /* NULL is a no-op */

/* A worker's `gate`. 0; -1 with the reason (static) where it is not taken: who has sent one too
 * many is told that it has ended. */
int gates_take(struct gates *g, pid_t from, const json_t *msg, int64_t now_ms, const char **why_out)
    __attribute__((warn_unused_result));

/* Grants the probes that are due and ends what is over. Returns when to look again, INT64_MAX where
 * nothing is due; workers that come and go have it called again too. */
int64_t gates_turn(struct gates *g, int64_t now_ms);

/* The message about each gate, for a worker that starts; the receiver's. */
void gates_each(const struct gates *g, int64_t now_ms, void (*each)(void *arg, json_t *msg),
                void *arg);

/* [{"key", "state": "open"|"half-open", "left_ms", "held_s", "why", "probe": pid or 0}] (new
 * reference). */
json_t *gates_status(const struct gates *g, int64_t now_ms);

#endif
