#ifndef WORKERS_KEYRING_PUBLICATION_H
#define WORKERS_KEYRING_PUBLICATION_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Signing keys as the keyring publishes them (common/aws/material.h). Pure. */
struct publication {
    const char *identity; /* "embedded", "aws" */
    const char *region;
    const char *service;
    const char *access_key_id;
    const char *secret;
    const char *token; /* "" for none */
    int64_t version;
    int64_t wall_ms; /* now */
};

/* The `material` message with the key of the day that is so many days after today, a new reference.
 * Tomorrow's is published with today's, so that neither a clock that is a little ahead nor midnight
 * leaves anybody without one. */
json_t *publication_item(const struct publication *p, int day);

/* yyyymmdd of that time, UTC. */
void publication_date(int64_t wall_ms, char out[9]);

/* The version of new credentials, given the last one's: max(last + 1, now). */
int64_t publication_version(int64_t last, int64_t wall_ms);

#endif
