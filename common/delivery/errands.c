#include "common/delivery/errands.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

struct errand {
    const char *source;              /* borrow, of the configuration */
    struct check *check;             /* own, or NULL */
    struct acknowledge *acknowledge; /* own, or NULL */
};

struct errands {
    struct errand *list; /* own */
    size_t count;
    struct acknowledge_counters counters;
    void (*idle)(void *arg);
    void *arg;
};

static void on_idle(void *arg)
{
    struct errands *e = arg;
    if (errands_running(e) == 0)
        e->idle(e->arg);
}

static bool add(struct errands *e, struct event_base *base, const char *name, const json_t *source,
                struct tokens *tokens)
{
    bool failed = false;
    struct errand *errand = &e->list[e->count++];
    const struct acknowledge_options options = {.base = base,
                                                .name = name,
                                                .source = source,
                                                .tokens = tokens,
                                                .counters = &e->counters,
                                                .idle = on_idle,
                                                .arg = e};
    errand->source = name;
    errand->check = check_new(base, name, source, tokens, &failed);
    errand->acknowledge = acknowledge_new(&options, &failed);
    return !failed;
}

struct errands *errands_new(struct event_base *base, const json_t *sources, struct tokens *tokens,
                            void (*idle)(void *arg), void *arg)
{
    struct errands *e = xcalloc(1, sizeof(*e));
    e->list = xcalloc(json_object_size(sources) + 1, sizeof(*e->list));
    e->idle = idle;
    e->arg = arg;
    const char *name;
    json_t *source;
    json_object_foreach((json_t *)(uintptr_t)sources, name, source)
    {
        if (!add(e, base, name, source, tokens)) {
            errands_free(e);
            return NULL;
        }
    }
    return e;
}

void errands_free(struct errands *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->count; i++) {
        check_free(e->list[i].check);
        acknowledge_free(e->list[i].acknowledge);
    }
    free(e->list);
    free(e);
}

static const struct errand *find(const struct errands *e, const char *source)
{
    for (size_t i = 0; i < e->count; i++)
        if (strcmp(e->list[i].source, source) == 0)
            return &e->list[i];
    return NULL;
}

struct check *errands_check(const struct errands *e, const char *source)
{
    const struct errand *errand = find(e, source);
    return errand ? errand->check : NULL;
}

struct acknowledge *errands_acknowledge(const struct errands *e, const char *source)
{
    const struct errand *errand = find(e, source);
    return errand ? errand->acknowledge : NULL;
}

struct acknowledge_counters errands_counters(const struct errands *e)
{
    return e->counters;
}

bool errands_drain(struct errands *e)
{
    for (size_t i = 0; i < e->count; i++)
        acknowledge_drain(e->list[i].acknowledge);
    return errands_running(e) > 0;
}

size_t errands_running(const struct errands *e)
{
    size_t running = 0;
    for (size_t i = 0; i < e->count; i++)
        running += acknowledge_running(e->list[i].acknowledge);
    return running;
}
