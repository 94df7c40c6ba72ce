#ifndef COMMON_BASE_NOISE_H
#define COMMON_BASE_NOISE_H

#include <stdint.h>

/* Random numbers that spread waits in time, so that processes which failed together do not come
 * back together. Not for secrets. */
uint32_t noise_bits(void);
double noise_01(void); /* in [0, 1] */

#endif
