#include "supervisor/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/reload.h"
#include "supervisor/supervisor.h"

static bool name_is_taken(const struct supervisor *s, const char *name)
{
    const struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    {
        if (!p->is_displaced && strcmp(p->name, name) == 0)
            return true;
    }
    return false;
}

/* Fills every place of a plan: all of a current plan, and the first of one that a reload tries,
 * whose others are held. */
static void fill(struct supervisor *s, struct plan *plan, bool is_current)
{
    for (int i = 0; i < plan->workers; i++) {
        struct process *p = supervisor_find(s, plan, i);
        if (p == NULL) {
            char *name = role_worker_name(plan->role, i);
            p = process_new(&s->host, plan, i, name_is_taken(s, name));
            TAILQ_INSERT_TAIL(&s->processes, p, link);
            free(name);
        }
        if (p->slot.state != SLOT_DOWN && p->slot.state != SLOT_HELD)
            continue;
        if (is_current || i == 0)
            process_start(p);
        else if (p->slot.state == SLOT_DOWN)
            process_hold(p);
    }
}

/* A process of an older plan goes when the one that follows it is up, or has failed (then it is an
 * ordinary crash, and waiting would keep the old configuration alive), or when none follows. It has
 * its own copies of its listeners: through ours, a caller of an address that is no more would wait
 * for it in vain. */
static void retire(struct supervisor *s, struct process *p)
{
    const struct plan *current = s->plans[p->plan->role];
    struct process *next = NULL;
    if (p->number < current->workers && !p->plan->dropped)
        next = supervisor_find(s, current, p->number);
    process_retire(p);
    if (p->plan != current)
        plan_release_listeners(p->plan);
    if (next != NULL && next->slot.state != SLOT_UP && !next->slot.has_failed)
        return;
    process_stop(p, supervisor_drain_ms(s));
}

/* The name of a health socket goes to a committed worker as soon as it is up, or nobody else has
 * the name: else the next reload's worker would be given the same name beside it. */
static void claim_place(struct supervisor *s, struct process *p)
{
    struct process *other;
    if (!p->is_beside || p->health_fd < 0 || p->plan != s->plans[p->plan->role])
        return;
    TAILQ_FOREACH(other, &s->processes, link)
    {
        if (other != p && !other->is_displaced && strcmp(other->name, p->name) == 0)
            break;
    }
    if (other == NULL || p->slot.state == SLOT_UP)
        process_take_place(p, other);
}

static bool is_wanted(const struct supervisor *s, const struct process *p)
{
    const struct plan *plan = p->plan;
    return p->number < plan->workers &&
           (plan == s->plans[plan->role] || plan == reload_tried_plan(s->reload, plan->role));
}

void reconcile_run(struct supervisor *s)
{
    struct process *p;
    for (int role = 0; role < ROLE_COUNT; role++) {
        struct plan *tried = reload_tried_plan(s->reload, (enum role)role);
        fill(s, s->plans[role], true);
        if (tried != NULL)
            fill(s, tried, false);
    }
    TAILQ_FOREACH(p, &s->processes, link)
    {
        claim_place(s, p);
        if (!is_wanted(s, p))
            retire(s, p);
    }
}
