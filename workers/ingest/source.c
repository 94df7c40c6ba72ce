#include "workers/ingest/source.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws/sqs.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/webhook/webhook.h"

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void load(struct source *s, const char *name, const json_t *conf)
{
    size_t limit = webhook_max_body(SQS_MESSAGE_BYTES);
    size_t configured = (size_t)conf_int(conf, "max_body_bytes");
    s->name = name;
    s->conf = conf;
    s->path = conf_str(conf, "path");
    s->json = strcmp(conf_str(conf, "body"), "json") == 0;
    s->max_body_bytes = configured ? smaller(configured, limit) : limit;
    s->ack_deadline_ms = (int)conf_int(conf, "ack_deadline_ms");
}

void source_list_load(struct source_list *list, const json_t *conf)
{
    json_t *sources = (json_t *)conf_value(conf, "sources"); /* foreach wants it so; only read */
    const char *name;
    json_t *one;
    *list =
        (struct source_list){.items = xcalloc(json_object_size(sources) + 1, sizeof(*list->items))};
    json_object_foreach(sources, name, one)
    {
        struct source *s = &list->items[list->count++];
        load(s, name, one);
        if (s->max_body_bytes > list->max_body_bytes)
            list->max_body_bytes = s->max_body_bytes;
    }
}

void source_list_free(struct source_list *list)
{
    free(list->items);
    *list = (struct source_list){0};
}

const struct source *source_list_find(const struct source_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].path, path) == 0)
            return &list->items[i];
    return NULL;
}

bool source_takes(const struct source *s, const void *body, size_t len, size_t message_bytes)
{
    size_t limit = webhook_max_body(message_bytes);
    if (len > smaller(s->max_body_bytes, limit))
        return false;
    return len <= limit / 4 * 3 || sqs_body_allowed(body, len);
}
