#include "common/conf/conf_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/conf/conf_check_aws.h"
#include "common/conf/conf_check_http.h"
#include "common/conf/conf_check_oauth.h"
#include "common/conf/conf_errors.h"
#include "common/conf/conf_format.h"
#include "common/conf/conf_text.h"

/* Room between the end of a long poll and the end of a lease that began with it. */
#define LEASE_MARGIN_S 10

#define PATH_BYTES 160

/* "sources.genesys.retry.cap_s": names are at most 60 characters. */
static const char *path_of(char out[PATH_BYTES], const char *map, const char *name, const char *key)
{
    snprintf(out, PATH_BYTES, "%s.%s.%s", map, name, key);
    return out;
}

static bool reserved_path(const char *path)
{
    return strcmp(path, "/") == 0 || strcmp(path, "/healthz") == 0 ||
           strcmp(path, "/metrics") == 0 || strncmp(path, "/api/v1/dlq/", 12) == 0 ||
           strcmp(path, "/api/v1/dlq") == 0;
}

static void check_url_path(const json_t *sources, const char *name, const char *url_path,
                           struct conf_errors *errors)
{
    char at[PATH_BYTES];
    path_of(at, "sources", name, "path");
    if (reserved_path(url_path))
        conf_errors_add(errors, at, "\"%s\" is one of Sluice's own paths: take another", url_path);
    const char *other;
    json_t *source;
    json_object_foreach((json_t *)sources, other, source)
    {
        if (strcmp(other, name) == 0)
            return;
        if (*url_path && strcmp(conf_str(source, "path"), url_path) == 0)
            conf_errors_add(errors, at, "\"%s\" is already the path of source \"%s\"", url_path,
                            other);
    }
}

static void check_destination(const json_t *conf, const char *name, const char *destination,
                              struct conf_errors *errors)
{
    const json_t *destinations = conf_value(conf, "destinations");
    if (!*destination || json_object_get(destinations, destination))
        return;
    size_t count = 0;
    const char **names = xcalloc(json_object_size(destinations) + 1, sizeof(*names));
    const char *one;
    json_t *value;
    json_object_foreach((json_t *)destinations, one, value)
    {
        (void)value;
        names[count++] = one;
    }
    char at[PATH_BYTES];
    path_of(at, "sources", name, "destination");
    const char *near = conf_text_nearest(destination, names, count);
    if (near)
        conf_errors_add(errors, at, "unknown destination \"%s\"; did you mean \"%s\"?", destination,
                        near);
    else
        conf_errors_add(errors, at, "unknown destination \"%s\": add it under destinations",
                        destination);
    free(names);
}

static void check_retry(const char *name, const json_t *source, struct conf_errors *errors)
{
    char at[PATH_BYTES];
    long long visibility = conf_int(source, "retry.visibility_s");
    long long wait = conf_int(source, "retry.wait_s");
    if (visibility < wait + LEASE_MARGIN_S)
        conf_errors_add(errors, path_of(at, "sources", name, "retry.visibility_s"),
                        "%lld is less than wait_s + %d = %lld: raise visibility_s", visibility,
                        LEASE_MARGIN_S, wait + LEASE_MARGIN_S);
    long long base = conf_int(source, "retry.base_s"), cap = conf_int(source, "retry.cap_s");
    if (cap < base)
        conf_errors_add(errors, path_of(at, "sources", name, "retry.cap_s"),
                        "%lld is less than base_s = %lld: raise cap_s", cap, base);
    if (strcmp(conf_str(source, "retry.strategy"), "requeue") == 0 && !conf_bool(source, "ledger"))
        conf_errors_add(errors, path_of(at, "sources", name, "retry.strategy"),
                        "requeue needs the ledger, which tells copies apart: set ledger to true or "
                        "strategy to visibility");
}

static void check_dead_letter(const char *name, const json_t *source, struct conf_errors *errors)
{
    char at[PATH_BYTES];
    if (!*conf_str(source, "dead_letter.queue") && !conf_bool(source, "dead_letter.s3"))
        conf_errors_add(errors, path_of(at, "sources", name, "dead_letter"),
                        "events that finally fail would have no place: name a queue or set s3 to "
                        "true");
}

/* What the ledger has forgotten while it may still wait in a queue is delivered again. */
static void check_retention(const json_t *conf, const char *name, const json_t *source,
                            struct conf_errors *errors)
{
    long long retention = conf_int(conf, "ledger.retention_s");
    long long age = conf_int(source, "retry.age_limit_s");
    if (conf_bool(source, "ledger") && retention < age)
        conf_errors_warn(errors, "ledger.retention_s",
                         "%lld is less than sources.%s.retry.age_limit_s = %lld: a late repeat "
                         "would be delivered again",
                         retention, name, age);
}

