#include "workers/keyring/aws_refresh.h"

#define LEAD_MS (15 * 60000)
#define BACKOFF_MAX_PACES 60
#define SETTLED_PACES 60 /* credentials that were good for so long were good */

int64_t aws_refresh_delay_ms(int64_t now_ms, int64_t expires_at_ms, int64_t pace_ms,
                             double random01)
{
    int64_t life_ms = expires_at_ms - now_ms;
    int64_t lead_ms = life_ms / 2 < LEAD_MS ? life_ms / 2 : LEAD_MS;
    int64_t delay_ms = life_ms - lead_ms - (int64_t)(random01 * (double)lead_ms / 5);
    return delay_ms < pace_ms ? pace_ms : delay_ms;
}

unsigned aws_refresh_failures(unsigned before, bool is_forced, bool is_new, int64_t age_ms,
                              int64_t pace_ms)
{
    bool is_settled = age_ms >= SETTLED_PACES * pace_ms;
    return is_forced && (!is_new || !is_settled) ? before + 1 : 0;
}

int64_t aws_refresh_backoff_ms(unsigned failures, int64_t pace_ms, double random01)
{
    int64_t paces = failures > 6 ? BACKOFF_MAX_PACES : (int64_t)1 << (failures ? failures - 1 : 0);
    int64_t full_ms = paces * pace_ms;
    return full_ms / 2 + (int64_t)(random01 * (double)(full_ms - full_ms / 2));
}
