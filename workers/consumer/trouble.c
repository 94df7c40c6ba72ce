#include "workers/consumer/trouble.h"

#include <stdio.h>
#include <string.h>

bool trouble_note(struct trouble *t, const char *text, int64_t now_mono_ms)
{
    bool is_new = strncmp(text, t->text, sizeof(t->text) - 1) != 0;
    snprintf(t->text, sizeof(t->text), "%s", text);
    t->at_mono_ms = now_mono_ms;
    return is_new;
}

bool trouble_end(struct trouble *t)
{
    bool had_one = *t->text;
    *t->text = '\0';
    return had_one;
}

const char *trouble_shown(const struct trouble *t, int64_t now_mono_ms)
{
    return *t->text && now_mono_ms - t->at_mono_ms <= TROUBLE_SHOWN_MS ? t->text : NULL;
}
