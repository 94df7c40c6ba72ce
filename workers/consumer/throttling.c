#include "workers/consumer/throttling.h"

#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/ipc/gate.h"
#include "workers/gatekeeper.h"

static char *key_of(const char *kind, const struct queue *queue)
{
    return xasprintf("%s%s", kind, queue->name);
}

/* A queue that is held back for its destinations as well is probed nevertheless: the worker with
 * their probe may be another one, and what it is for, too. */
enum poller_mode throttling_mode(const struct gatekeeper *gates, const struct queue *queue,
                                 enum poller_mode mode, int64_t now_ms)
{
    char *key = key_of(GATE_POLLING, queue);
    if (gatekeeper_holds(gates, key, now_ms))
        mode = gatekeeper_may_probe(gates, key) ? POLLER_PROBE : POLLER_NOT;
    free(key);
    return mode;
}

static void throttled(struct gatekeeper *gates, const struct queue *queue, const char *key,
                      const struct poller_result *result, int64_t now_ms)
{
    const struct gatekeeper_failure failure = {
        .key = key,
        .why = result->why,
        .began_ms = result->began_mono_ms,
        .open_ms = THROTTLING_OPEN_MS,
        .probe = result->is_probe,
    };
    if (gatekeeper_failed(gates, &failure, now_ms))
        return;
    char *pace = key_of(GATE_PACE, queue);
    gatekeeper_hold(gates, pace, result->pause_ms, result->why, now_ms);
    free(pace);
}

void throttling_answered(struct gatekeeper *gates, const struct queue *queue,
                         const struct poller_result *result, int64_t now_ms)
{
    char *key = key_of(GATE_POLLING, queue);
    if (result->worked)
        gatekeeper_worked(gates, key, result->is_probe, now_ms);
    else if (result->pause_ms > 0 || (result->is_throttled && result->is_probe))
        throttled(gates, queue, key, result, now_ms);
    free(key);
}

const char *throttling_pause(const json_t *msg, int64_t *pause_ms_out)
{
    const char *key = json_string_value(json_object_get(msg, "key"));
    *pause_ms_out = json_integer_value(json_object_get(msg, "until_ms"));
    return key && *pause_ms_out > 0 ? gate_key_name(key, GATE_PACE) : NULL;
}
