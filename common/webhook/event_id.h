#ifndef COMMON_WEBHOOK_EVENT_ID_H
#define COMMON_WEBHOOK_EVENT_ID_H

#include <jansson.h>
#include <stddef.h>

/* Which event this is: the id that retries, redrives and people know it by. Pure. */

/* The value of a request's header, or NULL. */
typedef const char *event_id_header_fn(void *arg, const char *name);

/* The id (malloc, never empty) by the "event_id" of a normalised source: the header where it is
 * present and not empty, else the values at the pointers joined with "+". Where a part is missing,
 * null, empty or no scalar, or no rule is configured, it is fallback (the trace id). header may be
 * NULL (a message that did not come by HTTP). The body may be anything. */
char *event_id_of(const json_t *source, event_id_header_fn *header, void *arg, const void *body,
                  size_t body_len, const char *fallback);

/* An id made safe (malloc): control bytes and invalid UTF-8 percent-escaped; what is then longer
 * than 512 bytes becomes "sha256:" and the SHA-256 of the original bytes in hex. */
char *event_id_safe(const void *id, size_t len);

#endif
