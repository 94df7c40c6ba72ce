#ifndef WORKERS_HTTP_SERVER_H
#define WORKERS_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Incoming HTTP: the only user of evhttp, with the measures that make it fit for a public endpoint
 * (strict guard on every request, whole-request deadline, connection cap, bounds on headers, body,
 * pending answers and held bytes). One server may listen on several inherited sockets, TCP or Unix.
 *
 * An answer may be given later: the handler gets a ticket, and whoever holds it answers once with
 * http_server_reply. The request itself is only valid inside the handler. */
struct http_server;
struct event_base;

struct http_ticket { /* a pending answer: slot and generation, never a pointer */
    uint32_t slot;
    uint32_t generation;
};

struct http_request {   /* borrowed for the handler's call */
    const char *method; /* "POST" */
    const char *path;   /* as on the wire, without the query */
    const char *query;  /* without "?", "" where there is none */
    const void *body;
    size_t body_len;
    uid_t peer_uid;       /* of a Unix socket's peer (SO_PEERCRED); (uid_t)-1 on TCP */
    const char *listener; /* the address given to http_server_listen */
    const void *internal;
};

struct http_reply_header {
    const char *name;
    const char *value;
};

struct http_reply { /* copied */
    int status;
    const char *content_type; /* or NULL */
    const struct http_reply_header *headers;
    size_t header_count;
    const void *body;
    size_t body_len;
    bool close; /* Connection: close after it */
};

struct http_server_options {
    size_t max_headers_bytes; /* 8192..16384 */
    size_t max_body_bytes;    /* 413 above it, before reading where Content-Length says so */
    int max_connections;      /* accepting pauses at this number, and silent or slow connections are
                                 ended soon to make room (http_conns.h) */
    int max_pending;          /* answers owed at once: 503 + Retry-After above it */
    size_t max_held_bytes;    /* pending requests' bodies and requests that are arriving, as far as
                                 they have come: 503 above it, for the largest that is arriving */
    int request_deadline_ms;  /* from a request's first byte (or accept) to its last; then 408,
                                 or nothing where no byte came. A pending answer is never cut */
    int idle_timeout_s;       /* inactivity on a keep-alive connection */
    int retry_after_s;        /* for the 503s above */
};

typedef void http_handler(void *arg, const struct http_request *request, struct http_ticket ticket);

struct http_server *http_server_new(struct event_base *base,
                                    const struct http_server_options *options,
                                    http_handler *handler, void *arg);

/* Serves an inherited, bound and listening socket (taken over, closed on failure too). address is
 * borrowed and used in logs and http_request.listener. 0, or -1 with a logged reason. */
int http_server_listen(struct http_server *s, int fd, const char *address)
    __attribute__((warn_unused_result));

/* Answers. 0; -1 where the ticket was answered before or its connection is gone (the reply is
 * dropped: not an error for a caller that has stored what it had to). */
int http_server_reply(struct http_server *s, struct http_ticket ticket,
                      const struct http_reply *reply);
/* The same with a JSON text. */
int http_server_reply_json(struct http_server *s, struct http_ticket ticket, int status,
                           const char *json_text);

/* Calls back once when the client of a pending request closes its side (half-close too), so that a
 * parked poll can be withdrawn. The ticket is over when the callback returns: nothing needs to be
 * answered, and a later answer returns -1. Not called after the reply, nor from inside this call.
 * For the store and other polls only. */
void http_server_on_gone(struct http_server *s, struct http_ticket ticket,
                         void (*gone)(void *arg, struct http_ticket ticket), void *arg);

/* First value of a header (case-insensitive), or NULL. */
const char *http_request_header(const struct http_request *request, const char *name);
/* All headers, in order. */
void http_request_each_header(const struct http_request *request,
                              void (*each)(void *arg, const char *name, const char *value),
                              void *arg);

/* Stops accepting on every listener and closes them; keep-alive connections get Connection: close
 * with their next answer and are shut after grace_ms of idleness. Pending answers are still owed.
 */
void http_server_drain(struct http_server *s, int grace_ms);
size_t http_server_pending(const struct http_server *s);
size_t http_server_connections(const struct http_server *s);
/* How many requests the server has answered with this status by itself, without the handler: 400,
 * 408, 411, 413, 417, 501 and 503; 0: with any other one. */
int64_t http_server_refused(const struct http_server *s, int status);

/* Everything pending must have been answered (asserted). */
void http_server_free(struct http_server *s);

#endif
