#include "supervisor/pauses.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/fdio.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"

#define FILE_MAX_BYTES ((size_t)1024 * 1024)

struct pauses {
    char *path;    /* own */
    json_t *names; /* own: an array of strings, each once */
};

static bool has(const json_t *names, const char *source)
{
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)(uintptr_t)names, i, name)
    {
        if (strcmp(json_string_value(name), source) == 0)
            return true;
    }
    return false;
}

/* The good names of a list. */
static json_t *copy_names(const json_t *list)
{
    json_t *names = json_array();
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)(uintptr_t)list, i, name)
    {
        if (json_is_string(name) && !has(names, json_string_value(name)))
            json_array_append(names, name);
    }
    return names;
}

static json_t *read_names(const char *path)
{
    struct buf text = {0};
    json_t *file = NULL;
    int rc = fdio_read_file(path, FILE_MAX_BYTES, &text);
    bool is_missing = rc != 0 && errno == ENOENT;
    if (rc == 0)
        file = json_loadb(text.data ? text.data : "", text.len, 0, NULL);
    const json_t *list = json_object_get(file, "paused");
    if (!is_missing && !json_is_array(list))
        log_error("%s cannot be read: which sources were paused is not known; pause them again "
                  "with sluicectl",
                  path);
    json_t *names = copy_names(list);
    json_decref(file);
    buf_free(&text);
    return names;
}

struct pauses *pauses_new(const char *path)
{
    struct pauses *p = xcalloc(1, sizeof(*p));
    p->path = xstrdup(path);
    p->names = read_names(path);
    return p;
}

void pauses_free(struct pauses *p)
{
    if (!p)
        return;
    json_decref(p->names);
    free(p->path);
    free(p);
}

bool pauses_has(const struct pauses *p, const char *source)
{
    return has(p->names, source);
}

const json_t *pauses_names(const struct pauses *p)
{
    return p->names;
}

static int write_names(const char *path, json_t *names)
{
    json_t *file = json_pack("{s:O}", "paused", names);
    assert(file);
    char *text = json_dumps(file, JSON_COMPACT);
    json_decref(file);
    assert(text);
    int rc = fdio_replace_file(path, text, strlen(text), 0640);
    free(text);
    return rc;
}

int pauses_set(struct pauses *p, const json_t *sources, bool paused)
{
    json_t *names = json_array();
    size_t i;
    json_t *name;
    json_array_foreach(p->names, i, name)
    {
        if (paused || !has(sources, json_string_value(name)))
            json_array_append(names, name);
    }
    json_array_foreach((json_t *)(uintptr_t)sources, i, name)
    {
        if (paused && !has(names, json_string_value(name)))
            json_array_append(names, name);
    }
    if (write_names(p->path, names) != 0) {
        json_decref(names);
        return -1;
    }
    json_decref(p->names);
    p->names = names;
    return 0;
}
