#ifndef COMMON_IPC_GATE_KEY_H
#define COMMON_IPC_GATE_KEY_H

#include <stdbool.h>

/* The keys of the `gate` messages: a kind and a name. What each means is in message.h. */
#define GATE_DESTINATION "destination:" /* DESTINATION or DESTINATION/SOURCE */
#define GATE_POLLING "aws:sqs:"         /* a key under "queues" */
#define GATE_PACE "pace:sqs:"           /* a key under "queues" */

/* The name where the key is of that kind, else NULL. */
const char *gate_key_name(const char *key, const char *kind);

/* Whether it is a breaker for all workers together: when its time is over one of them is granted
 * the probe. Every other gate ends with its time. */
bool gate_key_is_probed(const char *key);

#endif
