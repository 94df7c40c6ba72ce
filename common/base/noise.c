#include "common/base/noise.h"

#include <sys/random.h>

uint32_t noise_bits(void)
{
    uint32_t bits = 0;
    /* Before the kernel has gathered any randomness the clocks of two hosts are noise enough. */
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits))
        bits = 0;
    return bits;
}

double noise_01(void)
{
    return noise_bits() / 4294967295.0;
}
