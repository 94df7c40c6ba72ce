#ifndef COMMON_DELIVERY_HTTP_TARGET_H
#define COMMON_DELIVERY_HTTP_TARGET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/delivery/http_headers.h"
#include "common/delivery/http_verdict.h"
#include "common/net/http_client.h"

/* Somewhere that requests are sent to: with its certificates, the guard on the dialled address, a
 * bound on requests at once (the others wait in order), and an access token where it wants one. The
 * token is taken for each request. Where it is refused (401) the keyring is told and the request
 * repeated once with a newer one. A client of its own for each target: connections are not shared
 * between different guards and certificates. */
struct http_target;
struct http_exchange; /* a request under way */
struct event_base;
struct tokens;

struct http_target_config { /* copied; what it points to is borrowed for the target's life */
    const char *at;         /* how errors name it: "destinations.crm" */
    const json_t
        *conf; /* allow_networks, oauth; ca_file, cert_file and key_file where it has them */
    int64_t timeout_ms; /* of a request from its first try, waiting for tokens included */
    int64_t connect_timeout_ms;
    size_t response_cap_bytes;
    int max_running;
    struct tokens *tokens; /* may be NULL where conf has no oauth */
};

struct http_request { /* borrowed until the end or the cancel, but for the struct itself */
    const char *method;
    const char *url;
    const void *body;
    size_t body_len;
    /* Adds the request's header lines; each time it is sent. */
    void (*headers)(void *arg, struct http_headers *headers);
};

struct http_end {
    const struct http_answer *answer; /* NULL where no token was had */
    const char *token_trouble; /* why none was had, or that also a new one was refused; else NULL */
    const char *token;         /* the one that was sent; "" for none */
};

/* end is borrowed for the call. Once, never from inside http_target_send; the exchange is gone. */
typedef void http_end_cb(void *arg, const struct http_end *end);

/* NULL with a logged reason. */
struct http_target *http_target_new(struct event_base *base,
                                    const struct http_target_config *config);
/* The same for a call beside a delivery (check, acknowledgement), of which only timeout_s is
 * configured. */
struct http_target *http_target_new_errand(struct event_base *base, const char *at,
                                           const json_t *conf, struct tokens *tokens);
void http_target_free(struct http_target *t); /* no exchange may be under way */

struct http_exchange *http_target_send(struct http_target *t, const struct http_request *request,
                                       http_end_cb *done, void *arg);
bool http_exchange_begun(const struct http_exchange *x); /* whether it was sent */
void http_exchange_cancel(struct http_exchange *x);

/* What the end means (http_verdict.h). The lack of a good token is a RETRY, class "token", and the
 * destination's failure: it would meet any event. */
struct http_verdict http_end_verdict(const struct http_end *end);
/* In words (malloc), "" for a delivered one. What the answer repeats of the token is masked. */
char *http_end_words(const struct http_end *end);
/* What its Retry-After asks for, at most cap_s. */
int http_end_retry_after_s(const struct http_end *end, int cap_s);

#endif
