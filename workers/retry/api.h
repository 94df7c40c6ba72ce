#ifndef WORKERS_RETRY_API_H
#define WORKERS_RETRY_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "workers/http_server.h"

/* Everything under /api/, and /metrics: which path and method is what, who may, what was asked for.
 * What is then done is in sweep.c, listing.c and trace.c. */
struct api;
struct dead_letters;
struct event_base;
struct redriver;

struct api_options { /* all borrowed, outliving the API */
    struct http_server *server;
    const struct dead_letters *dead_letters;
    struct redriver *redriver;
    const json_t *conf;
    struct event_base *base;
    /* For GET /api/v1/sources (a new reference): from the supervisor's answer, or why there is
     * none (inquiry.h). */
    json_t *(*overview)(void *arg, const json_t *answer, const char *why);
    void *arg;
};

struct api *api_new(const struct api_options *options);
void api_free(struct api *api);

/* Answers the request, now or later. */
void api_handle(struct api *api, const struct http_request *request, struct http_ticket ticket);

/* Requests that redrive start nothing more and answer with what they have done. */
void api_drain(struct api *api);
/* Answers owed. */
size_t api_pending(const struct api *api);

/* Whether a page that a browser shows may have sent this request that changes something: the Origin
 * is that of the Host. NULL (no browser) passes. Pure. */
bool api_origin_allowed(const char *origin, const char *host);
/* Whether that header says JSON. Pure. */
bool api_is_json(const char *content_type);

#endif
