#include "workers/retry/dlq_key.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"

#define ULID_CHARS 26
#define ULID_TIME_CHARS 10

static bool is_trace(const char *text, size_t len)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return len >= 1 && len < DLQ_KEY_TRACE_BYTES && strspn(text, allowed) >= len;
}

bool dlq_key_is_trace(const char *text)
{
    return is_trace(text, strlen(text));
}

/* Whether text begins with this shape, in which '#' stands for a digit. */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape; text++, shape++)
        if (*shape == '#' ? *text < '0' || *text > '9' : *text != *shape)
            return false;
    return true;
}

static bool parse_hour(const char *text, int64_t *hour_ms_out)
{
    char rfc3339[CLOCK_TEXT_BYTES];
    snprintf(rfc3339, sizeof(rfc3339), "%.4s-%.2s-%.2sT%.2s:00:00Z", text + 5, text + 16, text + 23,
             text + 31);
    return clock_parse_rfc3339(rfc3339, hour_ms_out) == 0;
}

bool dlq_key_parse(const char *prefix, const char *key, struct dlq_key *out)
{
    static const char shape[] = "year=####/month=##/day=##/hour=##/";
    struct dlq_key parsed = {0};
    size_t prefix_len = strlen(prefix);
    if (strlen(key) >= DLQ_KEY_BYTES || strncmp(key, prefix, prefix_len) != 0)
        return false;
    const char *text = key + prefix_len;
    if (!has_shape(text, shape) || !parse_hour(text, &parsed.hour_ms))
        return false;
    const char *trace = text + sizeof(shape) - 1;
    size_t len = strlen(trace);
    if (len < 5 || strcmp(trace + len - 5, ".json") != 0 || !is_trace(trace, len - 5))
        return false;
    memcpy(parsed.trace_id, trace, len - 5);
    if (out)
        *out = parsed;
    return true;
}

void dlq_key_first(const char *prefix, char out[DLQ_KEY_BYTES])
{
    snprintf(out, DLQ_KEY_BYTES, "%syear=1970/month=01/day=01/hour=00/-.json", prefix);
}

void dlq_key_before_hour(const char *prefix, int64_t wall_ms, char out[DLQ_KEY_BYTES])
{
    char t[CLOCK_TEXT_BYTES];
    clock_rfc3339(wall_ms < 0 ? 0 : wall_ms, t);
    snprintf(out, DLQ_KEY_BYTES, "%syear=%.4s/month=%.2s/day=%.2s/hour=%.2s/", prefix, t, t + 5,
             t + 8, t + 11);
}

int64_t dlq_key_trace_ms(const char *trace_id)
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    int64_t ms = 0;
    if (strlen(trace_id) != ULID_CHARS || trace_id[0] > '7')
        return -1;
    for (size_t i = 0; i < ULID_CHARS; i++) {
        const char *at = strchr(alphabet, trace_id[i]);
        if (!at)
            return -1;
        if (i < ULID_TIME_CHARS)
            ms = ms * 32 + (at - alphabet);
    }
    return ms;
}
