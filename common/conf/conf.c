#include "common/conf/conf.h"

#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/fdio.h"
#include "common/base/ip_range.h"
#include "common/base/xalloc.h"
#include "common/conf/conf_aws.h"
#include "common/conf/conf_check.h"
#include "common/conf/conf_errors.h"
#include "common/conf/conf_fill.h"
#include "common/conf/conf_text.h"

#define FILE_MAX (1024 * 1024)

/* The directory of a file, absolute; NULL with errno. */
static char *directory_of(const char *path)
{
    char *copy = xstrdup(path);
    char *directory = realpath(dirname(copy), NULL);
    free(copy);
    return directory;
}

/* The file as JSON, comments removed; NULL after adding the error. */
static json_t *parse_file(const char *path, struct conf_errors *errors)
{
    struct buf text = {0};
    json_t *written = NULL;
    json_error_t error;
    int line;
    if (fdio_read_file(path, FILE_MAX, &text)) {
        if (errno == EFBIG)
            conf_errors_add(errors, "", "\"%.200s\" is larger than 1 MiB", path);
        else
            conf_errors_add(errors, "", "cannot read \"%.200s\": %s", path, strerror(errno));
    } else if ((line = conf_text_strip_comments(text.data, text.len))) {
        conf_errors_add(errors, "", "line %d: a comment begins here and never ends", line);
    } else if (!(written = json_loadb(text.data ? text.data : "", text.len, JSON_REJECT_DUPLICATES,
                                      &error))) {
        conf_errors_add(errors, "", "line %d, column %d: %s", error.line, error.column, error.text);
    } else if (!json_is_object(written)) {
        conf_errors_add(errors, "", "the file must hold one JSON object");
        json_decref(written);
        written = NULL;
    }
    if (text.data)
        explicit_bzero(text.data, text.cap);
    buf_free(&text);
    return written;
}

/* A program's path is relative to the base directory like any other; one without a slash is left
 * for conf_check to refuse. */
static void set_programs(json_t *conf, const char *base)
{
    const char *name;
    json_t *destination;
    json_object_foreach(json_object_get(conf, "destinations"), name, destination)
    {
        json_t *argv = json_object_get(destination, "argv");
        const char *program = json_string_value(json_array_get(argv, 0));
        if (!program || *program == '/' || !strchr(program, '/'))
            continue;
        char *path = xasprintf("%s/%s", base, program);
        json_array_set_new(argv, 0, json_string(path));
        free(path);
    }
}

static void set_run_dir(json_t *conf)
{
    if (*conf_str(conf, "run_dir"))
        return;
    char *path = xasprintf("%s/run", conf_str(conf, "state_dir"));
    json_object_set_new(conf, "run_dir", json_string(path));
    free(path);
}

static void add_queue(json_t *conf, const char *name)
{
    json_t *queues = json_object_get(conf, "queues");
    if (*name && !json_object_get(queues, name))
        json_object_set_new(
            queues, name,
            json_pack("{s:s, s:s, s:s}", "service", "embedded", "name", name, "url", ""));
}

/* Queues that sources name but nobody listed are embedded ones. */
static void add_unlisted_queues(json_t *conf)
{
    const char *name;
    json_t *source;
    json_object_foreach(json_object_get(conf, "sources"), name, source)
    {
        add_queue(conf, conf_str(source, "queue"));
        add_queue(conf, conf_str(source, "inspection_queue"));
        add_queue(conf, conf_str(source, "dead_letter.queue"));
    }
}

json_t *conf_inspect(const char *path, const char *base_dir, struct conf_errors *errors)
{
    *errors = (struct conf_errors){0};
    json_t *written = parse_file(path, errors);
    if (!written)
        return NULL;
    json_t *conf = NULL;
    char *base = base_dir ? realpath(base_dir, NULL) : directory_of(path);
    if (!base) {
        conf_errors_add(errors, "", "the base directory of \"%.200s\" cannot be reached: %s", path,
                        strerror(errno));
        goto out;
    }
    conf = conf_fill(written, base, errors);
    set_programs(conf, base);
    conf_aws_resolve(conf, errors);
    conf_check(conf, errors);
    set_run_dir(conf);
    add_unlisted_queues(conf);
out:
    free(base);
    json_decref(written);
    return conf;
}

json_t *conf_load(const char *path, const char *base_dir, struct conf_errors *errors)
{
    json_t *conf = conf_inspect(path, base_dir, errors);
    if (errors->count) {
        json_decref(conf);
        conf = NULL;
    }
    return conf;
}

const json_t *conf_value(const json_t *object, const char *path)
{
    const json_t *value = object;
    for (const char *p = path; *p && value;) {
        size_t len = strcspn(p, ".");
        value = json_object_getn(value, p, len);
        p += len + (p[len] == '.');
    }
    if (!value)
        fprintf(stderr, "configuration key \"%s\" is not in this slice\n", path);
    assert(value);
    return value;
}

int64_t conf_int(const json_t *object, const char *path)
{
    const json_t *value = conf_value(object, path);
    assert(json_is_integer(value));
    return json_integer_value(value);
}

bool conf_bool(const json_t *object, const char *path)
{
    const json_t *value = conf_value(object, path);
    assert(json_is_boolean(value));
    return json_is_true(value);
}

const char *conf_str(const json_t *object, const char *path)
{
    const char *value = json_string_value(conf_value(object, path));
    assert(value);
    return value;
}

struct ip_range *conf_networks(const json_t *object, size_t *count_out)
{
    const json_t *networks = conf_value(object, "allow_networks");
    struct ip_range *list = xcalloc(json_array_size(networks) + 1, sizeof(*list));
    *count_out = 0;
    for (size_t i = 0; i < json_array_size(networks); i++) {
        if (!ip_range_parse(json_string_value(json_array_get(networks, i)), &list[*count_out]))
            ++*count_out;
    }
    return list;
}
