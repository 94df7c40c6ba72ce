#ifndef WORKERS_INGEST_QUEUES_H
#define WORKERS_INGEST_QUEUES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "workers/checkup.h"
#include "workers/ingest/enqueue.h"

/* The queues that ingest writes to, by their key in the configuration. Each is opened (on
 * the embedded store created where it is missing) for as long as that takes, and again when it
 * turns out to be gone. Meanwhile its events are held until their deadlines. */
struct queues;

/* conf is the worker's slice; it and client are borrowed. known runs each time that the number of
 * queues that wait has become zero. */
struct queues *queues_new(struct event_base *base, struct aws_client *client, const json_t *conf,
                          void (*known)(void *arg), void *arg);
void queues_free(struct queues *qs);

/* The queue of that key, made on first use. Borrowed, never NULL. */
struct enqueue *queues_get(struct queues *qs, const char *key);

/* Whether the queue of that key is a FIFO queue; it may not be open yet. */
bool queues_is_fifo(const struct queues *qs, const char *key);

/* How many queues wait, and why: texts for the beat (appended to list, which may be NULL). */
size_t queues_waiting(const struct queues *qs, json_t *list);

/* Why a queue cannot be used where waiting will not help, else NULL. *open_out: it is open, or no
 * source uses it. */
const char *queues_error(const struct queues *qs, const char *key, bool *open_out);

/* Whether a queue takes nothing although events are sent to it; says which, and why. */
bool queues_failing(const struct queues *qs, char *reason, size_t reason_size);
/* Adds what ingest needs of each queue (checkup.h). */
void queues_check(const struct queues *qs, struct checkup *c);

/* Sums over all queues. */
struct enqueue_stats queues_stats(const struct queues *qs);
size_t queues_pending(const struct queues *qs);

#endif
