#include "common/conf/conf_fill.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/conf/conf_errors.h"
#include "common/conf/conf_keys.h"
#include "common/conf/conf_text.h"
#include "common/conf/conf_value.h"

#define MEMBERS_MAX 32
/* conf_check compares each named object with each other, and a reload does not let the supervisor's
 * loop turn meanwhile. */
#define NAMED_MAX 500

struct fill {
    const char *base_dir;       /* borrowed for the fill */
    struct conf_errors *errors; /* borrowed for the fill */
};

/* One object of the table and what there is for it. */
struct place {
    const char *pattern;   /* "sources.*.retry" */
    const char *path;      /* "sources.genesys.retry" */
    const char *name;      /* "genesys"; "" outside named objects */
    const json_t *written; /* or NULL */
    const json_t *preset;  /* or NULL */
};

static json_t *fill_object(const struct fill *f, const struct place *at);

static char *join(const char *parent, const char *child)
{
    return *parent ? xasprintf("%s.%s", parent, child) : xstrdup(child);
}

/* A key's default with the object's own name put in. */
static json_t *fallback_of(const struct conf_key *key, const char *name)
{
    if (!key->fallback)
        return conf_value_empty(key);
    const char *mark = strstr(key->fallback, "{name}");
    char *text = mark ? xasprintf("%.*s%s%s", (int)(mark - key->fallback), key->fallback, name,
                                  mark + strlen("{name}"))
                      : xstrdup(key->fallback);
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert(value);
    free(text);
    return value;
}

/* What a key gets that is not written. */
static json_t *unwritten(const struct fill *f, const struct conf_key *key, const char *path,
                         const struct place *at, const char *member)
{
    json_t *from_preset = json_object_get(at->preset, member);
    if (from_preset)
        return json_deep_copy(from_preset);
    if (!key->fallback)
        conf_errors_add(f->errors, path, "must be written: %s", key->doc);
    return fallback_of(key, at->name);
}

static json_t *fill_key(const struct fill *f, const struct conf_key *key, const char *path,
                        const struct place *at, const char *member, const char *type)
{
    const json_t *written = json_object_get(at->written, member);
    bool applies = !key->when || conf_keys_has_word(key->when, type);
    /* Where the type itself is wrong nothing is said about the keys that hang on it. */
    if (!applies && written && *type)
        conf_errors_add(f->errors, path, "is only for type %s; this one's type is \"%s\"",
                        key->when, type);
    if (!applies)
        return fallback_of(key, at->name);
    if (!written)
        return unwritten(f, key, path, at, member);
    json_t *value = conf_value_check(key, path, written, f->base_dir, f->errors);
    return value ? value : fallback_of(key, at->name);
}

/* The preset under a source. A mistyped one is reported as a value; what it most likely means
 * serves here, so that one slip is one error. */
static json_t *preset_of(const json_t *written)
{
    static const char *const names[] = {"generic", "genesys-outbound", "cxone-data-actions"};
    const char *name = json_string_value(json_object_get(written, "preset"));
    if (!name)
        return NULL;
    char reason[8];
    char *expanded = conf_text_expand(name, reason, sizeof(reason));
    const char *near = expanded ? conf_text_nearest(expanded, names, 3) : NULL;
    free(expanded);
    return near ? json_loads(conf_keys_preset(near), 0, NULL) : NULL;
}

static void fill_named_one(const struct fill *f, const struct place *map, const char *name,
                           const json_t *written, json_t *out)
{
    char *path = join(map->path, name);
    char *pattern = join(map->pattern, "*");
    bool is_queue = strcmp(map->pattern, "queues") == 0;
    const char *expected = is_queue ? conf_format_queue(name) : conf_format_name(name);
    if (expected) {
        conf_errors_add(f->errors, path, "the name must be %s", expected);
    } else if (!json_is_object(written)) {
        conf_errors_add(f->errors, path, "expected an object");
    } else {
        json_t *preset = strcmp(pattern, "sources.*") == 0 ? preset_of(written) : NULL;
        struct place at = {pattern, path, name, written, preset};
        json_object_set_new(out, name, fill_object(f, &at));
        json_decref(preset);
    }
    free(pattern);
    free(path);
}

