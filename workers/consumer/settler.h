#ifndef WORKERS_CONSUMER_SETTLER_H
#define WORKERS_CONSUMER_SETTLER_H

#include <stdint.h>

#include "workers/consumer/counters.h"
#include "workers/consumer/queues.h"
#include "workers/consumer/source.h"

/* Settles what a dead consumer had in hand, by its in-flight table: the message that it died of is
 * counted, then for each message its claim in the ledger is ended and it is made visible, so that
 * the next receive does what the ledger's record says. Each step may be repeated; a message that is
 * done with is struck out of the table, so that whoever comes after us has less to do. What cannot
 * be settled (a queue that is no longer configured, a handle that is no longer good, a service that
 * does not answer) is left to its visibility timeout. */
struct settler;
struct event_base;

/* Everything in the table is done; once for each settler_take. */
typedef void settler_cb(void *arg, int64_t table);

/* All are borrowed and outlive it. */
struct settler *settler_new(struct event_base *base, struct queues *queues,
                            const struct sources *sources, struct counters *counters,
                            settler_cb *done, void *arg);
void settler_free(struct settler *s); /* cancels, without callbacks; before the sources */

/* fd is taken over, and may be anything. worker: whose table it was, for the log. */
void settler_take(struct settler *s, int64_t table, const char *worker, int fd);

#endif
