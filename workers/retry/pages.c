#include "workers/retry/pages.h"

#include <stdlib.h>

#include "common/base/xalloc.h"

struct pages {
    const struct dead_letters *d; /* borrowed: outlives us */
    int page_size;
    uint64_t call;     /* under way, or 0 */
    struct walk *walk; /* borrowed, while a call is under way */
};

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

static void on_page(void *arg, const struct aws_reply *reply, const struct s3_listed *objects,
                    size_t count, bool truncated)
{
    struct pages *p = arg;
    p->call = 0;
    if (reply->class != AWS_OK) {
        char *error = dead_letters_failure(p->d, "s3:ListBucket", reply);
        walk_page(p->walk, NULL, 0, false, error);
        free(error);
        return;
    }
    char **keys = xcalloc(count + 1, sizeof(*keys));
    for (size_t i = 0; i < count; i++)
        keys[i] = (char *)(uintptr_t)objects[i].key;
    walk_page(p->walk, keys, count, truncated, "");
    free(keys);
}

void pages_list(struct pages *p, struct walk *walk, const char *after)
{
    const struct dead_letters *d = p->d;
    p->walk = walk;
    p->call = s3_list_objects(d->client, d->s3, d->bucket, d->prefix, after, p->page_size,
                              &dead_letters_patience, on_page, p);
}

void pages_give_up(struct pages *p)
{
    if (!p->call)
        return;
    aws_cancel(p->d->client, p->call);
    p->call = 0;
    walk_page(p->walk, NULL, 0, false, "the dead letters cannot be listed: no answer in time");
}
