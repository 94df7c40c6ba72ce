#include "common/base/log_rate.h"

bool log_rate_due(struct log_rate *r, int64_t now_ms, int64_t every_ms, int64_t *left_out_out)
{
    if (r->begun && now_ms - r->last_ms < every_ms) {
        r->left_out++;
        return false;
    }
    *left_out_out = r->left_out;
    *r = (struct log_rate){.begun = true, .last_ms = now_ms};
    return true;
}
