#ifndef WORKERS_KEYRING_AWS_REFRESH_H
#define WORKERS_KEYRING_AWS_REFRESH_H

#include <stdint.h>

/* When credentials are fetched again. Pure; random01 is in [0, 1], pace_ms the shortest wait. */

/* Credentials that were good for so many paces were good. */
#define AWS_REFRESH_SETTLED_PACES 60

/* How long from now until those that expire at expires_at_ms are renewed: from 15 minutes before,
 * and up to 3 minutes earlier so that not all hosts ask at once; those that live for less than half
 * an hour after half of it. Never less than pace_ms. */
int64_t aws_refresh_delay_ms(int64_t now_ms, int64_t expires_at_ms, int64_t pace_ms,
                             double random01);

/* How long to wait after that many failures in a row (from 1): pace_ms doubling to sixty times as
 * much, half of it at random. */
int64_t aws_refresh_backoff_ms(unsigned failures, int64_t pace_ms, double random01);

#endif
