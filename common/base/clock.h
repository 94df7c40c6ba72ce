#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Two clocks, both in milliseconds. Waits and deadlines use clock_mono_ms;
 * what is stored or signed uses clock_wall_ms (Unix epoch). */
int64_t clock_mono_ms(void);
int64_t clock_wall_ms(void);

#define CLOCK_TEXT_BYTES 32

/* "2026-11-21T09:30:00.123Z", UTC. */
void clock_rfc3339(int64_t wall_ms, char out[CLOCK_TEXT_BYTES]);

/* "20261121T093000Z": X-Amz-Date (SigV4). The first 8 characters are the scope date. */
void clock_amz_date(int64_t wall_ms, char out[CLOCK_TEXT_BYTES]);

/* "Sat, 21 Nov 2026 09:30:00 GMT" (RFC 9110 section 5.6.7). */
void clock_http_date(int64_t wall_ms, char out[CLOCK_TEXT_BYTES]);

/* The reverse of the above; 0, or -1 where text is not of that form. The first takes an offset in
 * place of Z too: "+01:00", "+0100" or "+01". */
int clock_parse_rfc3339(const char *text, int64_t *wall_ms_out) __attribute__((warn_unused_result));
int clock_parse_amz_date(const char *text, int64_t *wall_ms_out)
    __attribute__((warn_unused_result));
int clock_parse_http_date(const char *text, int64_t *wall_ms_out)
    __attribute__((warn_unused_result));

#endif