static const char *const queue_keys[] = {"queue", "inspection_queue", "dead_letter.queue"};
#define QUEUE_KEYS (sizeof(queue_keys) / sizeof(queue_keys[0]))

static bool queue_is_used(const json_t *sources, const char *queue)
{
    const char *name;
    json_t *source;
    json_object_foreach((json_t *)sources, name, source)
    {
        for (size_t i = 0; i < QUEUE_KEYS; i++)
            if (strcmp(conf_str(source, queue_keys[i]), queue) == 0)
                return true;
    }
    return false;
}

/* A queue need not be listed. But a name that is nearly that of a listed one which nobody uses is a
 * slip, and would make a queue that nobody looks at. */
static void check_queue_name(const json_t *conf, const char *at, const char *queue,
                             struct conf_errors *errors)
{
    const json_t *queues = conf_value(conf, "queues");
    if (!*queue || json_object_get(queues, queue))
        return;
    const char *listed;
    json_t *value;
    json_object_foreach((json_t *)queues, listed, value)
    {
        (void)value;
        if (!queue_is_used(conf_value(conf, "sources"), listed) &&
            conf_text_nearest(queue, &listed, 1))
            conf_errors_add(errors, at, "unknown queue \"%s\"; did you mean \"%s\"?", queue,
                            listed);
    }
}

static void check_queues(const json_t *conf, const char *name, const json_t *source,
                         struct conf_errors *errors)
{
    char at[PATH_BYTES];
    for (size_t i = 0; i < QUEUE_KEYS; i++)
        check_queue_name(conf, path_of(at, "sources", name, queue_keys[i]),
                         conf_str(source, queue_keys[i]), errors);
    const char *queue = conf_str(source, "queue");
    path_of(at, "sources", name, "queue");
    bool before = true;
    const char *other;
    json_t *its;
    json_object_foreach((json_t *)conf_value(conf, "sources"), other, its)
    {
        if (strcmp(other, name) == 0)
            before = false;
        if (before && *queue && strcmp(conf_str(its, "queue"), queue) == 0)
            conf_errors_warn(errors, at,
                             "sources \"%s\" and \"%s\" share queue \"%s\": pausing one stops both",
                             other, name, queue);
        for (size_t i = 1; i < QUEUE_KEYS; i++)
            if (*queue && strcmp(conf_str(its, queue_keys[i]), queue) == 0)
                conf_errors_add(errors, at,
                                "\"%s\" is also %s of source \"%s\": what ends there would be "
                                "delivered again; take another name",
                                queue, queue_keys[i], other);
    }
}

static bool listens_beyond_loopback(const json_t *listen)
{
    size_t i;
    json_t *address;
    json_array_foreach((json_t *)listen, i, address)
    {
        if (!conf_format_is_loopback(json_string_value(address)))
            return true;
    }
    return false;
}

static void check_sources(const json_t *conf, struct conf_errors *errors)
{
    const json_t *sources = conf_value(conf, "sources");
    bool open = listens_beyond_loopback(conf_value(conf, "ingest.listen"));
    if (json_object_size(sources) == 0)
        conf_errors_warn(errors, "sources", "there is none: nothing will be accepted");
    const char *name;
    json_t *source;
    json_object_foreach((json_t *)sources, name, source)
    {
        check_url_path(sources, name, conf_str(source, "path"), errors);
        check_destination(conf, name, conf_str(source, "destination"), errors);
        check_retry(name, source, errors);
        check_dead_letter(name, source, errors);
        check_retention(conf, name, source, errors);
        check_queues(conf, name, source, errors);
        char at[PATH_BYTES];
        if (open && strcmp(conf_str(source, "verify.type"), "none") == 0)
            conf_errors_warn(errors, path_of(at, "sources", name, "verify.type"),
                             "none, and ingest.listen is reachable from other hosts: whoever "
                             "reaches it can post events");
    }
}

static void check_queue_map(const json_t *conf, struct conf_errors *errors)
{
    const json_t *queues = conf_value(conf, "queues");
    const char *name, *other;
    json_t *queue, *its;
    json_object_foreach((json_t *)queues, name, queue)
    {
        char at[PATH_BYTES];
        if (!queue_is_used(conf_value(conf, "sources"), name))
            conf_errors_warn(errors, path_of(at, "queues", name, "name"), "no source uses it");
        json_object_foreach((json_t *)queues, other, its)
        {
            if (strcmp(other, name) == 0)
                break;
            const char *url = conf_str(queue, "url");
            if (strcmp(conf_str(its, "url"), url) != 0)
                continue;
            if (*url)
                conf_errors_add(errors, path_of(at, "queues", name, "url"),
                                "is already that of queue \"%s\"", other);
            else if (strcmp(conf_str(its, "name"), conf_str(queue, "name")) == 0)
                conf_errors_add(errors, path_of(at, "queues", name, "name"),
                                "\"%s\" is already the name of queue \"%s\"",
                                conf_str(queue, "name"), other);
        }
    }
}

