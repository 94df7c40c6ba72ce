#ifndef COMMON_DELIVERY_BACKOFF_H
#define COMMON_DELIVERY_BACKOFF_H

#include <stdint.h>

/* How long to wait before the next attempt: pure, deterministic jitter in whole seconds.
 *
 *   hi = min(cap, base * 2^n); lo = max(1, hi/2); hi = min(cap, max(hi, lo + 1))
 *   delay = lo + hash(event id, n) mod (hi - lo + 1)
 *
 * n counts retries from 0 (the wait after the first attempt). base and cap are >= 1. */
struct backoff_range {
    int lo_s;
    int hi_s;
};
struct backoff_range backoff_range(int base_s, int cap_s, int n);
int backoff_delay_s(int base_s, int cap_s, int n, const char *event_id);

#endif
