#ifndef WORKERS_KEYRING_AWS_IDENTITY_H
#define WORKERS_KEYRING_AWS_IDENTITY_H

#include <jansson.h>
#include <stdint.h>

#include "workers/keyring/aws_source.h"

/* The identity "aws": the credentials that the chain finds (aws_chain.h), held, renewed, and
 * published as signing keys for each (region, service) that a worker has asked for: those of
 * today and of the days around it, since requests are dated by AWS's clock where ours is wrong.
 *
 * The chain is asked when the first key is needed, in the background before credentials expire
 * (aws_refresh.h) and when the clock was set or the host has slept, again and again with growing
 * waits while it fails, and when a worker reports that the current ones were refused, with growing
 * waits where the new ones are refused too. One fetch at a time serves all. While a renewal fails
 * the old ones are kept as long as they last. Where there are none, a "trouble" says why. */
struct aws_identity;

#define AWS_SCOPES_MAX 32

/* context is copied, but for its clock_skew, which is the identity's own. send takes over the
 * message. */
struct aws_identity *aws_identity_new(const struct aws_context *context,
                                      void (*send)(void *arg, json_t *msg), void *arg);
void aws_identity_free(struct aws_identity *a); /* wipes */

/* Of a `need` or a `stale`: a region and service that are no names are ignored. */
void aws_identity_need(struct aws_identity *a, const char *region, const char *service);
void aws_identity_stale(struct aws_identity *a, const char *region, const char *service,
                        int64_t version);
/* Publishes what a new day needs, and looks whether the clock was set: every few seconds. */
void aws_identity_on_tick(struct aws_identity *a);

/* Adds the counters "aws_published" (keys), "aws_refreshes", "aws_refresh_failures", the gauge
 * "aws_expires_in_seconds" (-1 where they do not expire or there are none) and what is waited for.
 */
void aws_identity_beat(const struct aws_identity *a, json_t *counters, json_t *gauges,
                       json_t *waiting);
/* Why keys that were asked for cannot be given, "" where they can. */
const char *aws_identity_trouble(const struct aws_identity *a);

#endif
