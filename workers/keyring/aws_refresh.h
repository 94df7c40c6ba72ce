#ifndef WORKERS_KEYRING_AWS_REFRESH_H
#define WORKERS_KEYRING_AWS_REFRESH_H

#include <stdbool.h>
#include <stdint.h>

/* When credentials are fetched again. Pure; random01 is in [0, 1], pace_ms the shortest wait. */

/* How long from now until those that expire at expires_at_ms are renewed: from 15 minutes before,
 * and up to 3 minutes earlier so that not all hosts ask at once; those that live for less than half
 * an hour after half of it. Never less than pace_ms. */
int64_t aws_refresh_delay_ms(int64_t now_ms, int64_t expires_at_ms, int64_t pace_ms,
                             double random01);

/* How many failures in a row there have been once a renewal has brought credentials: none, unless
 * it was forced since the current ones are refused, and brought the same, or followed so soon on
 * these (age_ms) that the new ones seem to be refused too. */
unsigned aws_refresh_failures(unsigned before, bool is_forced, bool is_new, int64_t age_ms,
                              int64_t pace_ms);

/* How long to wait after that many failures in a row (from 1): pace_ms doubling to sixty times as
 * much, half of it at random. */
int64_t aws_refresh_backoff_ms(unsigned failures, int64_t pace_ms, double random01);

#endif
