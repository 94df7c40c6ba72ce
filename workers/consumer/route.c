#include "workers/consumer/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/delivery/backoff.h"
#include "common/webhook/json_check.h"

#define RETRY_COUNT "RetryCount"

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

bool route_readable(const struct source *source, const struct sqs_message *message,
                    const struct webhook *hook, const char *malformed_reason, struct route *r)
{
    char why[192];
    memset(r, 0, sizeof(*r));
    r->class = "";
    if (message->damaged) {
        inspect(r, "the message's MD5 does not match what arrived");
    } else if (!hook) {
        inspect(r, malformed_reason);
    } else if (source->body_is_json && !json_check(hook->body, hook->body_len, why, sizeof(why))) {
        snprintf(r->reason, sizeof(r->reason), "the body is not JSON: %s", why);
        r->action = ROUTE_INSPECT;
    }
    return r->action != ROUTE_INSPECT;
}

/* Received too often: where nothing else counts each receive was an attempt. */
static bool is_worn_out(const struct source *source, int receives, bool counted, struct route *r)
{
    char why[192];
    int limit = source->max_retries + 1 + (counted ? ROUTE_STUCK_RECEIVES : 0);
    if (receives <= limit)
        return false;
    snprintf(why, sizeof(why), "received %d times; %s", receives,
             counted ? "its attempts never came to an end"
                     : "the last attempt never reported its outcome");
    dead(r, counted ? "stuck" : "exhausted", why);
    return true;
}

void route_received(const struct source *source, const struct sqs_message *message,
                    const struct webhook *hook, const struct ledger_record *record, int receives,
                    int64_t now_ms, struct route *r)
{
    char why[192];
    struct rules_failure failure;
    int64_t since_ms = hook->received_at_ms > 0 ? hook->received_at_ms : message->sent_at_ms;
    memset(r, 0, sizeof(*r));
    r->class = "";
    r->action = ROUTE_DELIVER;
    if (record && record->at_ms > since_ms)
        since_ms = record->at_ms;
    if (is_worn_out(source, receives, record != NULL, r))
        return;
    if (now_ms - since_ms > source->age_limit_ms) {
        snprintf(why, sizeof(why), "older than the age limit of %lld s",
                 (long long)(source->age_limit_ms / 1000));
        dead(r, "expired", why);
    } else if (!rules_check(source->conf, hook->body, hook->body_len, &failure)) {
        dead(r, failure.class, failure.reason);
    }
}

void route_poison(int kills, struct route *r)
{
    char why[96];
    memset(r, 0, sizeof(*r));
    snprintf(why, sizeof(why), "%d workers died while they handled it; it was not read again",
             kills);
    dead(r, "poison", why);
}

void route_failed(const struct source *source, const struct webhook *hook, int attempt,
                  const struct delivery_outcome *outcome, struct route *r)
{
    memset(r, 0, sizeof(*r));
    r->class = "";
    if (outcome->verdict == DEAD) {
        dead(r, outcome->class, outcome->error);
        return;
    }
    if (attempt > source->max_retries) {
        dead(r, "exhausted", outcome->error);
        return;
    }
    r->action = ROUTE_BACKOFF;
    r->delay_s = backoff_delay_s(source->base_s, source->cap_s, attempt > 1 ? attempt - 1 : 0,
                                 hook->event_id);
    if (r->delay_s < outcome->retry_after_s)
        r->delay_s = outcome->retry_after_s;
}

int route_outage_delay_s(const struct source *source, const struct sqs_message *message,
                         const struct webhook *hook)
{
    int n = message->receive_count > 1 ? message->receive_count - 1 : 0;
    bool is_patient = source->cap_s > ROUTE_OUTAGE_CAP_S || source->queue->attributes.is_fifo;
    int cap_s = is_patient ? source->cap_s : ROUTE_OUTAGE_CAP_S;
    return backoff_delay_s(source->base_s, cap_s, n, hook->event_id);
}

int route_retry_count(const struct sqs_message *message)
{
    for (size_t i = 0; i < message->attribute_count; i++) {
        const struct sqs_attribute *a = &message->attributes[i];
        if (strcmp(a->name, RETRY_COUNT) != 0)
            continue;
        size_t len = strspn(a->value, "0123456789");
        if (strcmp(a->type, "Number") != 0 || len == 0 || len > 10 || a->value[len])
            return 0;
        long long n = strtoll(a->value, NULL, 10);
        return n <= INT32_MAX ? (int)n : 0;
    }
    return 0;
}

bool route_of_finished_round(const struct sqs_message *message, const struct ledger_record *record)
{
    bool sent_before = message->sent_at_ms > 0 && message->sent_at_ms <= record->at_ms;
    return record->at_ms > 0 && (sent_before || strcmp(message->id, record->message_id) == 0);
}

bool route_is_near_redrive(const struct queue_attributes *queue, const struct sqs_message *message)
{
    return queue->max_receives > 0 && message->receive_count >= queue->max_receives - 1;
}