static json_t *fill_named(const struct fill *f, const struct place *map)
{
    json_t *out = json_object();
    const char *name;
    json_t *written;
    size_t count = json_object_size(map->written);
    if (count > NAMED_MAX) {
        conf_errors_add(f->errors, map->path, "takes at most %d, found %zu", NAMED_MAX, count);
        return out;
    }
    json_object_foreach((json_t *)map->written, name, written)
    {
        fill_named_one(f, map, name, written, out);
    }
    return out;
}

/* A key that stands elsewhere in the same object ("max_retries" beside "retry" instead of in it).
 */
static const char *misplaced(const char *pattern, const char *member)
{
    size_t len = strlen(pattern);
    for (size_t i = 0; i < conf_keys_count(); i++) {
        const char *path = conf_keys_at(i)->path;
        const char *dot = strrchr(path, '.');
        if (len && (strncmp(path, pattern, len) != 0 || path[len] != '.'))
            continue;
        if (dot && strcmp(dot + 1, member) == 0 && !strchr(path + len, '*'))
            return len ? path + len + 1 : path;
    }
    return NULL;
}

static void refuse_unknown(const struct fill *f, const struct place *at, const char *member,
                           const char *const *members, size_t count)
{
    char *path = join(at->path, member);
    const char *near = conf_text_nearest(member, members, count);
    if (!near)
        near = misplaced(at->pattern, member);
    if (near) {
        conf_errors_add(f->errors, path, "unknown key; did you mean \"%s\"?", near);
    } else {
        struct buf known = {0};
        for (size_t i = 0; i < count; i++)
            buf_printf(&known, "%s%s", i ? ", " : "", members[i]);
        conf_errors_add(f->errors, path, "unknown key; there are %s", known.data);
        buf_free(&known);
    }
    free(path);
}

static void refuse_unknowns(const struct fill *f, const struct place *at)
{
    char names[MEMBERS_MAX][CONF_KEYS_NAME_BYTES];
    const char *members[MEMBERS_MAX];
    size_t count = 0, i = 0;
    while (count < MEMBERS_MAX && conf_keys_next(at->pattern, &i, names[count])) {
        members[count] = names[count];
        count++;
    }
    const char *member;
    json_t *value;
    json_object_foreach((json_t *)at->written, member, value)
    {
        bool known = false;
        for (size_t m = 0; m < count && !known; m++)
            known = strcmp(members[m], member) == 0;
        if (!known)
            refuse_unknown(f, at, member, members, count);
    }
}

/* One member of an object: a key, an object of its own, or a map of named objects. */
static json_t *fill_member(const struct fill *f, const struct place *at, const char *member,
                           const char *type)
{
    char *pattern = join(at->pattern, member);
    char *path = join(at->path, member);
    const struct conf_key *key = conf_keys_find(pattern);
    json_t *value;
    if (key) {
        value = fill_key(f, key, path, at, member, type);
    } else {
        const json_t *written = json_object_get(at->written, member);
        if (written && !json_is_object(written)) {
            conf_errors_add(f->errors, path, "expected an object");
            written = NULL;
        }
        struct place below = {pattern, path, at->name, written,
                              json_object_get(at->preset, member)};
        size_t i = 0;
        char first[CONF_KEYS_NAME_BYTES];
        bool named = conf_keys_next(pattern, &i, first) && strcmp(first, "*") == 0;
        value = named ? fill_named(f, &below) : fill_object(f, &below);
    }
    free(path);
    free(pattern);
    return value;
}

static json_t *fill_object(const struct fill *f, const struct place *at)
{
    refuse_unknowns(f, at);
    json_t *out = json_object();
    char member[CONF_KEYS_NAME_BYTES];
    size_t i = 0;
    while (conf_keys_next(at->pattern, &i, member)) {
        /* "type" stands first in the table, so the keys that hang on it find it filled. */
        const char *type = json_string_value(json_object_get(out, "type"));
        json_object_set_new(out, member, fill_member(f, at, member, type ? type : ""));
    }
    return out;
}

json_t *conf_fill(const json_t *written, const char *base_dir, struct conf_errors *errors)
{
    struct fill f = {base_dir, errors};
    struct place top = {"", "", "", written, NULL};
    return fill_object(&f, &top);
}
