#ifndef WORKERS_SNAPSHOT_H
#define WORKERS_SNAPSHOT_H

#include <jansson.h>
#include <stddef.h>

#include "workers/worker.h"

/* What a worker is born with: the snapshot that the supervisor wrote for it, and the descriptors
 * that it names (common/ipc/message.h). All of it is for the life of the process. */
struct snapshot {
    json_t *root;          /* own: the next three live in it */
    const json_t *process; /* "name" and "slot" are there */
    const json_t *conf;    /* the role's slice */
    const char *name;      /* the worker's */
    struct worker_listener *listeners;
    size_t listener_count;
};

/* 0, and every descriptor closes by itself at an exec; -1 where it is not to be read. */
int snapshot_take(struct snapshot *s) __attribute__((warn_unused_result));

#endif
