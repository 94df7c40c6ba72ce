#ifndef WORKERS_WORKER_H
#define WORKERS_WORKER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The skeleton that every role shares: inherited descriptors (common/ipc/message.h), configuration
 * slice, event loop, hello/ready/beat/ping, health socket, drain. A role is a table of callbacks;
 * its main is one line: return worker_main(argc, argv, &role).
 *
 * Drain has one path: the `drain` message, EOF on the channel (the supervisor is gone) and SIGTERM
 * all call role->drain once with the time that is left. SIGINT is ignored (the terminal's ^C goes
 * to the supervisor). At the deadline the process exits 0 whatever is unfinished: everything
 * unfinished is durable elsewhere. */
struct worker;
struct event_base;
struct aws_client;
struct tokens;
struct checkup;
struct material;

struct worker_listener {
    int fd;              /* the role's to hand to http_server_listen */
    const char *address; /* borrowed for the worker's life */
};

struct worker_role {
    const char *name;
    /* Sets up everything; returns the role's state, passed as arg to the others. Never blocks. NULL
     * (after logging why) is a failed start: exit status 78. The role calls worker_ready when its
     * loop runs and its listeners accept; unreachable AWS or missing material never delays it. */
    void *(*start)(struct worker *w);
    /* Stop intake, finish what is held; call worker_drained when done (from a callback, or at
     * once). */
    void (*drain)(void *state, int64_t deadline_mono_ms);
    /* Adds the role's members to a beat: "in_flight", "counters", "gauges", "waiting". Also what
     * the health socket answers from. Optional. */
    void (*beat)(void *state, json_t *beat);
    /* Whether the role can do its job now; writes a reason where not (health answers 503).
     * Optional. */
    bool (*healthy)(void *state, char *reason, size_t reason_size);
    /* Accepts on the listeners: once after start, or where a reload has started the worker when its
     * start-up check has found nothing wrong, so that nobody is served by a configuration that
     * cannot work. 0, or -1 after logging why: the process ends. Optional. */
    int (*accept)(void *state);
    /* How it stands with an object of the configuration (startup.h). Optional: all are open. */
    const char *(*object)(void *state, const char *path, bool *open_out);
    /* Adds what the role needs to a checkup (checkup.h), which the skeleton then runs. Optional. */
    void (*check)(void *state, struct checkup *c);
    /* A message that the skeleton does not know. Optional. */
    void (*message)(void *state, const json_t *msg);
    /* One that brought a descriptor, which is the role's from now on. Optional; without it the
     * descriptor is closed, and the message goes to `message`. */
    void (*handed)(void *state, const json_t *msg, int fd);
};

int worker_main(int argc, char **argv, const struct worker_role *role);

struct event_base *worker_base(const struct worker *w);
/* The role's normalised slice (conf.h getters), and "process" of the snapshot. */
const json_t *worker_conf(const struct worker *w);
const json_t *worker_process(const struct worker *w);
/* What has come from the keyring: signing keys, access tokens, and a client that signs with these
 * keys. What is missing is asked for by itself (keyring_client.h). */
struct material *worker_material(const struct worker *w);
struct tokens *worker_tokens(const struct worker *w);
struct aws_client *worker_aws(struct worker *w);
size_t worker_listener_count(const struct worker *w);
struct worker_listener worker_listener_at(const struct worker *w, size_t i);

void worker_ready(struct worker *w);             /* once; told when the start-up check is over */
void worker_drained(struct worker *w);           /* the loop ends, exit status 0 */
void worker_send(struct worker *w, json_t *msg); /* to the supervisor; steals */
/* Something that works but should be otherwise (printf): logged, and shown by status for the life
 * of this process. A repetition is ignored. */
void worker_note(struct worker *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Remembers the newest trouble for the beat and the health answer (printf). */
void worker_trouble(struct worker *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
