#include "workers/keyring/oauth_plan.h"

#define EARLY_MS 30000
#define WANTED_MS ((int64_t)600 * 1000)
#define SETTLED_MS 60000 /* a token that was good so long was good */
#define DOUBLINGS_MAX 16

static int64_t doubled(int64_t base_ms, int64_t cap_ms, int times)
{
    int64_t ms = base_ms;
    for (int i = 0; i < times && i < DOUBLINGS_MAX && ms < cap_ms; i++)
        ms *= 2;
    return ms < cap_ms ? ms : cap_ms;
}

/* From half of it to all of it. */
static int64_t jittered(int64_t ms, uint32_t dice)
{
    return ms - (int64_t)(dice % (uint32_t)(ms / 2 + 1));
}

static int64_t correction_ms(int times, uint32_t dice)
{
    return jittered(doubled(30000, 300000, times), dice);
}

void oauth_plan_init(struct oauth_plan *p)
{
    *p = (struct oauth_plan){.needed_ms = INT64_MIN, .not_before_ms = INT64_MIN};
}

void oauth_plan_need(struct oauth_plan *p, int64_t now_ms)
{
    p->needed_ms = now_ms;
}

void oauth_plan_ended(struct oauth_plan *p)
{
    p->held = false;
}

bool oauth_plan_refused(struct oauth_plan *p, int64_t version, int64_t now_ms, uint32_t dice)
{
    p->needed_ms = now_ms;
    if (version < p->version || !p->held)
        return false;
    if (now_ms - p->got_ms > SETTLED_MS)
        p->refusals = 0;
    p->held = false;
    p->refusals++;
    if (p->refusals > 1)
        p->not_before_ms = now_ms + jittered(doubled(2000, 300000, p->refusals - 2), dice);
    return true;
}

void oauth_plan_got(struct oauth_plan *p, int64_t version, int64_t asked_ms, int64_t lifetime_s,
                    int64_t now_ms, uint32_t dice)
{
    int64_t lifetime_ms = lifetime_s * 1000;
    int64_t early_ms = lifetime_ms / 10 < EARLY_MS ? lifetime_ms / 10 : EARLY_MS;
    p->held = true;
    p->version = version;
    p->got_ms = now_ms;
    p->expires_ms = asked_ms + lifetime_ms;
    p->renew_ms = p->expires_ms - early_ms - (int64_t)(dice % (uint32_t)(early_ms / 2 + 1));
    p->not_before_ms = INT64_MIN;
    p->failures = 0;
}

void oauth_plan_failed(struct oauth_plan *p, bool lasting, int retry_after_s, int64_t now_ms,
                       uint32_t dice)
{
    int64_t wait_ms = lasting ? correction_ms(p->failures, dice)
                              : jittered(doubled(1000, 60000, p->failures), dice);
    if (wait_ms < retry_after_s * INT64_C(1000))
        wait_ms = retry_after_s * INT64_C(1000);
    p->failures++;
    p->not_before_ms = now_ms + wait_ms;
}

int64_t oauth_plan_due_ms(const struct oauth_plan *p, int64_t now_ms)
{
    if (p->needed_ms == INT64_MIN)
        return OAUTH_PLAN_NEVER;
    int64_t due_ms = p->held ? p->renew_ms : p->needed_ms;
    if (due_ms < p->not_before_ms)
        due_ms = p->not_before_ms;
    if (due_ms < now_ms)
        due_ms = now_ms;
    return due_ms - p->needed_ms > WANTED_MS ? OAUTH_PLAN_NEVER : due_ms;
}
