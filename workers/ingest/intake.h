#ifndef WORKERS_INGEST_INTAKE_H
#define WORKERS_INGEST_INTAKE_H

#include <jansson.h>
#include <stdint.h>

#include "workers/http_server.h"

/* What happens to a request, in this order: path, method, size, verifier, JSON check, queue; and
 * its answer, which comes when the queue has the event or the source's ack deadline has passed. */
struct intake;
struct queues;
struct source_list;

struct intake_options {
    const json_t *conf; /* the worker's slice; borrowed, like all here */
    const struct source_list *sources;
    struct queues *queues;
    /* For the beat's last_error; text is borrowed for the call. */
    void (*trouble)(void *arg, const char *text);
    void *arg;
};

/* Makes the queues that its sources write to, so that they are opened before the first event. */
struct intake *intake_new(const struct intake_options *options);
void intake_free(struct intake *in);

/* Through which pending requests are answered; borrowed. Before the first request. */
void intake_set_server(struct intake *in, struct http_server *server);

/* An http_handler; arg is the intake. */
void intake_request(void *arg, const struct http_request *request, struct http_ticket ticket);

/* Adds its counters and those of the server, which refuses some requests by itself (requests,
 * accepted, refused, status_<n>, overloaded, unavailable, inspection_lost). */
void intake_count(const struct intake *in, json_t *counters);

#endif
