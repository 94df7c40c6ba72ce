#ifndef SUPERVISOR_ROLE_H
#define SUPERVISOR_ROLE_H

#include <jansson.h>
#include <stdbool.h>

/* What the supervisor knows about each kind of worker, in the order in which they are started. */
enum role {
    ROLE_KEYRING,
    ROLE_STORE,
    ROLE_INGEST,
    ROLE_CONSUMER,
    ROLE_RETRY,
    ROLE_COUNT,
};

/* A stop drains one phase after the other, from 0. */
enum { ROLE_STOP_PHASES = 4 };

const char *role_name(enum role role);
int role_stop_phase(enum role role);

/* How many workers of the role a normalised configuration asks for. */
int role_workers(enum role role, const json_t *conf);

/* Whether two processes of the role may never overlap, so that a reload cannot roll it. */
bool role_is_exclusive(enum role role);

/* "consumer-0"; without the number where the configuration can ask for only one (malloc). */
char *role_worker_name(enum role role, int number);

#endif
