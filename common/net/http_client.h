#ifndef COMMON_NET_HTTP_CLIENT_H
#define COMMON_NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Outgoing HTTP: the only user of libcurl (multi socket interface on libevent), with
 * http_request.h. HTTP/1.1, no redirects, no proxy unless given, no netrc, no Expect, path sent as
 * it is. */
struct http_client;
struct event_base;

/* One header line, both parts without CR, LF and NUL (asserted: callers check what is not theirs).
 */
struct http_header {
    const char *name;
    const char *value;
};

/* Files in PEM form, read whenever a connection is made, so that they can be replaced. Each NULL or
 * "" for none. */
struct http_tls {
    const char *ca_file;   /* trusted instead of the system's authorities */
    const char *cert_file; /* shown to a server that asks; may hold the key too */
    const char *key_file;
};

struct sockaddr;
/* Asked before each connection with the address that names were resolved to. NULL to go on, else
 * what is against it, in words (malloc): the call ends as HTTP_UNREACHABLE with them as the error,
 * unless the name has another address that can be used. A connection that is used again is not
 * asked about again: calls with different guards belong on different clients. */
typedef char *http_refuse_fn(void *arg, const struct sockaddr *address);

/* What to send. Copied, but for the body. */
struct http_call {
    const char *method;
    const char *url;         /* already encoded */
    const char *unix_socket; /* connect to this path instead of the URL's host, or NULL */
    const struct http_header *headers;
    size_t header_count;
    const void *body; /* borrowed until the callback has run or the call was cancelled */
    size_t body_len;
    int64_t timeout_ms;         /* the whole call */
    int64_t connect_timeout_ms; /* 0: 3,000 */
    size_t response_cap_bytes;  /* a longer body (or 64 KiB of headers) gives HTTP_TOO_LARGE */
    struct http_tls tls;
    bool secret;            /* header lines and the answer's body are wiped when they go */
    http_refuse_fn *refuse; /* or NULL */
    void *refuse_arg;       /* borrowed until the callback has run or the call was cancelled */
};

enum http_outcome {
    HTTP_ANSWERED,    /* a whole answer with a status */
    HTTP_TIMEOUT,     /* sent, but no whole answer in timeout_ms: the work may have been done */
    HTTP_UNREACHABLE, /* resolving, connecting or TLS failed: the request was not sent */
    HTTP_BROKEN,      /* the connection ended early: the server may have done the work */
    HTTP_TOO_LARGE,
};

struct http_answer {
    enum http_outcome outcome;
    int status;        /* of HTTP_ANSWERED, and of HTTP_TOO_LARGE where the body was; else 0 */
    const char *error; /* why it was not answered, else "" */
    const char *body;  /* NUL-terminated behind body_len */
    size_t body_len;
    int64_t first_byte_mono_ms; /* clock_mono_ms when the answer's first byte came, else 0 */
    const struct http_header *headers;
    size_t header_count;
};

/* answer is borrowed for the call. Runs exactly once, never from inside http_client_send, and not
 * at all for a cancelled call. New calls may be started and others cancelled from inside it; the
 * client must not be freed there. */
typedef void http_answer_cb(void *arg, const struct http_answer *answer);

/* max_connections_per_host 0: no bound. Long polls get a client of their own (pitfall: sends must
 * never queue behind parked polls). */
struct http_client *http_client_new(struct event_base *base, long max_connections_per_host);
/* Cancels what is under way, without callbacks. */
void http_client_free(struct http_client *client);

/* Starts a call; the id (never 0) is good for http_client_cancel until the callback has run. */
uint64_t http_client_send(struct http_client *client, const struct http_call *call,
                          http_answer_cb *done, void *arg);
/* Closes the connection of that call; its callback will not run. Unknown ids are ignored. */
void http_client_cancel(struct http_client *client, uint64_t id);
/* Ends our half of the connection of a call (on plain HTTP): a server that watches its clients sees
 * this one leave, while an answer that is on its way still arrives. True: the callback runs within
 * a second, as for any answer or broken connection. False: the call had not been sent wholly and is
 * cancelled, or is not known. */
bool http_client_hang_up(struct http_client *client, uint64_t id);

/* Value of an answer's header (case-insensitive), or NULL. */
const char *http_answer_header(const struct http_answer *answer, const char *name);

#endif
