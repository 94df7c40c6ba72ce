#include "workers/retry/reading.h"

#include <stdlib.h>

#include "common/base/xalloc.h"
#include "workers/retry/dlq_key.h"
#include "workers/retry/pages.h"

#define AT_ONCE 8
#define PAGE_KEYS 500

struct reading {
    const struct dead_letters *d; /* borrowed */
    struct reading_options o;
    struct pages *pages; /* own */
    struct walk *walk;   /* own */
    size_t started;
};

struct read {                /* one under way */
    struct reading *reading; /* borrowed: waits for us */
    struct letter *letter;   /* own */
    size_t index;
};

static void on_read(void *arg, enum letter_answer answer, const char *text)
{
    struct read *one = arg;
    struct reading *r = one->reading;
    bool counts = r->o.each(r->o.arg, one->index, one->letter, answer, text);
    letter_free(one->letter);
    free(one);
    walk_job_done(r->walk, counts);
}

static bool start(void *arg, const char *key)
{
    struct reading *r = arg;
    if (!dlq_key_parse(r->d->prefix, key, NULL) || (r->o.wanted && !r->o.wanted(r->o.arg, key)))
        return false;
    struct read *one = xcalloc(1, sizeof(*one));
    one->reading = r;
    one->index = r->started++;
    one->letter = letter_new(r->d, key);
    letter_read(one->letter, on_read, one);
    return true;
}

static void list(void *arg, const char *after)
{
    struct reading *r = arg;
    pages_list(r->pages, r->walk, after);
}

static void on_done(void *arg, const struct walk_end *end)
{
    struct reading *r = arg;
    r->o.done(r->o.arg, end);
    walk_free(r->walk);
    pages_free(r->pages);
    free(r);
}

struct reading *reading_start(const struct dead_letters *d, const struct reading_options *options)
{
    struct reading *r = xcalloc(1, sizeof(*r));
    r->d = d;
    r->o = *options;
    r->pages = pages_new(d, PAGE_KEYS);
    const struct walk_options walk = {
        .after = options->after,
        .beyond = options->beyond,
        .limit = options->limit,
        .max_keys = options->max_keys,
        .window = AT_ONCE,
        .start_until_mono_ms = options->start_until_mono_ms,
        .list = list,
        .start = start,
        .done = on_done,
        .arg = r,
    };
    r->walk = walk_new(d->base, &walk);
    return r;
}

void reading_stop(struct reading *r)
{
    walk_stop(r->walk);
}
