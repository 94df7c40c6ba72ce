#ifndef WORKERS_STORE_TURN_H
#define WORKERS_STORE_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/http_server.h"
#include "workers/store/service.h"

/* Group commit: all calls that arrive while the loop goes round once share one transaction, and no
 * answer of that turn, be it a refusal or an empty receive, leaves before its COMMIT returned OK.
 *
 * turn_add starts a timer of zero length. Timers run after the sockets of the same iteration were
 * read, so the turn sees everything that arrived meanwhile; what arrives while COMMIT waits for the
 * disk makes the next turn. Each call runs in a savepoint of its own.
 *
 * Calls that wait (long polls) are run again in every turn, oldest first, after all others; a key
 * that was found empty is not asked again in that turn. One timer wakes the turn for the next
 * deadline or the next message that becomes visible by itself.
 *
 * COMMIT failed: everybody of the turn gets 500. No space: the ballast is given back and the turn
 * runs once more with sends refused (503). I/O error: everybody gets 500 and broken() is called;
 * the process has to leave. */
struct turn;
struct db;
struct event_base;

struct turn_asker {             /* where an answer goes; only handed to the callbacks */
    struct http_server *server; /* borrow */
    struct http_ticket ticket;
};

struct turn_callbacks {
    /* 0, or -1 where the client is gone (then what it was given is taken back). answer is borrowed.
     */
    int (*answer)(void *arg, struct turn_asker asker, const struct service_answer *answer);
    void (*broken)(void *arg, const char *why);
    /* The store's clock, in ms. */
    int64_t (*now_ms)(void *arg);
};

struct turn_stats {
    int64_t commits; /* those that wrote */
    int64_t commit_failures;
    size_t waiting; /* long polls */
    bool full;
    const char *full_why; /* or NULL */
};

/* db and callbacks are borrowed and outlive it. */
struct turn *turn_new(struct event_base *base, struct db *db,
                      const struct turn_callbacks *callbacks, void *arg);
void turn_free(struct turn *t);

/* Takes over the contents of call (cleared). service is borrowed and outlives the turn. */
void turn_add(struct turn *t, struct turn_asker asker, const struct service *service,
              struct service_call *call);
/* An answer that is known already (a refusal); takes over its body. It leaves with the turn. */
void turn_add_answer(struct turn *t, struct turn_asker asker, struct service_answer *answer);
/* The client of this call went away: before the turn it is dropped. */
void turn_gone(struct turn *t, struct turn_asker asker);

/* From now on nobody waits: long polls are answered in the next turn. */
void turn_drain(struct turn *t);

/* No turn runs any more; the database may be closed. */
void turn_stop(struct turn *t);

/* Asks the disk again (once a second): leaves or enters the state "full", and sweeps and truncates
 * the log when idle. */
void turn_tick(struct turn *t);

/* Owed answers, waiting polls included. */
size_t turn_pending(const struct turn *t);
struct turn_stats turn_stats(const struct turn *t);

/* For tests: runs the turn now. */
void turn_run(struct turn *t);

#endif
