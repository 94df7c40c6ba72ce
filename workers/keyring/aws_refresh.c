#include "workers/keyring/aws_refresh.h"

#define LEAD_MS (15 * 60000)
#define BACKOFF_MAX_MS 60000

int64_t aws_refresh_delay_ms(int64_t now_ms, int64_t expires_at_ms, double random01)
{
    int64_t life_ms = expires_at_ms - now_ms;
    int64_t lead_ms = life_ms / 2 < LEAD_MS ? life_ms / 2 : LEAD_MS;
    int64_t delay_ms = life_ms - lead_ms - (int64_t)(random01 * (double)lead_ms / 5);
    return delay_ms < 1000 ? 1000 : delay_ms;
}

int64_t aws_refresh_backoff_ms(unsigned failures, double random01)
{
    int64_t full_ms =
        failures > 6 ? BACKOFF_MAX_MS : (int64_t)1000 << (failures ? failures - 1 : 0);
    if (full_ms > BACKOFF_MAX_MS)
        full_ms = BACKOFF_MAX_MS;
    return full_ms / 2 + (int64_t)(random01 * (double)(full_ms - full_ms / 2));
}
