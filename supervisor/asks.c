#include "supervisor/asks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/ipc/message.h"

#define SECOND_MS 1000

struct asks {
    int64_t since_ms;
    json_t *passed[ASKS_MAX]; /* own: since then */
    size_t count;
};

struct asks *asks_new(void)
{
    return xcalloc(1, sizeof(struct asks));
}

static void forget(struct asks *a)
{
    while (a->count > 0)
        json_decref(a->passed[--a->count]);
}

void asks_free(struct asks *a)
{
    if (a == NULL)
        return;
    forget(a);
    free(a);
}

/* Copies a text member; absent is empty. */
static bool copy_text(const json_t *from, json_t *to, const char *name)
{
    const json_t *value = json_object_get(from, name);
    if (value != NULL && (!json_is_string(value) || json_string_length(value) > ASKS_TEXT_MAX))
        return false;
    const char *text = value != NULL ? json_string_value(value) : "";
    return json_object_set_new(to, name, json_string(text)) == 0;
}

static json_t *checked_copy(const json_t *msg, const char **why_out)
{
    static const char *const names[] = {"kind", "identity", "region", "service"};
    bool is_stale = strcmp(message_kind(msg), "stale") == 0;
    const json_t *version = json_object_get(msg, "version");
    json_t *copy = message_new(is_stale ? "stale" : "need");
    *why_out = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!copy_text(msg, copy, names[i]))
            *why_out = "a member of its is no text, or too long";
    }
    if (is_stale && !json_is_integer(version))
        *why_out = "it has no version";
    else if (is_stale)
        json_object_set_new(copy, "version", json_integer(json_integer_value(version)));
    if (*why_out == NULL)
        return copy;
    json_decref(copy);
    return NULL;
}

json_t *asks_admit(struct asks *a, const json_t *msg, int64_t now_ms, const char **why_out)
{
    json_t *copy = checked_copy(msg, why_out);
    if (copy == NULL)
        return NULL;
    if (now_ms - a->since_ms >= SECOND_MS) {
        forget(a);
        a->since_ms = now_ms;
    }
    bool is_known = a->count == ASKS_MAX;
    for (size_t i = 0; i < a->count && !is_known; i++)
        is_known = json_equal(a->passed[i], copy);
    if (is_known) {
        json_decref(copy);
        return NULL;
    }
    a->passed[a->count++] = json_incref(copy);
    return copy;
}
