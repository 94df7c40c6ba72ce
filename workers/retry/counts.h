#ifndef WORKERS_RETRY_COUNTS_H
#define WORKERS_RETRY_COUNTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "workers/checkup.h"

/* How many messages the queues of all sources hold: asked for every few seconds, one call at a time
 * a queue, so that the page never waits for a queue. */
struct counts;
struct aws_client;
struct event_base;

struct counts_entry {
    const char *queue; /* the configuration's name */
    bool known;        /* the numbers have been read at least once, and not long ago */
    int64_t waiting;   /* visible or delayed */
    int64_t in_work;   /* received, not deleted yet */
};

/* conf (the slice) and client are borrowed and outlive it. opened is called once, when every queue
 * is open; never from inside counts_new. */
struct counts *counts_new(struct event_base *base, struct aws_client *client, const json_t *conf,
                          void (*opened)(void *arg), void *arg);
void counts_free(struct counts *c);

/* The queue's numbers, borrowed until the loop turns; NULL for a queue that no source names. */
const struct counts_entry *counts_of(const struct counts *c, const char *queue);

/* Why a queue cannot be used where waiting will not help, else NULL. *open_out: it is open, or no
 * source names it. */
const char *counts_error(const struct counts *c, const char *queue, bool *open_out);

/* Adds what the retry worker needs of each queue (checkup.h). */
void counts_check(const struct counts *c, struct checkup *checkup);

/* For the beat: an array of texts, a new reference. */
json_t *counts_waiting(const struct counts *c);

#endif
