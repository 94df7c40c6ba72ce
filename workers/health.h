#ifndef WORKERS_HEALTH_H
#define WORKERS_HEALTH_H

#include <jansson.h>
#include <stdbool.h>

/* A worker's health socket: GET /healthz answers 200 or 503 with the worker's own account, and
 * GET /metrics with the same numbers in Prometheus' text format. */
struct health;
struct event_base;

/* A new reference with "worker", "role", "state" and the account; *healthy_out decides the status.
 */
typedef json_t *health_report(void *arg, bool *healthy_out);

/* Takes over fd, a listening socket. NULL after a logged error. */
struct health *health_new(struct event_base *base, int fd, health_report *report, void *arg);
/* Takes no new connections. */
void health_close(struct health *h);
void health_free(struct health *h);

#endif
