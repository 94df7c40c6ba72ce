#ifndef COMMON_WEBHOOK_RULES_H
#define COMMON_WEBHOOK_RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The business rules of a source: what an event must have to be worth a delivery. Breaking one is
 * permanent: no retry changes the bytes. Pure. */
#define RULES_REASON_BYTES 384

struct rules_failure {
    const char *class;               /* "validation" or "unsupported_status" (static) */
    char reason[RULES_REASON_BYTES]; /* names pointer and value; safe for logs and headers */
};

/* Checks "required" (pointers that must be there: not null, not "", not an empty array or object)
 * and then "require" (pointer -> allowed values; a value is compared as text) of a normalised
 * source. Without rules every body passes; with rules a body that is not JSON is a "validation"
 * failure. True where the event may be delivered; otherwise *failure_out says why not. */
bool rules_check(const json_t *source, const void *body, size_t len,
                 struct rules_failure *failure_out);

#endif
