#ifndef WORKERS_CONSUMER_CLAIMED_H
#define WORKERS_CONSUMER_CLAIMED_H

#include "common/delivery/ledger.h"
#include "workers/consumer/inflight.h"
#include "workers/consumer/outcome.h"

/* What becomes of a message when the ledger has answered LEDGER_CLAIMED: the table of what the
 * record says about its event. It is delivered (outcome.h), its dead letter or its copy is finished
 * where a worker before us began it, it is deleted as a copy of what is done with, or it begins a
 * new round. Takes the message over. */
void claimed_act(struct process *p, struct work *w, const struct ledger_result *result);

#endif
