#include "common/conf/conf_tokens.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/conf/conf_errors.h"
#include "common/conf/conf_keys.h"
#include "common/conf/conf_text.h"
#include "common/conf/conf_value.h"

static const struct conf_key members[] = {
    {.path = "name", .type = CONF_STRING, .format = conf_format_name},
    {.path = "secret", .type = CONF_STRING, .flags = CONF_SECRET, .format = conf_format_token},
    {.path = "role", .type = CONF_WORD, .words = "read|redrive|admin"},
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

/* Whether all that is written are members that a token has. */
static bool refuse_unknowns(const char *path, const json_t *written, struct conf_errors *errors)
{
    const char *names[MEMBERS];
    bool all_known = true;
    for (size_t i = 0; i < MEMBERS; i++)
        names[i] = members[i].path;
    const char *member;
    json_t *value;
    json_object_foreach((json_t *)written, member, value)
    {
        bool known = false;
        for (size_t i = 0; i < MEMBERS && !known; i++)
            known = strcmp(member, names[i]) == 0;
        if (known)
            continue;
        const char *near = conf_text_nearest(member, names, MEMBERS);
        char *at = xasprintf("%s.%s", path, member);
        if (near)
            conf_errors_add(errors, at, "unknown key; did you mean \"%s\"?", near);
        else
            conf_errors_add(errors, at, "unknown key; there are name, secret, role");
        free(at);
        all_known = false;
    }
    return all_known;
}

json_t *conf_tokens_check(const char *path, const json_t *written, const char *base_dir,
                          struct conf_errors *errors)
{
    if (!json_is_object(written)) {
        conf_errors_add(errors, path, "expected {\"name\", \"secret\", \"role\"}");
        return NULL;
    }
    bool good = refuse_unknowns(path, written, errors);
    json_t *token = json_object();
    for (size_t i = 0; i < MEMBERS; i++) {
        char *at = xasprintf("%s.%s", path, members[i].path);
        const json_t *one = json_object_get(written, members[i].path);
        json_t *value = NULL;
        if (one)
            value = conf_value_check(&members[i], at, one, base_dir, errors);
        else
            conf_errors_add(errors, at, "must be written");
        if (value)
            json_object_set_new(token, members[i].path, value);
        else
            good = false;
        free(at);
    }
    if (good)
        return token;
    json_decref(token);
    return NULL;
}
