#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/listen.h"
#include "supervisor/plan.h"
#include "supervisor/process.h"
#include "supervisor/role.h"

/* The one struct of sluiced, its event loop and its signals. After anything has changed, each
 * policy (reconcile.h or stop.h, tables.h, reload.h, holds.h, announce.h) looks at it, in a turn of
 * the loop of their own: so no callback ever frees what is below it on the stack. */
struct asks;
struct checks;
struct control;
struct detach;
struct event;
struct event_base;
struct holds;
struct materials;
struct notify;
struct reload;
struct tables;

enum { SUPERVISOR_SIGNALS = 5 };

struct supervisor {
    struct event_base *base;        /* own */
    char *config_path;              /* own; absolute */
    char *program_dir;              /* own; where the workers' programs are */
    char *run_dir;                  /* own */
    json_t *conf;                   /* own; the current configuration, normalised */
    int generation;                 /* of the configuration, from 1 */
    struct plan *plans[ROLE_COUNT]; /* own: one use each; what each role is to run */
    struct listen_pool *listeners;  /* own */
    struct process_host host;
    struct process_list processes; /* own */
    struct materials *materials;   /* own */
    struct materials *tried;       /* own; of the keyring that a reload tries; NULL: none yet */
    struct asks *asks;             /* own */
    struct holds *holds;           /* own */
    struct tables *tables;         /* own */
    struct reload *reload;         /* own */
    struct checks *checks;         /* own */
    struct control *control;       /* own */
    struct notify *notify;         /* own; NULL: no service manager listens */
    struct detach *detach;         /* borrow: main's, outlives this; NULL in the foreground */
    struct event *signals[SUPERVISOR_SIGNALS]; /* own */
    struct event *tick;                        /* own; each second */
    struct event *reconcile;                   /* own; made active when something has changed */
    int64_t started_ms;
    int64_t last_tick_ms;
    bool was_ready; /* all workers have been up at once */
    bool is_short;  /* since then one has gone, and is not back */
    bool is_stopping;
    int64_t stop_deadline_ms;
    int exit_status;
};

/* conf is taken over; the locks must be held. Opens the listeners and the control socket. NULL
 * after logging why, with a sysexits status.
 *
 * A service that someone waits for (detach, borrowed; NULL: nobody) gives up with EX_UNAVAILABLE
 * where not every worker is ready SUPERVISOR_GRACE_MS after ready_s; one in the foreground goes on
 * trying. */
#define SUPERVISOR_GRACE_MS 1000
struct supervisor *supervisor_new(const char *config_path, json_t *conf, int store_lock_fd,
                                  struct detach *detach, int *exit_status_out);

/* Runs until every worker is gone after a stop; the exit status. */
int supervisor_run(struct supervisor *s);
void supervisor_free(struct supervisor *s);

/* Has reconcile run soon. */
void supervisor_changed(struct supervisor *s);

/* How long a worker may finish its work. */
int64_t supervisor_drain_ms(const struct supervisor *s);

/* Whether every worker that the current configuration wants is up. */
bool supervisor_is_up(const struct supervisor *s);

/* The process that fills a plan's place, or NULL. */
struct process *supervisor_find(const struct supervisor *s, const struct plan *plan, int number);

/* Applies the log section of the configuration to this process's logger. 0, or -1 where its file
 * cannot be opened (logged, where the log went before). */
int supervisor_apply_log(const json_t *conf);

#endif
