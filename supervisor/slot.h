#ifndef SUPERVISOR_SLOT_H
#define SUPERVISOR_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/restart.h"

/* The life of one worker's place, as a table of state and event (slot.c). What an exit means comes
 * from the state, never from the exit status: one that nobody asked for is a crash.
 *
 *   DOWN      nothing runs, and nothing will unless it is started
 *   HELD      wanted, but waits for its reload to be committed
 *   STARTING  forked; must say `ready` before the deadline
 *   UP        said `ready`
 *   DRAINING  was told to finish and exit, and is killed past the deadline
 *   BACKOFF   waits to be started again after an early death
 *
 * The machine itself has no clock and no I/O: time is a parameter, deeds go through slot_ops. */
enum slot_state {
    SLOT_DOWN,
    SLOT_HELD,
    SLOT_STARTING,
    SLOT_UP,
    SLOT_DRAINING,
    SLOT_BACKOFF,
    SLOT_STATES,
};

enum slot_event {
    SLOT_START, /* it is wanted */
    SLOT_HOLD,  /* it is wanted later */
    SLOT_STOP,  /* it is not wanted any more; stop_ms says how long it has */
    SLOT_READY, /* the worker's loop runs */
    SLOT_DIED,  /* the process was reaped */
    SLOT_LOST,  /* its channel closed or broke the protocol; the process may still run */
    SLOT_TIMER, /* due_ms has come */
    SLOT_EVENTS,
};

struct slot_ops {
    int (*start)(void *arg);                   /* forks; 0, or -1 (logged) */
    void (*kill)(void *arg);                   /* SIGKILL */
    void (*drain)(void *arg, int64_t time_ms); /* sends `drain` */
};

struct slot {
    enum slot_state state;
    int64_t since_ms;  /* when it entered the state, monotonic */
    int64_t due_ms;    /* when SLOT_TIMER is to be given, 0: never */
    unsigned restarts; /* starts after a death that nobody asked for */
    bool retired;      /* superseded: an exit is final */
    bool has_failed;   /* died unasked at least once */
    struct restart restart;
    int64_t ready_ms;           /* time a start may take */
    int64_t stop_ms;            /* time a drain may take; read at SLOT_STOP */
    const struct slot_ops *ops; /* borrowed, const table */
    void *arg;                  /* borrowed: the process that embeds this slot */
};

/* A worker that has not exited this long after its drain deadline, or after its channel closed, is
 * killed. */
#define SLOT_GRACE_MS 1000

/* jitter: see restart.h. */
void slot_handle(struct slot *s, enum slot_event event, int64_t now_ms, uint32_t jitter);

/* Whether a process belongs to it now. */
bool slot_is_live(const struct slot *s);

const char *slot_state_name(enum slot_state state);

#endif
