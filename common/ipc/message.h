#ifndef COMMON_IPC_MESSAGE_H
#define COMMON_IPC_MESSAGE_H

#include <jansson.h>

/* The whole contract between the supervisor and its workers.
 *
 * File descriptors a worker is started with: */
enum {
    WORKER_FD_CHANNEL = 3,  /* its channel (channel.h); EOF means drain */
    WORKER_FD_SNAPSHOT = 4, /* sealed memfd: {"process": {...}, "conf": its role's slice} */
    WORKER_FD_INFLIGHT = 5, /* in-flight table; /dev/null where the role has none */
    WORKER_FD_HEALTH = 6,   /* listening Unix socket RUN/health/<worker>.sock */
    WORKER_FD_LISTEN = 7,   /* from here on: process.listeners, in that order */
};
/* "process" in the snapshot:
 *   role, slot (0..), name ("consumer-0"), generation (configuration, from 1), supervisor_pid,
 *   lock_fd (store: its lock file, open; else -1),
 *   listeners: [{"fd": 7, "address": "127.0.0.1:8080"}, ...]  ("unix:/path" for Unix sockets)
 *
 * Messages: {"t": kind, ...}. W worker, S supervisor.
 *
 *   hello     W→S  proto, role, slot, pid, build, generation        first message of a worker
 *   ready     W→S  the loop runs, listeners accept, sources poll or wait
 *   beat      W→S  each second, newest wins: state ("ready"|"draining"), in_flight, counters {name: integer},
 *                  gauges {name: integer}, waiting [text], last_error
 *   drain     S→W  deadline_ms (from now): stop intake, finish, exit 0
 *   ping/pong S→W/W→S  seq
 *   material  K→S→W  one item, see material.h
 */
#define MESSAGE_PROTO 1

/* The kind of a message, "" where it has none. */
const char *message_kind(const json_t *msg);

/* {"t": kind}, a new reference to add members to. */
json_t *message_new(const char *kind);

#endif
