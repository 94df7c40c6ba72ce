#ifndef WORKERS_CONSUMER_KILLS_H
#define WORKERS_CONSUMER_KILLS_H

#include <stdbool.h>

#include "workers/consumer/inflight.h"
#include "workers/consumer/source.h"

/* Asks the ledger how many workers died of a message, before the message is read. One that was
 * received before may have killed who received it. */
struct kills;

/* w->kills and w->is_poison (poison.h) say what the ledger knew; nothing where it gave no answer. A
 * message that has left meanwhile is not told about. */
typedef void kills_cb(void *arg, struct work *w);

/* All are borrowed and outlive it. */
struct kills *kills_new(const struct sources *sources, const struct inflight *inflight,
                        kills_cb *known, void *arg);
/* Forgets what is under way: the sources are to be freed next, which ends the calls. NULL is a
 * no-op. */
void kills_free(struct kills *k);

/* known runs once, never from inside. False where there is nothing to ask: it is the first receive,
 * or no source of the queue has a ledger. */
bool kills_ask(struct kills *k, const struct work *w) __attribute__((warn_unused_result));

#endif
