#ifndef WORKERS_INGEST_VERIFY_H
#define WORKERS_INGEST_VERIFY_H

#include <jansson.h>
#include <stdbool.h>

/* Whether a request comes from who it should. Pure: no I/O, no clock. */

/* The value of a request's header, or NULL. */
typedef const char *verify_header_fn(void *arg, const char *name);

/* By the "verify" of a normalised source: "none" takes everybody; "shared-header" wants one of the
 * secrets in the header it names; "bearer" wants one as `Authorization: Bearer <secret>`. The time
 * taken depends neither on which secret matches nor on how much of one does. */
bool verify_request(const json_t *verify, verify_header_fn *header, void *arg);

#endif
