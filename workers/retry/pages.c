#include "workers/retry/pages.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

struct pages {
    const struct dead_letters *d; /* borrowed: outlives us */
    int page_size;
    uint64_t call;     /* under way, or 0 */
    struct walk *walk; /* borrowed, while a call is under way, as is: */
    const char *after;
};

static void ask(struct pages *p, const char *token);

struct pages *pages_new(const struct dead_letters *d, int page_size)
{
    struct pages *p = xcalloc(1, sizeof(*p));
    p->d = d;
    p->page_size = page_size;
    return p;
}

void pages_free(struct pages *p)
{
    if (p && p->call)
        aws_cancel(p->d->client, p->call);
    free(p);
}

/* A bucket that holds much that was deleted may have pages with nothing in them. */
static bool leads_on(const struct pages *p, const struct s3_page *page)
{
    bool brings_keys = page->count > 0 && strcmp(page->objects[page->count - 1].key, p->after) > 0;
    return !brings_keys && page->truncated && *page->token;
}

static void on_page(void *arg, const struct aws_reply *reply, const struct s3_page *page)
{
    struct pages *p = arg;
    p->call = 0;
    if (reply->class != AWS_OK) {
        char *error = dead_letters_failure(p->d, "s3:ListBucket", reply);
        walk_page(p->walk, NULL, 0, false, error);
        free(error);
        return;
    }
    if (leads_on(p, page)) {
        ask(p, page->token);
        return;
    }
    char **keys = xcalloc(page->count + 1, sizeof(*keys));
    for (size_t i = 0; i < page->count; i++)
        keys[i] = (char *)(uintptr_t)page->objects[i].key;
    walk_page(p->walk, keys, page->count, page->truncated, "");
    free(keys);
}

static void ask(struct pages *p, const char *token)
{
    const struct dead_letters *d = p->d;
    const struct s3_range range = {d->prefix, p->after, token, p->page_size};
    p->call =
        s3_list_objects(d->client, d->s3, d->bucket, &range, &dead_letters_patience, on_page, p);
}

void pages_list(struct pages *p, struct walk *walk, const char *after)
{
    p->walk = walk;
    p->after = after;
    ask(p, "");
}

void pages_give_up(struct pages *p)
{
    if (!p->call)
        return;
    aws_cancel(p->d->client, p->call);
    p->call = 0;
    walk_page(p->walk, NULL, 0, false, "the dead letters cannot be listed: no answer in time");
}
