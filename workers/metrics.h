#ifndef WORKERS_METRICS_H
#define WORKERS_METRICS_H

#include <jansson.h>
#include <stdbool.h>

/* Prometheus' text format (0.0.4), made from what workers say of themselves. Pure.
 *
 * A counter NAME of a role becomes sluice_ROLE_NAME_total{worker="..."}, a gauge sluice_ROLE_NAME;
 * status_400 and its like become one family with the label "status". Each counter is that of one
 * process: it starts at 0 again with the worker, as rate() expects. */
struct metrics;

struct metrics_worker {
    const char *name; /* "consumer-0" */
    const char *role;
    bool up;      /* ready, and not stopping */
    bool healthy; /* up, and able to do its job */
    /* Starts after a death that nobody asked for; negative: not known, and left out. */
    json_int_t restarts;
    /* Its beat or health answer: "counters", "gauges", "in_flight", "waiting"; NULL: it has said
     * nothing, as when it is dead. What in it is no number or no proper name is left out. */
    const json_t *account;
};

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics *metrics_new(void); /* with the build's version in it */
void metrics_free(struct metrics *m);

/* Everything is copied. No two workers of the same name. */
void metrics_add_worker(struct metrics *m, const struct metrics_worker *worker);

/* A gauge sluice_NAME{LABEL="..."} of something that is no worker. */
void metrics_add_thing(struct metrics *m, const char *name, const char *label, const char *value,
                       double number);

/* The whole text (malloc), families and samples in the order in which they came. */
char *metrics_text(const struct metrics *m);

#endif
