#include "workers/store/turn.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/store/db.h"
#include "workers/store/kept_time.h"

#define SERVICES_MAX 4
#define EMPTY_KEYS_MAX 64
#define SWEEP_TICKS 60
#define IDLE_TICKS 5
/* Where the last turns were shared by several requests, a turn waits a moment for more of them
 * (on a fast disk the commit alone is too short a window for many slow clients), unless enough
 * are there already. A lone client never waits: its turns have one request. */
#define LINGER_US 1000
#define LINGER_MEAN_X16 (2 * 16)
#define LINGER_ENOUGH 32

struct entry {
    TAILQ_ENTRY(entry) link;
    struct turn_asker asker;
    const struct service *service; /* borrow; NULL: only an answer */
    struct service_call call;
    struct service_answer answer;
    bool ready; /* answer is what is to be sent after COMMIT */
};
TAILQ_HEAD(entries, entry);

struct empty_key {
    const struct service *service;
    int64_t key;
};

struct turn {
    struct db *db; /* borrow */
    const struct turn_callbacks *callbacks;
    void *arg;
    struct event *soon;     /* own: the turn itself */
    struct event *later;    /* own: the next thing that is due */
    struct entries fresh;   /* arrived since the last turn */
    struct entries polls;   /* waiting, oldest first */
    struct entries returns; /* answers that nobody got: to be undone */
    size_t count;           /* in fresh and polls */
    size_t poll_count;
    size_t mean_x16; /* requests a turn, moving mean, times 16 */
    bool lingers;
    const struct service *services[SERVICES_MAX]; /* seen so far */
    size_t service_count;
    struct turn_stats stats;
    bool draining;
    bool broken;
    bool stopped;
    bool sweep;       /* in the next turn */
    bool sweep_again; /* the last one left something */
    int ticks;
    int idle_ticks;
};

static void entry_free(struct entry *e)
{
    service_call_clear(&e->call);
    service_answer_clear(&e->answer);
    free(e);
}

static void schedule(struct turn *t)
{
    static const struct timeval at_once = {0, 0};
    if (t->lingers || !event_pending(t->soon, EV_TIMEOUT, NULL))
        event_add(t->soon, &at_once);
    t->lingers = false;
}

/* For a request that has just arrived. */
static void schedule_request(struct turn *t)
{
    static const struct timeval a_moment = {0, LINGER_US};
    if (t->count - t->poll_count >= LINGER_ENOUGH || t->mean_x16 < LINGER_MEAN_X16) {
        schedule(t);
    } else if (!event_pending(t->soon, EV_TIMEOUT, NULL)) {
        t->lingers = true;
        event_add(t->soon, &a_moment);
    }
}

static void note_size(struct turn *t)
{
    size_t size = t->count - t->poll_count;
    t->lingers = false;
    if (size > 0)
        t->mean_x16 = (t->mean_x16 * 7 + size * 16) / 8;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    turn_run(arg);
}

struct turn *turn_new(struct event_base *base, struct db *db,
                      const struct turn_callbacks *callbacks, void *arg)
{
    struct turn *t = xcalloc(1, sizeof(*t));
    t->db = db;
    t->callbacks = callbacks;
    t->arg = arg;
    t->soon = event_new(base, -1, 0, on_event, t);
    t->later = event_new(base, -1, 0, on_event, t);
    assert(t->soon && t->later);
    TAILQ_INIT(&t->fresh);
    TAILQ_INIT(&t->polls);
    TAILQ_INIT(&t->returns);
    return t;
}

static void free_all(struct entries *list)
{
    struct entry *e;
    while ((e = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, e, link);
        entry_free(e);
    }
}

void turn_free(struct turn *t)
{
    if (!t)
        return;
    free_all(&t->fresh);
    free_all(&t->polls);
    free_all(&t->returns);
    event_free(t->soon);
    event_free(t->later);
    free(t);
}

static struct entry *add(struct turn *t, struct turn_asker asker)
{
    struct entry *e = xcalloc(1, sizeof(*e));
    e->asker = asker;
    TAILQ_INSERT_TAIL(&t->fresh, e, link);
    t->count++;
    t->idle_ticks = 0;
    schedule_request(t);
    return e;
}

void turn_add(struct turn *t, struct turn_asker asker, const struct service *service,
              struct service_call *call)
{
    struct entry *e = add(t, asker);
    e->service = service;
    e->answer.xml = service->target_prefix == NULL;
    e->call = *call;
    *call = (struct service_call){0};
    for (size_t i = 0; i < t->service_count; i++)
        if (t->services[i] == service)
            return;
    assert(t->service_count < SERVICES_MAX);
    t->services[t->service_count++] = service;
}

void turn_add_answer(struct turn *t, struct turn_asker asker, struct service_answer *answer)
{
    struct entry *e = add(t, asker);
    e->answer = *answer;
    e->ready = true;
    *answer = (struct service_answer){0};
}

