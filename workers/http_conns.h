#ifndef WORKERS_HTTP_CONNS_H
#define WORKERS_HTTP_CONNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The connections of an HTTP server. evhttp owns them; this table holds a reference to each one's
 * bufferevent and so learns what evhttp does not tell: how many there are, how long a request has
 * been arriving, and that a connection is over. A sweep four times a second refuses requests that
 * take longer than the deadline with 408, however busily they drip. While there are as many
 * connections as there may be, somebody else waits to be accepted: then those that say nothing for
 * half a second are ended, and a request has only a fifth of the deadline. The bytes of requests
 * that are arriving are counted and bounded. Part of http_server. */
struct http_conns;
struct http_conn; /* borrowed; good until the connection is over */
struct bufferevent;
struct event_base;
struct evhttp_connection;

struct http_conns_options {
    int deadline_ms;   /* for a request to arrive, and for its answer to be taken */
    size_t most;       /* connections; at this number patience is short */
    int retry_after_s; /* of a 503 */
    /* A request that no handler has seen is refused by evhttp, or here for want of room or time:
     * the body of the answer, a constant text, JSON. */
    const char *(*refusal)(void *arg, int status);
    /* How many bytes of requests that are still arriving there is room for. Where they are more,
     * the request with the most is refused with 503. */
    size_t (*room)(void *arg);
    /* A connection came or went, or a sweep is done. Never called from inside http_conns_free. */
    void (*changed)(void *arg);
    /* A connection that owes an answer is over. */
    void (*lost)(void *arg, uint32_t slot);
    void *arg;
};

struct http_conns *http_conns_new(struct event_base *base, const struct http_conns_options *o);
/* After evhttp has let go of everything. */
void http_conns_free(struct http_conns *conns);

/* A bufferevent for a connection that was just accepted, tracked from now on. NULL where there is
 * no memory. */
struct bufferevent *http_conns_open(struct http_conns *conns);
struct http_conn *http_conns_find(struct http_conns *conns, struct evhttp_connection *evcon);
size_t http_conns_count(const struct http_conns *conns);

/* After grace_ms, connections without a request under way are shut. */
void http_conns_drain(struct http_conns *conns, int grace_ms);

/* The life of one request on a connection: it has arrived whole; an answer is owed under that slot;
 * the answer is being written; the answer is out. */
#define HTTP_CONN_NO_SLOT UINT32_MAX
void http_conn_arrived(struct http_conn *c);
void http_conn_owes(struct http_conn *c, uint32_t slot);
void http_conn_answering(struct http_conn *c);
void http_conn_answered(struct http_conn *c);
/* The answer that is being written is the last: the connection ends behind it even where evhttp
 * would keep it (it does for CONNECT). */
void http_conn_end(struct http_conn *c);
/* The request is refused and more of it may be on its way: the answer must reach the client. */
void http_conn_linger(struct http_conn *c);

unsigned http_conn_requests(const struct http_conn *c); /* arrived so far */
int http_conn_fd(const struct http_conn *c);
uid_t http_conn_peer_uid(struct http_conn *c); /* (uid_t)-1 unless a Unix socket */

#endif
