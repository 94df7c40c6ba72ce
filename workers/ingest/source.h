#ifndef WORKERS_INGEST_SOURCE_H
#define WORKERS_INGEST_SOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The configured sources as ingest needs them, and which limits hold for a body. Pure. */
struct source {
    const char *name; /* borrow: the configuration, like all below */
    const char *path;
    const json_t *conf;    /* the normalised source */
    bool json;             /* what is not JSON is refused */
    size_t max_body_bytes; /* on a queue that takes the largest messages */
    int ack_deadline_ms;
};

struct source_list {
    struct source *items; /* own */
    size_t count;
    size_t max_body_bytes; /* the largest of all sources */
};

/* conf is the worker's slice; borrowed. */
void source_list_load(struct source_list *list, const json_t *conf);
void source_list_free(struct source_list *list);

/* The source with exactly this path, or NULL. */
const struct source *source_list_find(const struct source_list *list, const char *path);

/* Whether a body can be kept: not larger than the source allows, nor than what fits into a message
 * of so many bytes in the form in which it travels. */
bool source_takes(const struct source *s, const void *body, size_t len, size_t message_bytes);

#endif
