#ifndef COMMON_BASE_LOG_RATE_H
#define COMMON_BASE_LOG_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* Bounds a line that somebody else could have us write without end. Pure; zeroed at first. */
struct log_rate {
    bool begun;
    int64_t last_ms;  /* when the last line was due */
    int64_t left_out; /* such lines since then */
};

/* Whether the line may be written now: the first one, and then one in every_ms. left_out_out: how
 * many were not since the last one that was. */
bool log_rate_due(struct log_rate *r, int64_t now_ms, int64_t every_ms, int64_t *left_out_out);

#endif
