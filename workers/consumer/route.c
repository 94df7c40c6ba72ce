#include "workers/consumer/route.h"

#include <stdio.h>
#include <string.h>

#include "common/delivery/backoff.h"
#include "common/webhook/json_check.h"

#define VISIBILITY_TOTAL_MS (43200 * INT64_C(1000))

static void inspect(struct route *r, const char *reason)
{
    r->action = ROUTE_INSPECT;
    snprintf(r->reason, sizeof(r->reason), "%s", reason);
}

static void dead(struct route *r, const char *class, const char *reason)
{
    r->action = ROUTE_DEAD;
    r->class = class;
    snprintf(r->reason, sizeof(r->reason), "%s", reason);
}

void route_received(const struct source *source, const struct sqs_message *message,
                    const struct webhook *hook, const char *malformed_reason, int64_t now_ms,
                    struct route *r)
{
    char why[192];
    struct rules_failure failure;
    memset(r, 0, sizeof(*r));
    r->class = "";
    if (message->damaged) {
        inspect(r, "the message's MD5 does not match what arrived");
    } else if (!hook) {
        inspect(r, malformed_reason);
    } else if (source->body_is_json && !json_check(hook->body, hook->body_len, why, sizeof(why))) {
        snprintf(r->reason, sizeof(r->reason), "the body is not JSON: %s", why);
        r->action = ROUTE_INSPECT;
    } else if (message->receive_count > source->max_retries + 1) {
        snprintf(why, sizeof(why), "received %d times; the last attempt never reported its outcome",
                 message->receive_count);
        dead(r, "exhausted", why);
    } else if (now_ms - (hook->received_at_ms > 0 ? hook->received_at_ms : message->sent_at_ms) >
               source->age_limit_ms) {
        snprintf(why, sizeof(why), "older than the age limit of %lld s",
                 (long long)(source->age_limit_ms / 1000));
        dead(r, "expired", why);
    } else if (!rules_check(source->conf, hook->body, hook->body_len, &failure)) {
        dead(r, failure.class, failure.reason);
    } else {
        r->action = ROUTE_DELIVER;
    }
}

void route_failed(const struct source *source, const struct webhook *hook, int attempt,
                  const struct delivery_outcome *outcome, int64_t held_ms, struct route *r)
{
    memset(r, 0, sizeof(*r));
    r->class = "";
    if (outcome->verdict == DEAD) {
        dead(r, "rejected", outcome->error);
        return;
    }
    if (attempt > source->max_retries) {
        dead(r, "exhausted", outcome->error);
        return;
    }
    r->action = ROUTE_BACKOFF;
    r->delay_s = backoff_delay_s(source->base_s, source->cap_s, attempt > 1 ? attempt - 1 : 0,
                                 hook->event_id);
    int64_t left_s = (VISIBILITY_TOTAL_MS - held_ms) / 1000 - 5;
    if (r->delay_s > left_s)
        r->delay_s = left_s > 0 ? (int)left_s : 0;
}
