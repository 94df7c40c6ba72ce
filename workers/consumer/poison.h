#ifndef WORKERS_CONSUMER_POISON_H
#define WORKERS_CONSUMER_POISON_H

#include <stdbool.h>

#include "common/webhook/webhook.h"

/* A message that has killed so many workers becomes a dead letter without being read again. */
#define POISON_KILLS 3

/* Whether it is one. On a queue that redrives at the receive after this one, a single death is
 * enough: the next would leave a dead letter without a reason. max_receives: of that redrive, 0 for
 * none. Pure. */
bool poison_is(const struct sqs_message *m, int kills, int max_receives);

/* The event of such a message, as far as it can be had without reading JSON: what the attribute
 * `Sluice` says is found by its text, and taken where it is plain. Where the attribute is missing
 * or says it otherwise, it is as for the message of a stranger, with its trace id as event id. The
 * body is the message's, decoded where it was marked and is base64. Pure (malloc). */
struct webhook *poison_webhook(const struct sqs_message *m, const char *source, const char *queue);

#endif
