#include "workers/account.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"

#define WAITING_MAX 16 /* texts in a beat, and so many notes, so that a packet holds it */
#define WAITING_BYTES_MAX 320
#define NOTES_MAX 8

struct account {
    json_t *notes; /* own: texts */
    char trouble[ACCOUNT_TROUBLE_BYTES];
};

struct account *account_new(void)
{
    struct account *a = xcalloc(1, sizeof(*a));
    a->notes = json_array();
    return a;
}

void account_trouble(struct account *a, const char *format, va_list ap)
{
    vsnprintf(a->trouble, sizeof(a->trouble), format, ap);
}

void account_note(struct account *a, const char *format, va_list ap)
{
    size_t i;
    json_t *known;
    char text[512];
    vsnprintf(text, sizeof(text), format, ap);
    json_array_foreach(a->notes, i, known)
    {
        if (strcmp(json_string_value(known), text) == 0)
            return;
    }
    log_warn("%s", text);
    json_t *note = json_string(text);
    if (note && json_array_size(a->notes) < NOTES_MAX)
        json_array_append_new(a->notes, note);
    else
        json_decref(note);
}

static void default_member(json_t *object, const char *name, json_t *value)
{
    if (json_object_get(object, name))
        json_decref(value);
    else
        json_object_set_new(object, name, value);
}

static void bound_texts(json_t *beat, const char *name)
{
    json_t *waiting = json_object_get(beat, name);
    while (json_array_size(waiting) > WAITING_MAX)
        json_array_remove(waiting, json_array_size(waiting) - 1);
    for (size_t i = 0; i < json_array_size(waiting); i++) {
        const char *text = json_string_value(json_array_get(waiting, i));
        size_t len = text ? strlen(text) : 0;
        if (len <= WAITING_BYTES_MAX)
            continue;
        for (len = WAITING_BYTES_MAX; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
            len--; /* not inside a UTF-8 character */
        json_array_set_new(waiting, i, json_stringn(text, len));
    }
}

void account_fill(const struct account *a, json_t *out)
{
    default_member(out, "in_flight", json_integer(0));
    default_member(out, "counters", json_object());
    default_member(out, "gauges", json_object());
    default_member(out, "waiting", json_array());
    json_t *trouble = json_string(a->trouble);
    default_member(out, "last_error", trouble ? trouble : json_string(""));
    json_object_set_new(out, "notes", json_copy(a->notes));
    bound_texts(out, "waiting");
    bound_texts(out, "notes");
}
