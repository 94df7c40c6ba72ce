#ifndef WORKERS_RETRY_REPLY_H
#define WORKERS_RETRY_REPLY_H

#include <jansson.h>
#include <stddef.h>

#include "workers/http_server.h"

/* Answers of the retry role's listener: every one carries the headers that keep browsers from doing
 * anything else with it than was meant. */
void reply_bytes(struct http_server *s, struct http_ticket ticket, int status,
                 const char *content_type, const void *body, size_t len);
/* Steals body. */
void reply_json(struct http_server *s, struct http_ticket ticket, int status, json_t *body);

/* {"error": text} and, where field is not NULL, "field". header (with its value) may be NULL. */
struct reply_error {
    int status;
    const char *text;
    const char *field;
    struct http_reply_header header;
};
void reply_error(struct http_server *s, struct http_ticket ticket, const struct reply_error *error);

/* text: made JSON whatever bytes it has (a new reference). */
json_t *reply_text(const char *text);

#endif
