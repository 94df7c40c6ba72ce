#ifndef COMMON_BASE_BREAKER_H
#define COMMON_BASE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

/* A circuit breaker in front of something that many use and that may be down. Pure: times are
 * milliseconds of one clock, and who is told what is the caller's.
 *
 *   CLOSED     all is well. BREAKER_FAILURES in a row open it, and a failure that says how long to
 *              wait opens it at once.
 *   OPEN       nobody asks, until until_ms.
 *   HALF_OPEN  one may ask, the probe; its verdict closes the breaker or opens it again. until_ms:
 *              when a probe without a verdict goes to the next; 0: nobody has it.
 *
 * All zero is a closed one. */
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

#define BREAKER_FAILURES 3
#define BREAKER_PROBE_MS 30000

struct breaker {
    enum breaker_state state;
    int failures; /* in a row, while closed; less than BREAKER_FAILURES */
    int64_t until_ms;
    int64_t closed_ms; /* when it was closed last; 0: it was never open */
};

struct breaker_failure {
    int64_t now_ms, began_ms; /* began_ms: of what has failed now */
    int64_t open_ms;          /* how long it stays open */
    int64_t wait_ms;          /* what the failing side asked for instead; 0: nothing */
};

enum breaker_judgement {
    BREAKER_COUNTS,  /* it was closed and still is */
    BREAKER_EXCUSED, /* part of an outage that is known, even if it is over by now */
    BREAKER_OPENS,   /* excused, and the breaker was opened by it, or for longer: tell the others */
};

/* A failure of what is behind it, but not of the probe. */
enum breaker_judgement breaker_failed(struct breaker *b, const struct breaker_failure *f)
    __attribute__((warn_unused_result));

/* It worked, or failed for a reason that is not the breaker's. While it is not closed only the
 * probe's verdict counts. */
void breaker_worked(struct breaker *b);

/* The probe's verdict, or somebody else's word. An open one is never made to open sooner by
 * another failure; a half-open one opens. */
void breaker_open(struct breaker *b, int64_t until_ms);
void breaker_close(struct breaker *b, int64_t now_ms);

/* Whether the probe is to be given to somebody, for the first time or because the one who had it
 * is past its time. */
bool breaker_wants_probe(const struct breaker *b, int64_t now_ms);
/* Somebody has it, for patience_ms. */
void breaker_probe(struct breaker *b, int64_t now_ms, int64_t patience_ms);
/* Nobody has it any more. */
void breaker_take_probe(struct breaker *b);

/* When to look again; INT64_MAX: never by itself. */
int64_t breaker_due_ms(const struct breaker *b);

#endif
