#ifndef WORKERS_RETRY_PAGE_H
#define WORKERS_RETRY_PAGE_H

#include <jansson.h>
#include <stdint.h>

/* The status page as HTML: pure, from the configuration slice and what the queues hold. */
struct buf;
struct counts_entry;

struct page {
    const json_t *conf;
    const char *trouble; /* why the service is not all right, "" where it is */
    int64_t uptime_s;
    const struct counts_entry *(*count)(const void *arg, const char *queue);
    const void *arg;
};

void page_render(const struct page *page, struct buf *out);

#endif
