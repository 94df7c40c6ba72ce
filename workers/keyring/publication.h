#ifndef WORKERS_KEYRING_PUBLICATION_H
#define WORKERS_KEYRING_PUBLICATION_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Which signing keys a static identity publishes at a time: yesterday's, today's and tomorrow's for
 * each service, so that neither a clock that is a little off nor midnight leaves anybody without
 * one. Pure. */
struct publication {
    const char *identity; /* "embedded" */
    const char *region;   /* "local" */
    const char *access_key_id;
    const char *secret;
    int64_t wall_ms;
};

#define PUBLICATION_ITEMS 9 /* services x days */

/* The i-th `material` message (material.h), a new reference. */
json_t *publication_item(const struct publication *p, size_t i);

/* yyyymmdd of that time, UTC. */
void publication_date(int64_t wall_ms, char out[9]);

#endif
