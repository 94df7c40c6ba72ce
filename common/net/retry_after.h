#ifndef COMMON_NET_RETRY_AFTER_H
#define COMMON_NET_RETRY_AFTER_H

#include <stdint.h>

/* How long a server wants to be left alone: the value of its Retry-After header (RFC 9110 section
 * 10.2.3), a number of seconds or an HTTP date, in seconds from now, rounded up and at most cap_s.
 * A date is taken relative to the answer's own Date header where that is good (date, may be NULL),
 * so that the two clocks need not agree; else to now_ms (wall clock). 0 where there is no value, an
 * unusable one, or a date that is past. Pure. */
int retry_after_s(const char *value, const char *date, int64_t now_ms, int cap_s);

#endif
