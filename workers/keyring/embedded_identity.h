#ifndef WORKERS_KEYRING_EMBEDDED_IDENTITY_H
#define WORKERS_KEYRING_EMBEDDED_IDENTITY_H

#include <jansson.h>

/* The identity "embedded": the key pair of the embedded store, which never changes. Its keys are
 * published without being asked for: yesterday's, today's and tomorrow's of each service. */
struct embedded_identity;
struct worker;

/* NULL after logging why. Publishes at once. */
struct embedded_identity *embedded_identity_new(struct worker *w, const char *state_dir);
void embedded_identity_free(struct embedded_identity *e); /* wipes */

/* Publishes what a new day needs. */
void embedded_identity_on_tick(struct embedded_identity *e);
/* Publishes again: somebody has lost a key. */
void embedded_identity_publish(struct embedded_identity *e);
/* How many keys since the start. */
json_int_t embedded_identity_published(const struct embedded_identity *e);

#endif
