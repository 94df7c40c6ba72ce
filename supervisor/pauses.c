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
    char *path;      /* own */
    json_t *entries; /* own: an array of {"source", "at", "by"}, each source once */
};

static const char *source_of(const json_t *entry)
{
    return json_string_value(json_object_get(entry, "source"));
}

static bool has(const json_t *entries, const char *source)
{
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)(uintptr_t)entries, i, entry)
    {
        if (strcmp(source_of(entry), source) == 0)
            return true;
    }
    return false;
}

static bool is_good(const json_t *entry)
{
    return source_of(entry) && json_is_string(json_object_get(entry, "at")) &&
           json_is_string(json_object_get(entry, "by"));
}

/* The good entries of a list. */
static json_t *copy_entries(const json_t *list)
{
    json_t *entries = json_array();
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)(uintptr_t)list, i, entry)
    {
        if (is_good(entry) && !has(entries, source_of(entry)))
            json_array_append(entries, entry);
    }
    return entries;
}

static json_t *read_entries(const char *path)
{
    struct buf text = {0};
    json_t *file = NULL;
    int rc = fdio_read_file(path, FILE_MAX_BYTES, &text);
    bool is_missing = rc != 0 && errno == ENOENT;
    if (rc == 0)
        file = json_loadb(text.data ? text.data : "", text.len, 0, NULL);
    const json_t *list = json_object_get(file, "paused");
    json_t *entries = copy_entries(list);
    bool is_whole = json_is_array(list) && json_array_size(entries) == json_array_size(list);
    if (!is_missing && !is_whole)
        log_error("%s is damaged: of the sources that were paused, only those that sluicectl status "
                  "lists still are; pause the others again with sluicectl",
                  path);
    json_decref(file);
    buf_free(&text);
    return entries;
}

struct pauses *pauses_new(const char *path)
{
    struct pauses *p = xcalloc(1, sizeof(*p));
    p->path = xstrdup(path);
    p->entries = read_entries(path);
    return p;
}

void pauses_free(struct pauses *p)
{
    if (!p)
        return;
    json_decref(p->entries);
    free(p->path);
    free(p);
}

bool pauses_has(const struct pauses *p, const char *source)
{
    return has(p->entries, source);
}

const json_t *pauses_list(const struct pauses *p)
{
    return p->entries;
}

static int write_entries(const char *path, json_t *entries)
{
    json_t *file = json_pack("{s:O}", "paused", entries);
    assert(file);
    char *text = json_dumps(file, JSON_COMPACT);
    json_decref(file);
    assert(text);
    int rc = fdio_replace_file(path, text, strlen(text), 0640);
    free(text);
    return rc;
}

/* Steals the entries. */
static int replace(struct pauses *p, json_t *entries)
{
    if (write_entries(p->path, entries) != 0) {
        json_decref(entries);
        return -1;
    }
    json_decref(p->entries);
    p->entries = entries;
    return 0;
}

int pauses_add(struct pauses *p, const json_t *sources, const char *at, const char *by)
{
    json_t *entries = json_copy(p->entries);
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)(uintptr_t)sources, i, name)
    {
        if (!has(entries, json_string_value(name)))
            json_array_append_new(entries,
                                  json_pack("{s:O, s:s, s:s}", "source", name, "at", at, "by", by));
    }
    return replace(p, entries);
}

int pauses_remove(struct pauses *p, const json_t *sources)
{
    json_t *entries = json_copy(p->entries);
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)(uintptr_t)sources, i, name)
    {
        for (size_t at = json_array_size(entries); at-- > 0;) {
            if (strcmp(source_of(json_array_get(entries, at)), json_string_value(name)) == 0)
                json_array_remove(entries, at);
        }
    }
    return replace(p, entries);
}
