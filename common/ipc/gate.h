#ifndef COMMON_IPC_GATE_H
#define COMMON_IPC_GATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The `gate` messages: their keys, a kind and a name each, and how they are written. What each
 * means is in message.h. */
#define GATE_DESTINATION "destination:" /* DESTINATION or DESTINATION/SOURCE */
#define GATE_POLLING "aws:sqs:"         /* a key under "queues" */
#define GATE_PACE "pace:sqs:"           /* a key under "queues" */

/* The name where the key is of that kind, else NULL. */
const char *gate_key_name(const char *key, const char *kind);

/* Whether it is a breaker for all workers together: when its time is over one of them is granted
 * the probe. Every other gate ends with its time. */
bool gate_key_is_probed(const char *key);

#define GATE_WHY_BYTES 300

/* Held back from for until_ms from now, 0: no more (new reference). why is made fit for a packet:
 * UTF-8 of at most GATE_WHY_BYTES. */
json_t *gate_message(const char *key, int64_t until_ms, const char *why);

/* The probe is yours, or not any more (new reference). */
json_t *gate_probe_message(const char *key, bool granted);

#endif
