#include "workers/retry/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/hex.h"
#include "common/base/xalloc.h"
#include "workers/retry/cursor.h"
#include "workers/retry/dlq_key.h"

#define NAME_MAX_BYTES 512

static void fault(struct params_fault *f, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fault(struct params_fault *f, const char *field, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    snprintf(f->field, sizeof(f->field), "%s", field);
    vsnprintf(f->why, sizeof(f->why), format, args);
    va_end(args);
}

/* ---- one taker a member; false: its value is not allowed, and why says what is ---- */

struct taking {
    struct params *params;
    const char *prefix;
};

static bool take_limit(const struct taking *t, const json_t *value)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 1 || n > PARAMS_LIMIT_MAX)
        return false;
    t->params->limit = (int)n;
    return true;
}

static bool take_token(const struct taking *t, const json_t *value)
{
    char *after = json_is_string(value) ? cursor_read(t->prefix, json_string_value(value)) : NULL;
    if (!after)
        return false;
    free(t->params->after);
    t->params->after = after;
    return true;
}

static bool take_name(char **out, const json_t *value)
{
    size_t len = json_string_length(value);
    if (!json_is_string(value) || len == 0 || len > NAME_MAX_BYTES)
        return false;
    *out = xstrdup(json_string_value(value));
    return true;
}

static bool take_source(const struct taking *t, const json_t *value)
{
    return take_name(&t->params->source, value);
}

static bool take_class(const struct taking *t, const json_t *value)
{
    return take_name(&t->params->error_class, value);
}

static bool take_event_id(const struct taking *t, const json_t *value)
{
    return take_name(&t->params->event_id, value);
}

static bool take_from(const struct taking *t, const json_t *value)
{
    const char *text = json_string_value(value);
    return text && clock_parse_rfc3339(text, &t->params->from_ms) == 0;
}

static bool take_to(const struct taking *t, const json_t *value)
{
    const char *text = json_string_value(value);
    return text && clock_parse_rfc3339(text, &t->params->to_ms) == 0;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool take_keys(const struct taking *t, const json_t *value)
{
    struct params *p = t->params;
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count < 1 || count > PARAMS_LIMIT_MAX)
        return false;
    p->keys = xcalloc(count, sizeof(*p->keys));
    for (size_t i = 0; i < count; i++) {
        const char *key = json_string_value(json_array_get(value, i));
        if (!key || !dlq_key_parse(t->prefix, key, NULL))
            return false;
        p->keys[p->key_count++] = xstrdup(key);
    }
    qsort(p->keys, p->key_count, sizeof(*p->keys), compare_keys);
    size_t kept = 0;
    for (size_t i = 0; i < p->key_count; i++) {
        if (kept > 0 && strcmp(p->keys[kept - 1], p->keys[i]) == 0)
            free(p->keys[i]);
        else
            p->keys[kept++] = p->keys[i];
    }
    p->key_count = kept;
    return true;
}

static bool take_dry_run(const struct taking *t, const json_t *value)
{
    t->params->dry_run = json_is_true(value);
    return json_is_boolean(value);
}

static bool take_force(const struct taking *t, const json_t *value)
{
    t->params->force = json_is_true(value);
    return json_is_boolean(value);
}

#define LISTS (1u << PARAMS_LIST | 1u << PARAMS_REDRIVE)

static const struct member {
    const char *name;
    unsigned forms;
    bool (*take)(const struct taking *t, const json_t *value);
    const char *allowed;
} members[] = {
    {"limit", LISTS, take_limit, "must be a whole number from 1 to 100"},
    {"next_token", LISTS, take_token,
     "is not a token that this API gave; leave it out to start from the beginning"},
    {"source", LISTS | 1u << PARAMS_TRACE, take_source, "must be a source's name"},
    {"error_class", LISTS, take_class, "must be the name of an error class, such as exhausted"},
    {"from", LISTS, take_from, "must be a time like 2026-11-22T09:30:00Z"},
    {"to", LISTS, take_to, "must be a time like 2026-11-22T09:30:00Z"},
    {"event_id", 1u << PARAMS_TRACE, take_event_id, "must be an event id of 1 to 512 bytes"},
    {"keys", 1u << PARAMS_REDRIVE, take_keys, "must be a list of 1 to 100 keys of dead letters"},
    {"dry_run", 1u << PARAMS_REDRIVE, take_dry_run, "must be true or false"},
    {"force", 1u << PARAMS_REDRIVE, take_force, "must be true or false"},
};

