#ifndef WORKERS_INGEST_SENDING_H
#define WORKERS_INGEST_SENDING_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a queue takes what is sent to it, for the health of ingest. Pure; zeroed at first. One
 * failure says little: it is bad where tries have failed for SENDING_BAD_AFTER_MS with nothing
 * confirmed between them, and well again at the next confirmation, or when nobody has tried for
 * SENDING_FORGET_MS: without that, a worker that gets no more requests because it is not well would
 * never be well again. */
#define SENDING_BAD_AFTER_MS 5000
#define SENDING_FORGET_MS 30000

struct sending {
    bool failing;
    int64_t since_ms, last_ms; /* of the failures since the last confirmation */
    char error[640];           /* of the last one that said something */
};

void sending_worked(struct sending *s);
/* error is for people; "": no answer came in time. */
void sending_failed(struct sending *s, int64_t now_ms, const char *error);

/* For how long nothing has been confirmed, where that is bad; else 0. */
int64_t sending_bad_ms(const struct sending *s, int64_t now_ms);

#endif
