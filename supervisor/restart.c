#include "supervisor/restart.h"

int64_t restart_wait_ms(struct restart *r, int64_t up_ms, uint32_t jitter)
{
    if (up_ms >= RESTART_PROVEN_MS) {
        r->failures = 0;
        return 0;
    }
    /* The longest base leaves room below the cap for its own jitter. */
    const int64_t longest = RESTART_CAP_MS * 4 / 5;
    int64_t base = RESTART_FIRST_MS;
    for (unsigned i = 0; i < r->failures && base < longest; i++)
        base *= 2;
    if (base > longest)
        base = longest;
    if (r->failures < 64)
        r->failures++;
    return base + (int64_t)jitter % (base / 4 + 1);
}