static const struct member *find_member(enum params_form form, const char *name)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (members[i].forms & 1u << form && strcmp(members[i].name, name) == 0)
            return &members[i];
    return NULL;
}

/* Steals object. */
static struct params *take_all(enum params_form form, const char *prefix, json_t *object,
                               struct params_fault *f)
{
    struct params *p = xcalloc(1, sizeof(*p));
    const struct taking t = {.params = p, .prefix = prefix};
    p->limit = PARAMS_LIMIT_DEFAULT;
    p->after = xstrdup("");
    p->from_ms = INT64_MIN;
    p->to_ms = INT64_MAX;
    bool good = true;
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        const struct member *member = find_member(form, name);
        if (!good)
            break;
        if (!member)
            fault(f, name, "is not known here");
        else if (!member->take(&t, value))
            fault(f, name, "%s", member->allowed);
        else
            continue;
        good = false;
    }
    if (good && p->keys && !json_object_get(object, "limit"))
        p->limit = (int)p->key_count;
    json_decref(object);
    if (good)
        return p;
    params_free(p);
    return NULL;
}

struct params *params_from_body(enum params_form form, const char *prefix, const void *body,
                                size_t len, struct params_fault *fault_out)
{
    json_error_t error;
    json_t *object = len ? json_loadb(body, len, JSON_REJECT_DUPLICATES, &error) : json_object();
    if (json_is_object(object))
        return take_all(form, prefix, object, fault_out);
    if (object)
        fault(fault_out, "", "the body must be a JSON object");
    else
        fault(fault_out, "", "the body is not JSON: %s", error.text);
    json_decref(object);
    return NULL;
}

char *params_decode(const char *text, size_t len, bool plus_is_blank)
{
    char *out = xmalloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        out[n] = plus_is_blank && text[i] == '+' ? ' ' : text[i];
        if (text[i] == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                free(out);
                return NULL;
            }
            out[n] = (char)(high << 4 | low);
            i += 2;
        }
        n++;
    }
    out[n] = '\0';
    return out;
}

/* Digits become a number; every other text stays one. */
static json_t *query_value(const char *name, const char *text)
{
    size_t len = strlen(text);
    if (strcmp(name, "limit") == 0 && len > 0 && len < 10 && strspn(text, "0123456789") == len)
        return json_integer(strtol(text, NULL, 10));
    return json_string(text);
}

/* One "name=value"; false after filling in the fault. */
static bool add_pair(json_t *object, const char *pair, size_t len, struct params_fault *f)
{
    const char *equals = memchr(pair, '=', len);
    size_t name_len = equals ? (size_t)(equals - pair) : len;
    char *name = params_decode(pair, name_len, true);
    char *text = equals ? params_decode(equals + 1, len - name_len - 1, true) : xstrdup("");
    json_t *value = name && text ? query_value(name, text) : NULL;
    bool good = false;
    if (!value)
        fault(f, "", "the query is not percent-encoded UTF-8");
    else if (json_object_get(object, name))
        fault(f, name, "is given twice");
    else
        good = json_object_set(object, name, value) == 0;
    if (value && !good && !*f->why)
        fault(f, "", "the query is not percent-encoded UTF-8");
    json_decref(value);
    free(name);
    free(text);
    return good;
}

struct params *params_from_query(enum params_form form, const char *prefix, const char *query,
                                 struct params_fault *fault_out)
{
    json_t *object = json_object();
    *fault_out = (struct params_fault){0};
    while (*query) {
        size_t len = strcspn(query, "&");
        if (len > 0 && !add_pair(object, query, len, fault_out)) {
            json_decref(object);
            return NULL;
        }
        query += len + (query[len] == '&');
    }
    return take_all(form, prefix, object, fault_out);
}

void params_free(struct params *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->key_count; i++)
        free(p->keys[i]);
    free(p->keys);
    free(p->after);
    free(p->source);
    free(p->error_class);
    free(p->event_id);
    free(p);
}
