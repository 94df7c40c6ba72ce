#ifndef WORKERS_STARTUP_H
#define WORKERS_STARTUP_H

#include <jansson.h>
#include <stdbool.h>

/* The start-up check of a worker that a reload has started: waits until each object that the reload
 * added or changed is open, or known to be unusable, or for STARTUP_MS in all: what is merely slow
 * or out of reach is waited for as it is at boot. */
struct startup;
struct event_base;

#define STARTUP_MS 5000

/* How it stands with the object at that place in the configuration ("queues.orders",
 * "dead_letters", "ledger"): why it cannot be used (borrowed) where waiting will not help, else
 * NULL; *open_out: it is open, or not used at all. */
typedef const char *startup_look_fn(void *arg, const char *path, bool *open_out);

/* It is over; errors: an array of {"path", "message"}, borrowed. Once, never from inside
 * startup_new; the check may be freed in it. */
typedef void startup_done_fn(void *arg, json_t *errors);

/* paths (borrowed, outlives it): an array of texts. */
struct startup *startup_new(struct event_base *base, const json_t *paths, startup_look_fn *look,
                            startup_done_fn *done, void *arg);
void startup_free(struct startup *s); /* NULL is a no-op */

#endif
