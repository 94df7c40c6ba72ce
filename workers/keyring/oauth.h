#ifndef WORKERS_KEYRING_OAUTH_H
#define WORKERS_KEYRING_OAUTH_H

#include <jansson.h>

/* The access tokens of the objects under "oauth": asked for when a worker first needs one, kept
 * fresh while workers go on needing it (oauth_plan.h), and published. One request at a time for
 * each object, however many workers ask. What was asked for and what came of it is logged without
 * any secret. */
struct oauth;
struct event_base;

/* A `material` message to send to the workers; steals it. */
typedef void oauth_publish_fn(void *arg, json_t *msg);

/* conf is the normalised map (borrowed). */
struct oauth *oauth_new(struct event_base *base, const json_t *conf, oauth_publish_fn *publish,
                        void *arg);
void oauth_free(struct oauth *o); /* wipes */

/* A worker's message of the kinds `need` and `stale`; others, and unknown names, are ignored. */
void oauth_take(struct oauth *o, const json_t *msg);

/* Adds the counters and, to the list, why there is no token where there should be one. */
void oauth_beat(const struct oauth *o, json_t *counters, json_t *waiting);

#endif
