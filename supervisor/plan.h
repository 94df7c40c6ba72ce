#ifndef SUPERVISOR_PLAN_H
#define SUPERVISOR_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/listen.h"
#include "supervisor/role.h"

/* What the workers of one role are to be under one configuration: their number, their slice, their
 * listeners. A reload makes a new one for each role whose slice differs; only the number of workers
 * of a plan ever changes. The supervisor holds the current plans and each process the one that it
 * was started with. */
struct plan {
    enum role role;
    int generation; /* of the configuration that it was made from */
    int workers;
    int64_t ready_ms;            /* a worker must be ready within */
    json_t *slice;               /* own */
    json_t *check;               /* own: what its first worker checks before it is ready; or NULL */
    struct listener **listeners; /* own: one use of each */
    size_t listener_count;
    bool dropped; /* its reload was rolled back */
    int users;
};

/* A plan with one user, its listeners open and nothing to check; NULL with {"path", "message"}
 * objects added to errors where a listener cannot be opened. */
struct plan *plan_new(struct listen_pool *pool, enum role role, const json_t *conf, int generation,
                      json_t *errors);
struct plan *plan_ref(struct plan *plan);
void plan_unref(struct plan *plan); /* the last user's closes its listeners; NULL is a no-op */

/* Closes our copies of its listening sockets: the role is being stopped. */
void plan_close_listeners(struct plan *plan);

/* It starts no worker any more: gives up its listeners, of which those that no other plan uses are
 * closed. */
void plan_release_listeners(struct plan *plan);

/* The sealed memfd that a worker reads at start, close-on-exec; -1 with errno. lock_fd is the
 * number of the lock's descriptor in the worker, or -1. */
int plan_snapshot(const struct plan *plan, int number, const char *name, int lock_fd);

/* Adds {"path", "message"} to a list of errors; takes over message (malloc). */
void plan_add_error(json_t *errors, const char *path, char *message);

#endif
