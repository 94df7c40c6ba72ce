#include "common/aws/limiter.h"

#include <assert.h>

void limiter_init(struct limiter *l, int most)
{
    assert(most > 0);
    *l = (struct limiter){.most = most, .at_once = most};
}

static bool pauses(const struct limiter *l, int64_t now_ms)
{
    return now_ms < l->not_before_ms;
}

void limiter_worked(struct limiter *l, int64_t now_ms)
{
    if (pauses(l, now_ms))
        return;
    l->pause_ms = 0;
    if (l->at_once == l->most || ++l->worked < l->at_once)
        return;
    l->worked = 0;
    l->at_once++;
}

static void halve(struct limiter *l, int64_t now_ms)
{
    if (l->halved && now_ms - l->halved_ms < LIMITER_INTERVAL_MS)
        return;
    l->halved = true;
    l->halved_ms = now_ms;
    l->at_once = l->at_once > 1 ? l->at_once / 2 : 1;
    l->worked = 0;
}

bool limiter_throttled(struct limiter *l, int64_t now_ms, uint32_t noise)
{
    if (pauses(l, now_ms))
        return false;
    halve(l, now_ms);
    int pause_ms = l->pause_ms ? l->pause_ms * 2 : LIMITER_PAUSE_MS;
    l->pause_ms = pause_ms < LIMITER_LONGEST_MS ? pause_ms : LIMITER_LONGEST_MS;
    /* The last quarter of it is chance. */
    l->not_before_ms = now_ms + l->pause_ms - noise % ((uint32_t)l->pause_ms / 4 + 1);
    return true;
}

void limiter_told(struct limiter *l, int64_t now_ms, int64_t wait_ms)
{
    int64_t until_ms = now_ms + (wait_ms < LIMITER_LONGEST_MS ? wait_ms : LIMITER_LONGEST_MS);
    halve(l, now_ms);
    if (until_ms > l->not_before_ms)
        l->not_before_ms = until_ms;
}

int limiter_room(const struct limiter *l, int64_t now_ms)
{
    return pauses(l, now_ms) ? 0 : l->at_once;
}

bool limiter_is_slow(const struct limiter *l, int64_t now_ms)
{
    return l->at_once < l->most || pauses(l, now_ms);
}
