#ifndef COMMON_AWS_CLOCK_SKEW_H
#define COMMON_AWS_CLOCK_SKEW_H

#include <stdbool.h>
#include <stdint.h>

/* By how much the clock of a service differs from ours, learned from the Date of its answers, so
 * that requests are dated as the service wants them. It serves nothing but signatures. Pure. */
#define CLOCK_SKEW_TOLERANCE_MS 300000 /* a service takes a date that is off by less */
#define CLOCK_SKEW_BOUND_MS 86400000   /* signing keys are published for the days around today */

struct clock_skew {
    int64_t offset_ms; /* the service's clock less ours */
};

/* Takes in the Date of an answer (NULL where it has none) that came at wall_ms. blamed: the service
 * refused the request, perhaps for its date, so a difference of a minute counts; otherwise one that
 * reaches the tolerance does. True where the offset has changed. A difference beyond the bound
 * is not taken over. */
bool clock_skew_learn(struct clock_skew *skew, int64_t wall_ms, const char *date, bool blamed);

#endif
