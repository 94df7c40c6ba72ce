#include "workers/delivery_gate.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/ipc/gate.h"

#define OPEN_MS 10000 /* where the destination does not say */

static const json_t *source_named(const json_t *conf, const char *source)
{
    return json_object_get(conf_value(conf, "sources"), source);
}

/* The destination of a source where it has the type "http", else NULL. */
static const json_t *http_of(const json_t *conf, const char *source)
{
    const char *name = conf_str(source_named(conf, source), "destination");
    const json_t *one = json_object_get(conf_value(conf, "destinations"), name);
    return one && strcmp(conf_str(one, "type"), "http") == 0 ? one : NULL;
}

static bool has_check(const json_t *conf, const char *source)
{
    const json_t *check = json_object_get(source_named(conf, source), "check");
    const char *url = json_string_value(json_object_get(check, "url"));
    return url && *url;
}

char *delivery_gate_key(const json_t *conf, const char *source)
{
    const char *destination = conf_str(source_named(conf, source), "destination");
    if (has_check(conf, source))
        return xasprintf("%s%s/%s", GATE_DESTINATION, destination, source);
    return http_of(conf, source) ? xasprintf("%s%s", GATE_DESTINATION, destination) : NULL;
}

int64_t delivery_gate_open_ms(const json_t *conf, const char *source)
{
    const json_t *http = http_of(conf, source);
    return http ? conf_int(http, "breaker_open_s") * 1000 : OPEN_MS;
}

int64_t delivery_gate_wait_ms(const struct delivery_outcome *outcome, int64_t open_ms)
{
    if (outcome->status == 0 && strcmp(outcome->class, "token") == 0)
        return open_ms;
    bool may_ask = outcome->status == 429 || outcome->status == 503;
    return may_ask ? outcome->retry_after_s * INT64_C(1000) : 0;
}
