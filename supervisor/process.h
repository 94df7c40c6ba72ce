#ifndef SUPERVISOR_PROCESS_H
#define SUPERVISOR_PROCESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/base/log_rate.h"
#include "supervisor/plan.h"
#include "supervisor/slot.h"

/* One worker's place and whatever process fills it: the slot's deeds (fork, drain, kill), the
 * channel, the health socket, the beats. In a reload a place has two of these for a while. What a
 * worker sends is checked and never trusted. */
struct channel;
struct event;
struct event_base;
struct process;

/* What all processes share; const while any lives. */
struct process_host {
    struct event_base *base;    /* borrow */
    const char *program_dir;    /* borrow: where sluice-<role> is */
    const char *run_dir;        /* borrow */
    int store_lock_fd;          /* the store inherits it */
    void *arg;                  /* for the calls below */
    void (*changed)(void *arg); /* some slot changed its state */
    /* About to be forked: the descriptor of its in-flight table, to be closed by us; -1 with errno.
     */
    int (*table)(void *arg, const struct process *p);
    void (*started)(void *arg, struct process *p); /* just forked: its first messages can be sent */
    /* Reaped, and not started again yet, or not forked after its table was opened. asked: its end
     * was wanted. */
    void (*died)(void *arg, const struct process *p, bool asked);
    void (*message)(void *arg, struct process *p, const json_t *msg); /* one that is not ours */
};

struct process {                     /* written by process.c only */
    TAILQ_ENTRY(process) link;       /* the supervisor's list */
    const struct process_host *host; /* borrow */
    struct plan *plan;               /* own: one use */
    int number;
    char *name; /* own */
    struct slot slot;
    pid_t pid;               /* 0: none */
    bool greeted;            /* its hello was good */
    struct channel *channel; /* own; NULL when closed */
    struct event *timer;     /* own; slot.due_ms */
    json_t *beat;            /* own; the newest, or NULL */
    json_t *errors;          /* own; what its start-up check found wrong, or NULL */
    char failure[160];       /* how its newest start or run ended unasked; "": it never did */
    char lost[120];          /* why its channel ended; "": it has not */
    int silent_ticks;        /* whole seconds since it last said anything */
    int health_fd;           /* -1 until first started */
    bool is_beside;          /* its health socket still has the name ".new" */
    bool is_displaced;       /* another process has taken over the socket's name */
    struct log_rate refused; /* of lines about messages of its that are not taken; messages.c */
};

TAILQ_HEAD(process_list, process);

/* beside: another process holds the health socket's name until process_take_place. */
struct process *process_new(const struct process_host *host, struct plan *plan, int number,
                            bool beside);
/* No process may run in it. */
void process_free(struct process *p);

void process_start(struct process *p);
void process_hold(struct process *p);
/* No exit is a crash from now on. */
void process_retire(struct process *p);
/* Drain, with this much time. */
void process_stop(struct process *p, int64_t time_ms);

/* Its health socket takes the worker's name over from predecessor (NULL: none). */
void process_take_place(struct process *p, struct process *predecessor);

/* Collects it where it has died. */
void process_reap(struct process *p);

/* Once a second. on_time: the supervisor itself was not late, so that silence is the worker's. */
void process_tick(struct process *p, bool on_time);

/* Whether it is up and has said nothing for some seconds. */
bool process_is_silent(const struct process *p);

/* Sends a message (stolen) where the worker has a channel, with a descriptor (which stays the
 * caller's) or without. */
void process_send(struct process *p, json_t *msg);
void process_send_fd(struct process *p, json_t *msg, int fd);
void process_signal(struct process *p, int signo);

/* Its entry in the control socket's status (new reference). */
json_t *process_status(const struct process *p);

#endif
