#include "workers/retry/held.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/ipc/gate.h"
#include "workers/delivery_gate.h"

static json_t *time_json(int64_t wall_ms)
{
    char text[CLOCK_TEXT_BYTES];
    clock_rfc3339(wall_ms, text);
    return json_string(text);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static json_t *pause_json(const json_t *pause)
{
    const char *source = text_of(pause, "source");
    json_t *one =
        json_pack("{s:s, s:s, s:[s], s:s, s:n, s:s}", "kind", "paused", "name", source, "sources",
                  source, "since", text_of(pause, "at"), "until", "by", text_of(pause, "by"));
    assert(one);
    return one;
}

static bool holds_source(const json_t *conf, const char *source, const char *key, const char *queue)
{
    const json_t *described = json_object_get(conf_value(conf, "sources"), source);
    if (queue)
        return strcmp(conf_str(described, "queue"), queue) == 0;
    char *own = delivery_gate_key(conf, source);
    bool is_own = own && strcmp(own, key) == 0;
    free(own);
    return is_own;
}

static json_t *sources_of(const json_t *conf, const char *key, const char *queue)
{
    json_t *names = json_array();
    const char *source;
    json_t *described;
    json_object_foreach((json_t *)(uintptr_t)conf_value(conf, "sources"), source, described)
    {
        if (holds_source(conf, source, key, queue))
            json_array_append_new(names, json_string(source));
    }
    return names;
}

static json_t *gate_json(const json_t *conf, const json_t *gate, int64_t wall_ms)
{
    const char *key = text_of(gate, "key");
    const char *polling = gate_key_name(key, GATE_POLLING);
    const char *queue = polling ? polling : gate_key_name(key, GATE_PACE);
    const char *destination = gate_key_name(key, GATE_DESTINATION);
    int64_t held_ms = json_integer_value(json_object_get(gate, "held_s")) * 1000;
    int64_t left_ms = json_integer_value(json_object_get(gate, "left_ms"));
    const char *name = queue ? queue : destination ? destination : key;
    size_t len = destination ? strcspn(name, "/") : strlen(name); /* DESTINATION/SOURCE */
    json_t *one = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:s}", "kind", queue ? "queue" : "destination", "name",
        json_stringn(name, len), "sources", sources_of(conf, key, queue), "since",
        time_json(wall_ms - held_ms), "until",
        left_ms > 0 ? time_json(wall_ms + left_ms) : json_null(), "why", text_of(gate, "why"));
    assert(one);
    return one;
}

json_t *held_list(const json_t *conf, const json_t *answer, int64_t wall_ms)
{
    json_t *list = json_array();
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(answer, "paused"), i, one)
    {
        json_array_append_new(list, pause_json(one));
    }
    json_array_foreach(json_object_get(answer, "gates"), i, one)
    {
        json_array_append_new(list, gate_json(conf, one, wall_ms));
    }
    return list;
}