static bool drop_from(struct entries *list, struct turn_asker asker)
{
    struct entry *e;
    TAILQ_FOREACH(e, list, link)
    {
        if (e->asker.server == asker.server && e->asker.ticket.slot == asker.ticket.slot &&
            e->asker.ticket.generation == asker.ticket.generation) {
            TAILQ_REMOVE(list, e, link);
            entry_free(e);
            return true;
        }
    }
    return false;
}

void turn_gone(struct turn *t, struct turn_asker asker)
{
    if (drop_from(&t->polls, asker)) {
        t->poll_count--;
        t->count--;
    } else if (drop_from(&t->fresh, asker)) {
        t->count--;
    }
}

/* Runs one call in its savepoint. -1: the transaction cannot go on. */
static int run_entry(struct turn *t, const struct service_context *context, struct entry *e)
{
    if (db_savepoint(t->db) < 0)
        return -1;
    switch (e->service->run(e->service->state, context, &e->call, &e->answer)) {
    case SERVICE_ANSWERED:
        e->ready = true;
        return db_release(t->db);
    case SERVICE_WAITS:
        return db_release(t->db);
    case SERVICE_FAILED:
        break;
    }
    if (!db_forgive(t->db) || db_rollback_to(t->db) < 0)
        return -1;
    log_error("%s was rolled back: %s", e->call.operation, db_error(t->db));
    service_answer_internal(&e->answer);
    e->ready = true;
    return 0;
}

static int run_returns(struct turn *t, const struct service_context *context)
{
    struct entry *e;
    TAILQ_FOREACH(e, &t->returns, link)
    if (e->service->undo(e->service->state, context, &e->call) == SERVICE_FAILED)
        return -1;
    return 0;
}

static int run_fresh(struct turn *t, const struct service_context *context)
{
    struct entry *e;
    struct entry *next;
    for (e = TAILQ_FIRST(&t->fresh); e; e = next) {
        next = TAILQ_NEXT(e, link);
        if (e->ready)
            continue;
        if (service_waits(e->service, &e->call)) {
            TAILQ_REMOVE(&t->fresh, e, link);
            TAILQ_INSERT_TAIL(&t->polls, e, link);
            t->poll_count++;
        } else if (run_entry(t, context, e) < 0) {
            return -1;
        }
    }
    return 0;
}

static bool known_empty(const struct empty_key *keys, size_t count, const struct entry *e)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i].service == e->service && keys[i].key == e->call.wait_key)
            return true;
    return false;
}

/* Long polls, oldest first. next_out: when something is due without a new request. */
static int run_polls(struct turn *t, const struct service_context *context, int64_t *next_out)
{
    struct empty_key keys[EMPTY_KEYS_MAX];
    size_t key_count = 0;
    struct entry *e;
    TAILQ_FOREACH(e, &t->polls, link)
    {
        bool waited = e->call.deadline_ms > 0;
        bool over = waited && (context->draining || context->now_ms >= e->call.deadline_ms);
        if (!waited || over || !known_empty(keys, key_count, e)) {
            if (run_entry(t, context, e) < 0)
                return -1;
            if (!e->ready && key_count < EMPTY_KEYS_MAX && !known_empty(keys, key_count, e))
                keys[key_count++] = (struct empty_key){e->service, e->call.wait_key};
        }
        if (!e->ready && e->call.deadline_ms < *next_out)
            *next_out = e->call.deadline_ms;
    }
    for (size_t i = 0; i < key_count; i++) {
        const struct service *s = keys[i].service;
        int64_t due = s->due_ms(s->state, context, keys[i].key);
        if (due < *next_out)
            *next_out = due;
    }
    return 0;
}

static int run_sweep(struct turn *t, const struct service_context *context)
{
    if (!t->sweep || t->draining)
        return 0;
    for (size_t i = 0; i < t->service_count; i++) {
        const struct service *s = t->services[i];
        enum service_verdict verdict = s->sweep ? s->sweep(s->state, context) : SERVICE_ANSWERED;
        if (verdict == SERVICE_FAILED)
            return -1;
        t->sweep_again = t->sweep_again || verdict == SERVICE_WAITS;
    }
    return 0;
}

static void tell_services(struct turn *t, bool committed)
{
    for (size_t i = 0; i < t->service_count; i++) {
        const struct service *s = t->services[i];
        (committed ? s->committed : s->dropped)(s->state);
    }
}

/* Everything up to and with COMMIT. 0, or -1: nothing happened. */
static int transact(struct turn *t, int64_t *next_out)
{
    struct service_context context = {
        .db = t->db,
        .now_ms = t->callbacks->now_ms(t->arg),
        .full = t->stats.full,
        .draining = t->draining,
    };
    *next_out = INT64_MAX;
    bool wrote = false;
    int rc = db_begin(t->db);
    if (rc == 0)
        rc = run_returns(t, &context);
    if (rc == 0)
        rc = run_fresh(t, &context);
    if (rc == 0)
        rc = run_polls(t, &context, next_out);
    if (rc == 0)
        rc = run_sweep(t, &context);
    if (rc == 0)
        rc = kept_time_note(t->db, context.now_ms);
    if (rc == 0)
        rc = db_commit(t->db, &wrote);
    if (rc < 0)
        db_rollback(t->db);
    tell_services(t, rc == 0);
    t->stats.commits += rc == 0 && wrote;
    t->stats.commit_failures += rc < 0;
    return rc;
}

