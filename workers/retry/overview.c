#include "workers/retry/overview.h"

#include "common/conf/conf.h"
#include "workers/retry/counts.h"
#include "workers/retry/reply.h"

static json_t *number(const struct counts_entry *entry, int64_t n)
{
    return entry && entry->known ? json_integer(n) : json_null();
}

static json_t *all_of(const struct counts_entry *entry)
{
    return number(entry, entry ? entry->waiting + entry->in_work : 0);
}

static json_t *source_json(const struct overview *o, const char *name, const json_t *source)
{
    const struct counts_entry *queue = o->count(o->arg, conf_str(source, "queue"));
    const struct counts_entry *inspect = o->count(o->arg, conf_str(source, "inspection_queue"));
    const struct counts_entry *dead = o->count(o->arg, conf_str(source, "dead_letter.queue"));
    json_t *one = json_object();
    json_object_set_new(one, "name", reply_text(name));
    json_object_set_new(one, "preset", reply_text(conf_str(source, "preset")));
    json_object_set_new(one, "path", reply_text(conf_str(source, "path")));
    json_object_set_new(one, "destination", reply_text(conf_str(source, "destination")));
    json_object_set_new(one, "waiting", number(queue, queue ? queue->waiting : 0));
    json_object_set_new(one, "in_work", number(queue, queue ? queue->in_work : 0));
    json_object_set_new(one, "to_inspect", all_of(inspect));
    json_object_set_new(one, "in_dead_letter_queue", all_of(dead));
    json_object_set_new(one, "keeps_dead_letters",
                        json_boolean(conf_bool(source, "dead_letter.s3")));
    return one;
}

json_t *overview_json(const struct overview *o)
{
    json_t *all = (json_t *)(uintptr_t)conf_value(o->conf, "sources");
    json_t *sources = json_array();
    const char *name;
    json_t *source;
    json_object_foreach(all, name, source)
    {
        json_array_append_new(sources, source_json(o, name, source));
    }
    json_t *out = json_object();
    json_object_set_new(out, "version", json_string(SLUICE_VERSION));
    json_object_set_new(out, "uptime_s", json_integer(o->uptime_s));
    json_object_set_new(out, "trouble", reply_text(o->trouble));
    json_object_set_new(out, "sources", sources);
    json_object_set_new(out, "held",
                        o->held ? json_incref((json_t *)(uintptr_t)o->held) : json_null());
    return out;
}
