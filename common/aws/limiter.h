#ifndef COMMON_AWS_LIMITER_H
#define COMMON_AWS_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

/* How many requests one worker may have under way at something that throttles, and from when on:
 * one more for each round of successes, half as many and a pause at a throttled one, never less
 * than one. Pure: times are milliseconds of one clock.
 *
 * Requests that were under way together are throttled together, so nothing happens during a pause,
 * and there is at most one decrease in LIMITER_INTERVAL_MS. The pause doubles from LIMITER_PAUSE_MS
 * to LIMITER_LONGEST_MS as long as nothing works, and starts over once something does. */
#define LIMITER_INTERVAL_MS 1000
#define LIMITER_PAUSE_MS 500
#define LIMITER_LONGEST_MS 5000

struct limiter {
    int most;     /* at full speed */
    int at_once;  /* 1..most */
    int worked;   /* since it last changed: 0..at_once - 1 */
    int pause_ms; /* the last one; 0: it has worked since */
    bool halved;  /* ever */
    int64_t halved_ms;
    int64_t not_before_ms; /* no request before */
};

void limiter_init(struct limiter *l, int most);

/* The answer to a request of ours. What had been under way when the pause began says nothing about
 * now and is left out. noise is any number: part of the pause is taken from it, so that workers do
 * not come back together. True where a
 * pause begins: worth telling others. */
void limiter_worked(struct limiter *l, int64_t now_ms);
bool limiter_throttled(struct limiter *l, int64_t now_ms, uint32_t noise);

/* Another worker met it throttled, and pauses for wait_ms. */
void limiter_told(struct limiter *l, int64_t now_ms, int64_t wait_ms);

/* How many requests may be under way now; 0 during a pause. */
int limiter_room(const struct limiter *l, int64_t now_ms);

/* Below full speed: whoever can should make each request carry as much as possible. */
bool limiter_is_slow(const struct limiter *l, int64_t now_ms);

#endif
