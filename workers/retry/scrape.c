#include "workers/retry/scrape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/conf/conf.h"
#include "workers/metrics.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void add_workers(struct metrics *m, const json_t *answer)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(answer, "workers"), i, one)
    {
        const struct metrics_worker w = {
            .name = text_of(one, "name"),
            .role = text_of(one, "role"),
            .up = strcmp(text_of(one, "state"), "UP") == 0,
            .healthy = json_is_true(json_object_get(one, "healthy")),
            .restarts = json_integer_value(json_object_get(one, "restarts")),
            .account = json_object_get(one, "beat"),
        };
        metrics_add_worker(m, &w);
    }
}

static bool names_source(const json_t *held, const char *source)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(held, "sources"), i, name)
    {
        if (strcmp(json_string_value(name), source) == 0)
            return true;
    }
    return false;
}

static bool is_source_held(const json_t *list, const char *source, bool by_person)
{
    size_t i;
    json_t *held;
    json_array_foreach((json_t *)(uintptr_t)list, i, held)
    {
        bool is_pause = strcmp(text_of(held, "kind"), "paused") == 0;
        if (is_pause == by_person && names_source(held, source))
            return true;
    }
    return false;
}

static bool is_destination_held(const json_t *list, const char *destination)
{
    size_t i;
    json_t *held;
    json_array_foreach((json_t *)(uintptr_t)list, i, held)
    {
        if (strcmp(text_of(held, "kind"), "destination") == 0 &&
            strcmp(text_of(held, "name"), destination) == 0)
            return true;
    }
    return false;
}

char *scrape_text(const json_t *conf, const json_t *answer, const json_t *held)
{
    struct metrics *m = metrics_new();
    const char *name;
    json_t *described;
    add_workers(m, answer);
    json_object_foreach((json_t *)(uintptr_t)conf_value(conf, "sources"), name, described)
    {
        metrics_add_thing(m, "source_paused", "source", name, is_source_held(held, name, true));
        metrics_add_thing(m, "source_held_back", "source", name, is_source_held(held, name, false));
    }
    json_object_foreach((json_t *)(uintptr_t)conf_value(conf, "destinations"), name, described)
    {
        metrics_add_thing(m, "destination_held_back", "destination", name,
                          is_destination_held(held, name));
    }
    char *text = metrics_text(m);
    metrics_free(m);
    return text;
}
