#include "supervisor/changes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

static bool names_queue(const json_t *source, const char *queue)
{
    const json_t *names[] = {
        json_object_get(source, "queue"),
        json_object_get(source, "inspection_queue"),
        json_object_get(json_object_get(source, "dead_letter"), "queue"),
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *name = json_string_value(names[i]);
        if (name != NULL && strcmp(name, queue) == 0)
            return true;
    }
    return false;
}

static bool is_used(const json_t *slice, const char *queue)
{
    const char *name;
    json_t *source;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(slice, "sources"), name, source)
    {
        if (names_queue(source, queue))
            return true;
    }
    return false;
}

static bool differs(const json_t *current, const json_t *next, const char *name)
{
    const json_t *before = json_object_get(current, name), *after = json_object_get(next, name);
    return after != NULL && (before == NULL || !json_equal(before, after));
}

json_t *changes_objects(const json_t *current, const json_t *next)
{
    static const char *const sections[] = {"dead_letters", "ledger"};
    bool all = differs(current, next, "aws");
    const json_t *queues = json_object_get(current, "queues");
    json_t *next_queues = json_object_get(next, "queues"), *queue, *paths = json_array();
    const char *name;
    json_object_foreach(next_queues, name, queue)
    {
        bool is_new = is_used(next, name) && !is_used(current, name);
        if (!all && !is_new && !differs(queues, next_queues, name))
            continue;
        char *path = xasprintf("queues.%s", name);
        json_array_append_new(paths, json_string(path));
        free(path);
    }
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        if (json_object_get(next, sections[i]) != NULL &&
            (all || differs(current, next, sections[i])))
            json_array_append_new(paths, json_string(sections[i]));
    }
    return paths;
}
