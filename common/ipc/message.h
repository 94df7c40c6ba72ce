#ifndef COMMON_IPC_MESSAGE_H
#define COMMON_IPC_MESSAGE_H

#include <jansson.h>

/* The whole contract between the supervisor and its workers.
 *
 * File descriptors a worker is started with: */
enum {
    WORKER_FD_CHANNEL = 3,  /* its channel (channel.h); EOF means drain */
    WORKER_FD_SNAPSHOT = 4, /* sealed memfd: {"process": {...}, "conf": its role's slice} */
    WORKER_FD_INFLIGHT = 5, /* in-flight table, inflight_table.h; else /dev/null */
    WORKER_FD_HEALTH = 6,   /* listening Unix socket RUN/health/<worker>.sock */
    WORKER_FD_LISTEN = 7,   /* from here on: process.listeners, in that order */
};
/* "process" in the snapshot:
 *   role, slot (0..), name ("consumer-0"), generation (configuration, from 1), supervisor_pid,
 *   lock_fd (store: its lock file, open; else -1),
 *   listeners: [{"fd": 7, "address": "127.0.0.1:8080"}, ...]  ("unix:/path" for Unix sockets),
 *   check: in a reload what it added or changed, as ["queues.orders", "dead_letters", "ledger"];
 *   else absent
 *
 * Messages: {"t": kind, ...}. W worker, S supervisor.
 *
 *   hello     W→S    proto, role, slot, pid, build, generation: first message of a worker
 *   ready     W→S    the loop runs, listeners accept, sources poll or wait; after a `check` in the
 *                    snapshot: errors [{path, message}], the objects among these that cannot be
 *                    used and will not come right by waiting (denied, missing, wrong region)
 *   beat      W→S    each second, newest wins: state ("ready"|"draining"), in_flight,
 *                    counters {name: integer}, gauges {name: integer}, waiting [text],
 *                    notes [text], last_error
 *   drain     S→W    deadline_ms (from now): stop intake, finish, exit 0. Again with less time: it
 *                    has become shorter
 *   ping/pong S→W/W→S  seq
 *   material  K→S→W  one item: kind, identity and what its kind has; kept by the supervisor, the
 *                    newest of each (kind, identity, region, service, date), for workers that start
 *                    later. Kinds: "sigv4", and "trouble" (why an identity has nothing) in
 *                    common/aws/material.h
 *   need      W→S→K  kind, identity, region, service ("" where the kind has none): the worker lacks
 *                    that item
 *   stale     W→S→K  the same, and version: that item was refused
 *   gate      W→S→W  a dependency is throttled or failing: everybody holds back from it
 *   check     S→W    check: a number; the worker tries its objects and permissions (checkup.h)
 *   checked   W→S    check, lines [{object, action, ok, text}], last: some of what came of it
 *   pause     S→W    source: its queue is not polled, until
 *   resume    S→W    source
 *   settle    S→W    table (number), worker (whose it was), with the descriptor of its in-flight
 *                    table: to a consumer that is ready, which settles what is in it
 *   settled   W→S    table: it is. Before that the table is kept, and given to the next where this
 *                    one dies or is drained
 *
 * A need and a stale are repeated each second until a material (of another version) has come. The
 * supervisor answers from what it keeps where it can, and passes on each different one once a
 * second. The keyring ignores a version that is not its current one, and renews once for all. A
 * keyring that starts is told by needs what its predecessor had published. Until a reload is
 * committed, what its keyring publishes goes to no workers but those of the reload.
 *
 * A gate has a key "KIND:NAME": what is held back from. The supervisor passes it on to all other
 * workers, tells those that start later, and shows it in its status.
 *
 *   {"key", "until_ms": n, "why"}  it is held back from for n ms from now; n = 0: no more
 *
 * KIND "destination": a breaker; NAME is a destination, or DESTINATION/SOURCE of a source that has
 * a check, whose API is behind this gate, too. After its time everybody goes on holding back until
 * the gate is closed by n = 0. One consumer is granted the probe; it polls one message for the
 * destination, delivers it, and closes the gate (n = 0) or opens it again (n > 0). Without a
 * verdict in 30 s, or when the worker is gone, the probe goes to the next. What is passed on about
 * a breaker comes back to its sender too, so that all have heard the same last word.
 *
 *   {"key", "probe": true}                S→W  the probe is yours;  false: it is not any more
 *   {"key", "probe": true, "until_ms": n} W→S  it is under way: the verdict comes within n ms
 *
 * KIND "aws:sqs": a breaker, too; NAME is a key under "queues", whose polls are throttled. The
 * probe is one poll, whatever it brings. Nothing but polls is held back.
 *
 * Every other KIND ends with its time; who is held back again afterwards sends it again.
 * "pace:sqs": one consumer pauses its polls of a queue, and so do the others, with fewer
 * afterwards. Keys are in gate.h; workers/gatekeeper.h is the workers' half.
 */
#define MESSAGE_PROTO 1

/* The kind of a message, "" where it has none. */
const char *message_kind(const json_t *msg);

/* {"t": kind}, a new reference to add members to. */
json_t *message_new(const char *kind);

#endif
