#include "supervisor/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/ipc/inflight_table.h"
#include "common/ipc/message.h"
#include "supervisor/orphans.h"

/* Beyond consumer.in_flight: a worker takes one message of each queue whatever that says. */
enum { SPARE_SLOTS = 16 };

struct table {
    TAILQ_ENTRY(table) link;
    long long number;
    int fd;                        /* own */
    struct inflight_table *map;    /* own */
    char *worker;                  /* own: the name of the process that it is of */
    const struct process *owner;   /* borrow: it lives; NULL: it is dead, and this one waits */
    const struct process *settler; /* borrow: who was given it; NULL: nobody */
    int64_t died_ms;
};

struct tables {
    struct process_list *processes; /* borrow */
    TAILQ_HEAD(, table) list;       /* own, the oldest first */
    long long last_number;
};

struct tables *tables_new(struct process_list *processes)
{
    struct tables *t = xcalloc(1, sizeof *t);
    t->processes = processes;
    TAILQ_INIT(&t->list);
    return t;
}

static void drop(struct tables *t, struct table *one)
{
    TAILQ_REMOVE(&t->list, one, link);
    inflight_table_unmap(one->map);
    close(one->fd);
    free(one->worker);
    free(one);
}

void tables_free(struct tables *t)
{
    if (t == NULL)
        return;
    while (!TAILQ_EMPTY(&t->list))
        drop(t, TAILQ_FIRST(&t->list));
    free(t);
}

static struct table *table_of(const struct tables *t, const struct process *owner)
{
    struct table *one;
    TAILQ_FOREACH(one, &t->list, link)
    {
        if (one->owner == owner)
            return one;
    }
    return NULL;
}

static size_t slots_for(const json_t *slice)
{
    return (size_t)conf_int(slice, "consumer.in_flight") +
           json_object_size(conf_value(slice, "sources")) + SPARE_SLOTS;
}

int tables_open(struct tables *t, const struct process *p)
{
    if (p->plan->role != ROLE_CONSUMER)
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    int fd = inflight_table_create(slots_for(p->plan->slice));
    struct inflight_table *map = fd >= 0 ? inflight_table_map(fd) : NULL;
    int copy = map != NULL ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy < 0) {
        int saved = errno;
        inflight_table_unmap(map);
        if (fd >= 0)
            close(fd);
        errno = saved;
        return -1;
    }
    struct table *one = xcalloc(1, sizeof *one);
    one->number = ++t->last_number;
    one->fd = fd;
    one->map = map;
    one->worker = xstrdup(p->name);
    one->owner = p;
    TAILQ_INSERT_TAIL(&t->list, one, link);
    return copy;
}

static void kill_groups(const struct table *one)
{
    for (size_t i = 0; i < inflight_table_group_count(one->map); i++) {
        pid_t group = inflight_table_group_at(one->map, i);
        if (group != 0)
            orphans_kill_group(group);
    }
}

static void bound_waiting(struct tables *t)
{
    struct table *one, *oldest = NULL;
    size_t waiting = 0;
    TAILQ_FOREACH(one, &t->list, link)
    {
        if (one->owner != NULL)
            continue;
        waiting++;
        if (oldest == NULL)
            oldest = one;
    }
    if (waiting <= TABLES_WAITING_MAX)
        return;
    log_warn("no consumer has settled what %s had in work: it comes back when its visibility "
             "timeout ends",
             oldest->worker);
    drop(t, oldest);
}

void tables_died(struct tables *t, const struct process *p, bool asked, bool keep)
{
    struct table *one;
    TAILQ_FOREACH(one, &t->list, link)
    {
        if (one->settler == p)
            one->settler = NULL;
    }
    one = table_of(t, p);
    if (one == NULL)
        return;
    kill_groups(one);
    if (asked)
        inflight_table_end(one->map);
    one->owner = NULL;
    one->died_ms = clock_mono_ms();
    if (!keep || inflight_table_is_clear(one->map))
        drop(t, one);
    else
        bound_waiting(t);
}

bool tables_has_group(const struct tables *t, pid_t group)
{
    const struct table *one;
    TAILQ_FOREACH(one, &t->list, link)
    {
        for (size_t i = 0; one->owner != NULL && i < inflight_table_group_count(one->map); i++) {
            if (inflight_table_group_at(one->map, i) == group)
                return true;
        }
    }
    return false;
}

void tables_settled(struct tables *t, const struct process *by, long long number)
{
    struct table *one;
    TAILQ_FOREACH(one, &t->list, link)
    {
        if (one->number == number && one->owner == NULL)
            break;
    }
    if (one == NULL)
        return;
    log_info("%s has settled what %s had in work ms=%lld", by->name, one->worker,
             (long long)(clock_mono_ms() - one->died_ms));
    drop(t, one);
}

/* ---- who settles ---- */

int tables_choose(const struct tables_candidate *list, size_t count)
{
    int best = -1;
    for (size_t i = 0; i < count; i++) {
        if (list[i].is_ready && (best < 0 || list[i].in_hand < list[best].in_hand))
            best = (int)i;
    }
    return best;
}

static bool can_settle(const struct process *p)
{
    return p->plan->role == ROLE_CONSUMER && p->slot.state == SLOT_UP && p->channel != NULL &&
           !process_is_silent(p);
}

static size_t in_hand(const struct tables *t, const struct process *p)
{
    const struct table *one;
    size_t count = 0;
    TAILQ_FOREACH(one, &t->list, link)
    count += one->settler == p;
    return count;
}

static struct process *choose(const struct tables *t)
{
    struct process *p;
    size_t count = 0, i = 0;
    TAILQ_FOREACH(p, t->processes, link)
    count++;
    struct tables_candidate *list = xcalloc(count + 1, sizeof *list);
    TAILQ_FOREACH(p, t->processes, link)
    list[i++] = (struct tables_candidate){can_settle(p), in_hand(t, p)};
    int best = tables_choose(list, count);
    free(list);
    if (best < 0)
        return NULL;
    p = TAILQ_FIRST(t->processes);
    for (int n = 0; n < best; n++)
        p = TAILQ_NEXT(p, link);
    return p;
}

static void hand_out(struct table *one, struct process *to)
{
    json_t *msg = message_new("settle");
    json_object_set_new(msg, "table", json_integer(one->number));
    json_object_set_new(msg, "worker", json_string(one->worker));
    one->settler = to;
    process_send_fd(to, msg, one->fd);
}

void tables_progress(struct tables *t)
{
    struct table *one;
    TAILQ_FOREACH(one, &t->list, link)
    {
        if (one->owner != NULL || (one->settler != NULL && can_settle(one->settler)))
            continue;
        struct process *p = choose(t);
        if (p != NULL)
            hand_out(one, p);
    }
}
