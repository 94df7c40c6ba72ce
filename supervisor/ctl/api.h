#ifndef SUPERVISOR_CTL_API_H
#define SUPERVISOR_CTL_API_H

#include <jansson.h>

struct buf;
struct ctl;

/* One request to the retry API at RUN/retry.sock, blocking; the kernel tells the worker who asks.
 *
 * path is already encoded; body may be NULL. Returns the answer to a 2xx (new reference; an empty
 * one is {}) or NULL after printing what went wrong, with the exit status in *status_out: 1 where
 * there is no such thing, EX_NOPERM, EX_USAGE where the worker does not like what was asked,
 * EX_UNAVAILABLE, EX_CONFIG. */
json_t *api_call(const struct ctl *ctl, const char *method, const char *path, const json_t *body,
                 int *status_out);

/* Prints what an answer says went wrong beside it ("errors"). */
void api_print_errors(const json_t *answer);

/* Appends text as one part of a path or query. */
void api_escape(struct buf *out, const char *text);

/* Appends "?name=value", or "&name=value" where out has a query already; nothing for NULL. */
void api_add_query(struct buf *out, const char *name, const char *value);

#endif
