#include "common/conf/conf_check_oauth.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/conf/conf_check_http.h"
#include "common/conf/conf_errors.h"
#include "common/conf/conf_text.h"

#define PATH_BYTES 160

static const char *path_of(char out[PATH_BYTES], const char *at, const char *key)
{
    snprintf(out, PATH_BYTES, "%.110s.%s", at, key);
    return out;
}

/* ---- under oauth ---- */

static void check_place(const char *at, const json_t *one, struct conf_errors *errors)
{
    bool has_token = *conf_str(one, "token_url"), has_discovery = *conf_str(one, "discovery_url");
    char path[PATH_BYTES];
    if (!has_token && !has_discovery)
        conf_errors_add(errors, path_of(path, at, "token_url"),
                        "must be written, or discovery_url, which says where tokens are given");
    if (has_token && has_discovery)
        conf_errors_add(errors, path_of(path, at, "discovery_url"),
                        "cannot stand beside token_url: leave one of them out");
    conf_check_http(at, one, has_token ? "token_url" : "discovery_url", errors);
    conf_check_http_secret(at, one, has_token ? "token_url" : "discovery_url", errors);
}

static void check_grant(const char *at, const json_t *one, struct conf_errors *errors)
{
    static const char *const keys[] = {"username", "password"};
    bool wanted = strcmp(conf_str(one, "grant"), "password") == 0;
    char path[PATH_BYTES];
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        bool written = *conf_str(one, keys[i]);
        /* Where it is written wrong that is said already. */
        if (wanted && !written && !conf_errors_concern(errors, path_of(path, at, keys[i])))
            conf_errors_add(errors, path, "must be written: grant is \"password\"");
        if (!wanted && written)
            conf_errors_add(errors, path_of(path, at, keys[i]),
                            "is only for grant password; this one's grant is \"%s\"",
                            conf_str(one, "grant"));
    }
}

/* ---- who uses them ---- */

struct user {
    const char *at;       /* "destinations.crm" */
    const json_t *object; /* with url, oauth, allow_networks */
};

static void check_name(const json_t *conf, const struct user *user, struct conf_errors *errors)
{
    const json_t *all = conf_value(conf, "oauth");
    const char *name = conf_str(user->object, "oauth");
    if (json_object_get(all, name))
        return;
    size_t count = 0;
    const char **names = xcalloc(json_object_size(all) + 1, sizeof(*names));
    const char *one;
    json_t *value;
    json_object_foreach((json_t *)all, one, value)
    {
        (void)value;
        names[count++] = one;
    }
    char path[PATH_BYTES];
    path_of(path, user->at, "oauth");
    const char *near = conf_text_nearest(name, names, count);
    if (near)
        conf_errors_add(errors, path, "unknown name \"%s\"; did you mean \"%s\"?", name, near);
    else if (!conf_errors_concern(errors, "oauth"))
        conf_errors_add(errors, path, "unknown name \"%s\": add it under oauth", name);
    free(names);
}

static void check_user(const json_t *conf, const struct user *user, struct conf_errors *errors)
{
    char path[PATH_BYTES];
    const char *name = conf_str(user->object, "oauth");
    if (!*name)
        return;
    check_name(conf, user, errors);
    if (!*conf_str(user->object, "url")) {
        if (!conf_errors_concern(errors, path_of(path, user->at, "url")))
            conf_errors_add(errors, path, "must be written: oauth is of no use without it");
        return;
    }
    conf_check_http_secret(user->at, user->object, "url", errors);
}

static void refuse_second_authorization(const struct user *user, struct conf_errors *errors)
{
    const char *header;
    json_t *value;
    char path[PATH_BYTES];
    if (!*conf_str(user->object, "oauth"))
        return;
    json_object_foreach((json_t *)conf_value(user->object, "headers"), header, value)
    {
        (void)value;
        if (strcasecmp(header, "Authorization") == 0)
            conf_errors_add(errors, path_of(path, user->at, "headers.Authorization"),
                            "cannot stand beside oauth, which sets this header: leave one of them "
                            "out");
    }
}

static void check_destinations(const json_t *conf, struct conf_errors *errors)
{
    const char *name;
    json_t *destination;
    json_object_foreach((json_t *)conf_value(conf, "destinations"), name, destination)
    {
        char at[PATH_BYTES];
        snprintf(at, sizeof(at), "destinations.%s", name);
        const struct user user = {at, destination};
        check_user(conf, &user, errors);
        refuse_second_authorization(&user, errors);
    }
}

static void check_sources(const json_t *conf, struct conf_errors *errors)
{
    static const char *const calls[] = {"check", "acknowledge"};
    const char *name;
    json_t *source;
    json_object_foreach((json_t *)conf_value(conf, "sources"), name, source)
    {
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
            char at[PATH_BYTES];
            snprintf(at, sizeof(at), "sources.%s.%s", name, calls[i]);
            const struct user user = {at, conf_value(source, calls[i])};
            check_user(conf, &user, errors);
            conf_check_http(at, user.object, "url", errors);
        }
    }
}

void conf_check_oauth(const json_t *conf, struct conf_errors *errors)
{
    const json_t *all = conf_value(conf, "oauth");
    const char *name;
    json_t *one;
    if (json_object_size(all) > CONF_CHECK_OAUTH_MAX)
        conf_errors_add(errors, "oauth", "takes at most %d, found %zu", CONF_CHECK_OAUTH_MAX,
                        json_object_size(all));
    check_destinations(conf, errors);
    check_sources(conf, errors);
    json_object_foreach((json_t *)all, name, one)
    {
        char at[PATH_BYTES];
        snprintf(at, sizeof(at), "oauth.%s", name);
        check_place(at, one, errors);
        check_grant(at, one, errors);
    }
}
