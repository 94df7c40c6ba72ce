#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/conf/conf_errors.h"
#include "common/conf/conf_keys.h"

/* The views of a normalised configuration that the key table's flags describe. */

static const struct {
    const char *name;
    unsigned flag;
} roles[] = {
    {"ingest", CONF_INGEST},   {"consumer", CONF_CONSUMER}, {"retry", CONF_RETRY},
    {"keyring", CONF_KEYRING}, {"store", CONF_STORE},
};

/* Copies what stands at a dotted pattern from one object to another; "*" goes through all names. */
static void copy_key(const json_t *from, json_t *to, const char *pattern)
{
    size_t len = strcspn(pattern, ".");
    const char *rest = pattern + len + (pattern[len] == '.');
    if (strncmp(pattern, "*.", 2) == 0) {
        const char *name;
        json_t *one;
        json_object_foreach((json_t *)from, name, one)
        {
            if (!json_object_get(to, name))
                json_object_set_new(to, name, json_object());
            copy_key(one, json_object_get(to, name), rest);
        }
        return;
    }
    json_t *value = json_object_getn(from, pattern, len);
    assert(value);
    if (!*rest) {
        json_object_setn_new(to, pattern, len, json_deep_copy(value));
        return;
    }
    if (!json_object_getn(to, pattern, len))
        json_object_setn_new(to, pattern, len, json_object());
    copy_key(value, json_object_getn(to, pattern, len), rest);
}

json_t *conf_slice(const json_t *conf, const char *role)
{
    unsigned flag = 0;
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (strcmp(roles[i].name, role) == 0)
            flag = roles[i].flag;
    assert(flag);
    json_t *slice = json_object();
    for (size_t i = 0; i < conf_keys_count(); i++)
        if (conf_keys_at(i)->flags & flag)
            copy_key(conf, slice, conf_keys_at(i)->path);
    return slice;
}

/* Of a token its name and role stay readable. */
static json_t *mask_entry(const json_t *entry)
{
    if (!json_is_object(entry))
        return json_string("***");
    json_t *token = json_deep_copy(entry);
    json_object_set_new(token, "secret", json_string("***"));
    return token;
}

static json_t *mask_value(const json_t *value)
{
    if (json_is_array(value)) {
        json_t *list = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            json_array_append_new(list, mask_entry(json_array_get(value, i)));
        return list;
    }
    if (json_is_object(value)) {
        json_t *map = json_object();
        const char *name;
        json_t *one;
        json_object_foreach((json_t *)value, name, one)
        {
            (void)one;
            json_object_set_new(map, name, json_string("***"));
        }
        return map;
    }
    return json_string("***");
}

/* Replaces what stands at a dotted pattern. */
static void mask_key(json_t *in, const char *pattern)
{
    size_t len = strcspn(pattern, ".");
    const char *rest = pattern + len + (pattern[len] == '.');
    if (strncmp(pattern, "*.", 2) == 0) {
        const char *name;
        json_t *one;
        json_object_foreach(in, name, one)
        {
            mask_key(one, rest);
        }
        return;
    }
    json_t *value = json_object_getn(in, pattern, len);
    if (value && *rest)
        mask_key(value, rest);
    else if (value)
        json_object_setn_new(in, pattern, len, mask_value(value));
}

json_t *conf_masked(const json_t *conf)
{
    json_t *masked = json_deep_copy(conf);
    for (size_t i = 0; i < conf_keys_count(); i++)
        if (conf_keys_at(i)->flags & CONF_SECRET)
            mask_key(masked, conf_keys_at(i)->path);
    return masked;
}

/* Adds an error for each place below `path` at which the two differ; "*" goes through the names
 * that both have. */
static void refuse_changes(const json_t *current, const json_t *next, const char *path,
                           const char *pattern, struct conf_errors *errors)
{
    size_t len = strcspn(pattern, ".");
    const char *rest = pattern + len + (pattern[len] == '.');
    if (!*pattern) {
        if (!json_equal(current, next))
            conf_errors_add(errors, path,
                            "needs a restart: this key cannot be changed by a reload");
        return;
    }
    const char *name;
    json_t *one;
    json_object_foreach((json_t *)current, name, one)
    {
        json_t *other = json_object_get(next, name);
        if (!other || (strncmp(pattern, "*", len) != 0 &&
                       (strlen(name) != len || strncmp(name, pattern, len) != 0)))
            continue;
        char *below = *path ? xasprintf("%s.%s", path, name) : xstrdup(name);
        refuse_changes(one, other, below, rest, errors);
        free(below);
    }
}

bool conf_reload_allowed(const json_t *current, const json_t *next, struct conf_errors *errors)
{
    size_t before = errors->count;
    for (size_t i = 0; i < conf_keys_count(); i++)
        if (!(conf_keys_at(i)->flags & CONF_RELOADABLE))
            refuse_changes(current, next, "", conf_keys_at(i)->path, errors);
    return errors->count == before;
}
