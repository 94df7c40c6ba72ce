#ifndef WORKERS_KEYRING_OAUTH_PLAN_H
#define WORKERS_KEYRING_OAUTH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

/* When a token is to be asked for. Pure: now_ms is monotonic time, dice any random number.
 *
 * A token is asked for when somebody needs one, and anew shortly before its end (30 s, or a tenth
 * of its life where that is shorter, and a little earlier still so that many hosts do not ask
 * together) while somebody has needed it in the last ten minutes. After a failure the next try
 * waits: 1 s doubling to 60 s where the server may recover, 30 s doubling to 300 s where somebody
 * has to correct something; a Retry-After is waited out, up to 300 s. A token that the API refuses
 * is replaced at once; where it refuses the replacement within a minute too, the next waits 2 s,
 * doubling to 300 s. */
struct oauth_plan {
    bool held; /* a token, which was not refused */
    int64_t version;
    int64_t renew_ms, expires_ms; /* of the held one */
    int64_t got_ms;
    int64_t needed_ms; /* INT64_MIN: never */
    int64_t not_before_ms;
    int failures; /* in a row */
    int refusals; /* in a row, by the API */
};

#define OAUTH_PLAN_NEVER INT64_MAX

void oauth_plan_init(struct oauth_plan *p);

void oauth_plan_need(struct oauth_plan *p, int64_t now_ms);

/* The held token is past its end by the clock of those who use it, which was set forward: another
 * is needed now. */
void oauth_plan_ended(struct oauth_plan *p);

/* The API refused the token of this version. False where it is not the current one, or known
 * already. */
bool oauth_plan_refused(struct oauth_plan *p, int64_t version, int64_t now_ms, uint32_t dice);

/* A token came. asked_ms is when it was asked for: its life is counted from there. */
void oauth_plan_got(struct oauth_plan *p, int64_t version, int64_t asked_ms, int64_t lifetime_s,
                    int64_t now_ms, uint32_t dice);

/* None came. lasting: until somebody corrects something. */
void oauth_plan_failed(struct oauth_plan *p, bool lasting, int retry_after_s, int64_t now_ms,
                       uint32_t dice);

/* When to ask next; OAUTH_PLAN_NEVER while nobody needs it. */
int64_t oauth_plan_due_ms(const struct oauth_plan *p, int64_t now_ms);

#endif