static void forget_answers(struct entries *list)
{
    struct entry *e;
    TAILQ_FOREACH(e, list, link)
    {
        if (!e->service)
            continue;
        e->ready = false;
        e->call.claim_count = 0;
        service_answer_clear(&e->answer);
    }
}

/* Answers all that are ready. failed: with 500, and fresh ones whether ready or not. */
static void answer_list(struct turn *t, struct entries *list, bool failed)
{
    struct entry *e;
    struct entry *next;
    for (e = TAILQ_FIRST(list); e; e = next) {
        next = TAILQ_NEXT(e, link);
        bool fresh = list == &t->fresh;
        if (!e->ready && !(failed && (fresh || t->broken || e->call.deadline_ms == 0)))
            continue;
        if (failed) {
            service_answer_internal(&e->answer);
            e->call.claim_count = 0;
        }
        TAILQ_REMOVE(list, e, link);
        t->count--;
        t->poll_count -= !fresh;
        int rc = t->callbacks->answer(t->arg, e->asker, &e->answer);
        service_answer_clear(&e->answer);
        if (rc < 0 && e->call.claim_count > 0) {
            TAILQ_INSERT_TAIL(&t->returns, e, link);
            schedule(t);
        } else {
            entry_free(e);
        }
    }
}

static void arm_later(struct turn *t, int64_t next_ms)
{
    event_del(t->later);
    if (next_ms == INT64_MAX || t->broken)
        return;
    int64_t wait = next_ms - t->callbacks->now_ms(t->arg);
    if (wait < 1)
        wait = 1;
    struct timeval tv = {wait / 1000, (wait % 1000) * 1000};
    event_add(t->later, &tv);
}

static void enter_full(struct turn *t, const char *why)
{
    if (!t->stats.full)
        log_error("store takes no sends: %s", why);
    t->stats.full = true;
    t->stats.full_why = why;
}

void turn_run(struct turn *t)
{
    if (t->stopped)
        return;
    if (t->broken) {
        answer_list(t, &t->fresh, true);
        answer_list(t, &t->polls, true);
        return;
    }
    note_size(t);
    int64_t next = INT64_MAX;
    int rc = transact(t, &next);
    if (rc < 0 && db_state(t->db) == DB_FULL) {
        /* Once more without the sends, on the ballast's space: deletes drain the queues. */
        enter_full(t, "the disk under state_dir or store.max_mib is full: make room");
        db_drop_ballast(t->db);
        forget_answers(&t->fresh);
        forget_answers(&t->polls);
        rc = transact(t, &next);
    }
    if (rc < 0)
        log_error("store commit failed: %s; %zu requests get 500", db_error(t->db), t->count);
    t->broken = rc < 0 && db_state(t->db) == DB_BROKEN;
    if (rc == 0) {
        t->sweep = false;
        free_all(&t->returns);
    }
    if (fault_point("store.before_answer"))
        rc = -1;
    answer_list(t, &t->fresh, rc < 0);
    answer_list(t, &t->polls, rc < 0);
    arm_later(t, rc < 0 && !TAILQ_EMPTY(&t->polls) ? t->callbacks->now_ms(t->arg) + 100 : next);
    if (t->broken)
        t->callbacks->broken(t->arg, db_error(t->db));
}

void turn_drain(struct turn *t)
{
    t->draining = true;
    schedule(t);
}

void turn_stop(struct turn *t)
{
    t->stopped = true;
    event_del(t->soon);
    event_del(t->later);
}

void turn_tick(struct turn *t)
{
    if (t->broken || t->stopped)
        return;
    const char *why = NULL;
    if (!db_has_space(t->db, &why)) {
        enter_full(t, why);
    } else if (t->stats.full) {
        log_info("store takes sends again: there is space");
        t->stats.full = false;
        t->stats.full_why = NULL;
    }
    if (!TAILQ_EMPTY(&t->returns))
        schedule(t);
    if (++t->ticks % SWEEP_TICKS == 0 || t->sweep_again) {
        t->sweep = true;
        t->sweep_again = false;
        schedule(t);
    }
    if (++t->idle_ticks == IDLE_TICKS)
        db_checkpoint(t->db);
}

size_t turn_pending(const struct turn *t)
{
    return t->count;
}

struct turn_stats turn_stats(const struct turn *t)
{
    struct turn_stats stats = t->stats;
    stats.waiting = t->poll_count;
    return stats;
}
