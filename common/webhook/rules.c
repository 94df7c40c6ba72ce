#include "common/webhook/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/utf8.h"
#include "common/conf/conf.h"
#include "common/webhook/json_check.h"

#define VALUE_SHOWN_BYTES 64
#define POINTER_SHOWN_BYTES 128

__attribute__((format(printf, 3, 4))) static bool refuse(struct rules_failure *f, const char *class,
                                                         const char *format, ...)
{
    va_list ap;
    f->class = class;
    va_start(ap, format);
    vsnprintf(f->reason, sizeof(f->reason), format, ap);
    va_end(ap);
    return false;
}

static bool is_empty(const void *body, const struct json_span *span)
{
    const char *s = (const char *)body + span->at;
    if (span->type == JSON_CHECK_NULL)
        return true;
    if (span->type == JSON_CHECK_STRING)
        return span->len == 2;
    if (span->type != JSON_CHECK_ARRAY && span->type != JSON_CHECK_OBJECT)
        return false;
    for (size_t i = 1; i + 1 < span->len; i++)
        if (!strchr(" \t\r\n", s[i]))
            return false;
    return true;
}

static bool check_required(const json_t *pointers, const void *body, size_t len,
                           struct rules_failure *f)
{
    size_t i;
    const json_t *item;
    json_array_foreach(pointers, i, item)
    {
        const char *pointer = json_string_value(item);
        struct json_span span;
        bool there = json_check_find(body, len, pointer, &span);
        if (there && !is_empty(body, &span))
            continue;
        char *shown = utf8_safe(pointer, strlen(pointer), POINTER_SHOWN_BYTES);
        refuse(f, "validation", "the required field %s is %s", shown, there ? "empty" : "missing");
        free(shown);
        return false;
    }
    return true;
}

/* A configured value as text; the configuration's numbers and words are written as JSON has them.
 */
static char *allowed_text(const json_t *value)
{
    if (json_is_string(value)) {
        struct buf b = {0};
        buf_append(&b, json_string_value(value), json_string_length(value));
        return buf_steal(&b);
    }
    return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
}

static bool is_allowed(const json_t *allowed, const struct buf *value)
{
    size_t i;
    const json_t *item;
    json_array_foreach(allowed, i, item)
    {
        char *text = allowed_text(item);
        bool same =
            text && strlen(text) == value->len && memcmp(text, value->data, value->len) == 0;
        free(text);
        if (same)
            return true;
    }
    return false;
}

static bool check_value(const char *pointer, const json_t *allowed, const void *body, size_t len,
                        struct rules_failure *f)
{
    struct json_span span;
    struct buf value = {0};
    char *field = utf8_safe(pointer, strlen(pointer), POINTER_SHOWN_BYTES);
    char *shown = NULL;
    bool ok = false;
    if (!json_check_find(body, len, pointer, &span)) {
        refuse(f, "unsupported_status", "%s is missing", field);
        goto out;
    }
    if (!json_check_text(body, &span, &value)) {
        refuse(f, "unsupported_status", "%s is not a plain value", field);
        goto out;
    }
    ok = is_allowed(allowed, &value);
    if (ok)
        goto out;
    shown = utf8_safe(value.data ? value.data : "", value.len, VALUE_SHOWN_BYTES);
    refuse(f, "unsupported_status", "%s is \"%s\"%s, which this source does not handle", field,
           shown, value.len > VALUE_SHOWN_BYTES ? " (cut)" : "");
out:
    free(shown);
    free(field);
    buf_free(&value);
    return ok;
}

bool rules_check(const json_t *source, const void *body, size_t len,
                 struct rules_failure *failure_out)
{
    const json_t *required = conf_value(source, "required");
    json_t *require = (json_t *)conf_value(source, "require"); /* foreach wants it so; only read */
    if (json_array_size(required) == 0 && json_object_size(require) == 0)
        return true;
    char why[128];
    if (!json_check(body, len, why, sizeof(why)))
        return refuse(failure_out, "validation", "the body is not JSON: %s", why);
    if (!check_required(required, body, len, failure_out))
        return false;
    const char *pointer;
    json_t *allowed;
    json_object_foreach(require, pointer, allowed) if (!check_value(pointer, allowed, body, len,
                                                                    failure_out)) return false;
    return true;
}
