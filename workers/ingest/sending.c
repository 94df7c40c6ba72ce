#include "workers/ingest/sending.h"

#include <stdio.h>

void sending_worked(struct sending *s)
{
    *s = (struct sending){0};
}

void sending_failed(struct sending *s, int64_t now_ms, const char *error)
{
    if (!s->failing || now_ms - s->last_ms > SENDING_FORGET_MS)
        *s = (struct sending){.failing = true, .since_ms = now_ms};
    s->last_ms = now_ms;
    if (*error || !*s->error)
        snprintf(s->error, sizeof(s->error), "%s", *error ? error : "no answer in time");
}

int64_t sending_bad_ms(const struct sending *s, int64_t now_ms)
{
    bool is_old = now_ms - s->last_ms > SENDING_FORGET_MS;
    if (!s->failing || is_old || s->last_ms - s->since_ms < SENDING_BAD_AFTER_MS)
        return 0;
    return now_ms - s->since_ms;
}