static void check_destinations(const json_t *conf, struct conf_errors *errors)
{
    const char *name;
    json_t *destination;
    json_object_foreach((json_t *)conf_value(conf, "destinations"), name, destination)
    {
        const char *program = json_string_value(json_array_get(conf_value(destination, "argv"), 0));
        char at[PATH_BYTES];
        snprintf(at, sizeof(at), "destinations.%s", name);
        if (strcmp(conf_str(destination, "type"), "http") == 0)
            conf_check_http(at, destination, "url", errors);
        path_of(at, "destinations", name, "argv");
        if (!program || strcmp(conf_str(destination, "type"), "exec") != 0)
            continue;
        if (*program != '/')
            conf_errors_add(errors, at, "\"%.80s\" has no directory: write the program's path",
                            program);
        else if (access(program, X_OK))
            conf_errors_warn(errors, at, "\"%.200s\" is not a program that can be run now",
                             program);
    }
}

/* An address twice, in one listener or in two. Port 0 is a different port each time. */
static void check_listeners(const json_t *conf, struct conf_errors *errors)
{
    static const char *const lists[] = {"ingest.listen", "retry.listen", "store.listen"};
    json_t *seen = json_object();
    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++) {
        size_t i;
        json_t *entry;
        json_array_foreach((json_t *)conf_value(conf, lists[l]), i, entry)
        {
            const char *address = json_string_value(entry);
            const char *first = json_string_value(json_object_get(seen, address));
            size_t len = strlen(address);
            if (first)
                conf_errors_add(errors, lists[l], "\"%s\" is already in %s", address, first);
            else if (strcmp(address + len - 2, ":0") != 0)
                json_object_set_new(seen, address, json_string(lists[l]));
        }
    }
    json_decref(seen);
}

/* No two tokens with one name, which is what the log says, or with one secret. */
static void check_tokens(const json_t *tokens, struct conf_errors *errors)
{
    size_t i;
    json_t *token;
    json_array_foreach((json_t *)tokens, i, token)
    {
        char at[PATH_BYTES];
        for (size_t j = 0; j < i; j++) {
            const json_t *other = json_array_get(tokens, j);
            snprintf(at, sizeof(at), "retry.tokens[%zu].name", i);
            if (strcmp(conf_str(token, "name"), conf_str(other, "name")) == 0)
                conf_errors_add(errors, at, "\"%s\" is already the name of retry.tokens[%zu]",
                                conf_str(token, "name"), j);
            snprintf(at, sizeof(at), "retry.tokens[%zu].secret", i);
            if (strcmp(conf_str(token, "secret"), conf_str(other, "secret")) == 0)
                conf_errors_add(errors, at, "is the same as that of retry.tokens[%zu]", j);
        }
    }
}

/* Who may use the retry API. */
static void check_access(const json_t *conf, struct conf_errors *errors)
{
    const json_t *tokens = conf_value(conf, "retry.tokens");
    check_tokens(tokens, errors);
    bool beyond = listens_beyond_loopback(conf_value(conf, "retry.listen"));
    /* Where the tokens themselves are wrong that is said already. */
    if (beyond && json_array_size(tokens) == 0 && !conf_errors_concern(errors, "retry.tokens"))
        conf_errors_add(errors, "retry.listen",
                        "is reachable from other hosts: add retry.tokens, or listen on 127.0.0.1");
    if (beyond && conf_bool(conf, "retry.open_on_loopback"))
        conf_errors_warn(
            errors, "retry.open_on_loopback",
            "true, and retry.listen is reachable from other hosts: those need a token, "
            "whoever is on this host does not");
    if (json_array_size(conf_value(conf, "retry.uids")) && !conf_bool(conf, "retry.unix_socket"))
        conf_errors_warn(errors, "retry.uids", "is of no use while retry.unix_socket is false");
}

void conf_check(const json_t *conf, struct conf_errors *errors)
{
    check_listeners(conf, errors);
    check_access(conf, errors);
    check_queue_map(conf, errors);
    conf_check_aws(conf, errors);
    check_destinations(conf, errors);
    check_sources(conf, errors);
    conf_check_oauth(conf, errors);
}
