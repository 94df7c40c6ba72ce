#include "workers/consumer/groups.h"

#include <string.h>

static bool is_same_group(const struct work *a, const struct work *b)
{
    const char *left = a->message.group, *right = b->message.group;
    return a->queue == b->queue && (left && right ? strcmp(left, right) == 0 : left == right);
}

static bool is_decided(const struct work *w)
{
    return w->stage == WORK_DELETING || w->stage == WORK_YIELDING;
}

bool groups_must_wait(const struct work *w)
{
    const struct work *ahead = w;
    if (!w->queue->attributes.is_fifo)
        return false;
    while ((ahead = TAILQ_PREV(ahead, work_list, link)))
        if (is_same_group(ahead, w) && !is_decided(ahead))
            return true;
    return false;
}

struct work *groups_follower(const struct work *w)
{
    struct work *behind = TAILQ_NEXT(w, link);
    if (!w->queue->attributes.is_fifo)
        return NULL;
    while (behind && (behind->stage != WORK_WAITING || !is_same_group(behind, w)))
        behind = TAILQ_NEXT(behind, link);
    return behind;
}

struct work *groups_next(const struct inflight *all)
{
    struct work *w = inflight_first(all);
    while (w && (w->stage != WORK_WAITING || groups_must_wait(w)))
        w = TAILQ_NEXT(w, link);
    return w;
}
