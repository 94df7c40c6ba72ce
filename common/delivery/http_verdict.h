#ifndef COMMON_DELIVERY_HTTP_VERDICT_H
#define COMMON_DELIVERY_HTTP_VERDICT_H

#include "common/delivery/delivery.h"
#include "common/net/http_client.h"

/* What an HTTP destination's answer, or the lack of one, means. Pure.
 *
 *   2xx                                     DELIVERED
 *   408, 425, 429, 5xx                      RETRY, class "destination"
 *   no whole answer in time                 RETRY, class "timeout"
 *   not reached, or the connection broke    RETRY, class "network"
 *   all else (3xx: no redirect is followed) DEAD, class "rejected"
 *
 * The destination's own failures, which any event would have met, are those without an answer and
 * 429, 502, 503 and 504; another, 500 too, may be the event's.
 *
 * An answer that is too long was cut off, but its status counts where it came. */
struct http_verdict {
    enum verdict verdict;
    const char *class;   /* static */
    bool of_destination; /* of RETRY */
};
struct http_verdict http_verdict_of(enum http_outcome outcome, int status);

/* The failure in words (malloc): the status and the first line of what the destination said, or why
 * there was no answer. Where it repeats the secret ("" for none) there are stars. */
char *http_verdict_words(const struct http_answer *answer, const char *secret);

#endif
