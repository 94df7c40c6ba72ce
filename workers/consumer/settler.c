#include "workers/consumer/settler.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/aws/obstacle.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/delivery/ledger_kills.h"
#include "common/ipc/inflight_table.h"
#include "workers/consumer/batch.h"

#define VISIBLE_TRIES 4
/* How long a worker that has just started may take to find its queues. */
#define QUEUES_LOOK_MS 100
#define QUEUES_LOOKS 100

/* One table. */
struct job {
    LIST_ENTRY(job) link;
    struct settler *settler; /* borrow */
    int64_t number;
    char *worker;                 /* own */
    struct inflight_table *table; /* own; NULL where the descriptor was none */
    struct event *timer;          /* own */
    int looks;                    /* for queues that are not known yet */
    size_t left;                  /* messages that are not done with */
    size_t settled;
    int64_t began_mono_ms;
};

/* One message of a table. */
struct unsettled {
    LIST_ENTRY(unsettled) link;
    struct job *job; /* borrow */
    uint64_t id;
    size_t slot;
    struct queue *queue; /* borrow */
    char *handle;        /* own */
};

struct settler {
    struct event_base *base;       /* borrow */
    struct queues *queues;         /* borrow */
    const struct sources *sources; /* borrow */
    struct counters *counters;     /* borrow */
    settler_cb *done;
    void *arg;
    struct batch **batches; /* own, by queue index; NULL for queues that are not read */
    size_t batch_count;
    LIST_HEAD(, job) jobs;           /* own */
    LIST_HEAD(, unsettled) messages; /* own */
    uint64_t last_id;
};

static void message_free(struct unsettled *m)
{
    LIST_REMOVE(m, link);
    free(m->handle);
    free(m);
}

static void job_free(struct job *job)
{
    LIST_REMOVE(job, link);
    inflight_table_unmap(job->table);
    event_free(job->timer);
    free(job->worker);
    free(job);
}

static void look_done(struct job *job)
{
    struct settler *s = job->settler;
    if (job->left > 0)
        return;
    int64_t number = job->number;
    log_info("what %s had in work is settled messages=%zu ms=%lld", job->worker, job->settled,
             (long long)(clock_mono_ms() - job->began_mono_ms));
    job_free(job);
    s->done(s->arg, number);
}

/* ---- a message ---- */

static void on_visible(void *arg, uint64_t id, const struct batch_result *result)
{
    struct settler *s = arg;
    struct unsettled *m = LIST_FIRST(&s->messages);
    while (m && m->id != id)
        m = LIST_NEXT(m, link);
    if (!m)
        return;
    struct job *job = m->job;
    if (result->ok) {
        job->settled++;
        s->counters->settled++;
    } else {
        const struct aws_reply reply = {
            .class = result->class, .code = result->code, .message = result->message};
        if (obstacle_is_for_people(&reply))
            queues_failed(m->queue, QUEUE_VISIBILITY, "a message could not be given back", &reply);
        log_info("a message that %s had in work was not given back to queue \"%s\" (%s); unless it "
                 "is gone, it comes again when its lease ends",
                 job->worker, m->queue->name, result->code);
    }
    inflight_table_leave(job->table, (int)m->slot);
    message_free(m);
    job->left--;
    look_done(job);
}

static void make_visible(struct unsettled *m)
{
    struct settler *s = m->job->settler;
    fault_point("consumer.settling");
    batch_add(s->batches[m->queue->index], m->id, m->handle, 0);
}

static void on_released(void *arg, enum ledger_written how, const char *error)
{
    struct unsettled *m = arg;
    if (how == LEDGER_FAILED)
        log_warn("a claim of %s could not be ended: %s; it runs out by itself", m->job->worker,
                 error);
    make_visible(m);
}

/* The queue that is read under this URL, or NULL. */
static struct queue *queue_at(const struct settler *s, const char *url)
{
    for (size_t i = 0; i < s->batch_count; i++) {
        struct queue *q = queues_at(s->queues, i);
        if (q->read && q->url && strcmp(q->url, url) == 0)
            return q;
    }
    return NULL;
}

static void settle(struct job *job, size_t slot, const struct inflight_entry *entry)
{
    struct settler *s = job->settler;
    struct queue *queue = queue_at(s, entry->queue_url);
    if (!queue) {
        log_warn("a message that %s had in work is left to its visibility timeout: no source of "
                 "ours reads the queue %s",
                 job->worker, entry->queue_url);
        inflight_table_leave(job->table, (int)slot);
        return;
    }
    struct unsettled *m = xcalloc(1, sizeof(*m));
    m->job = job;
    m->id = ++s->last_id;
    m->slot = slot;
    m->queue = queue;
    m->handle = xstrdup(entry->handle);
    LIST_INSERT_HEAD(&s->messages, m, link);
    job->left++;
    struct ledger_kills *ledger = sources_kills_of_queue(s->sources, queue);
    if (ledger && entry->is_claimed)
        ledger_kills_release(ledger, entry->ledger_id, entry->owner, on_released, m);
    else
        make_visible(m);
}

/* ---- a table ---- */

static void settle_all(struct job *job)
{
    struct inflight_entry entry;
    for (size_t i = 0; i < inflight_table_slots(job->table); i++)
        if (inflight_table_read(job->table, i, &entry))
            settle(job, i, &entry);
    look_done(job);
}

static void on_counted(void *arg, enum ledger_written how, const char *error)
{
    struct job *job = arg;
    if (how == LEDGER_FAILED)
        log_warn("the message that %s died of could not be counted: %s", job->worker, error);
    inflight_table_end(job->table);
    settle_all(job);
}

/* Before anything is made visible: whoever receives it next asks for the count. */
static void count_kill(struct job *job)
{
    struct settler *s = job->settler;
    struct inflight_current current;
    char token[INFLIGHT_TOKEN_BYTES];
    bool is_set = inflight_table_read_current(job->table, &current);
    const struct queue *queue = is_set ? queue_at(s, current.queue_url) : NULL;
    struct ledger_kills *ledger = queue ? sources_kills_of_queue(s->sources, queue) : NULL;
    if (!ledger) {
        settle_all(job);
        return;
    }
    log_warn("%s died while it handled message %s of queue \"%s\"", job->worker, current.message_id,
             queue->name);
    inflight_table_token(job->table, token);
    ledger_kills_add(ledger, current.queue_url, current.message_id, token, on_counted, job);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct job *job = arg;
    const struct timeval pause = {.tv_usec = QUEUES_LOOK_MS * 1000};
    if (!job->table)
        look_done(job);
    else if (!queues_all_known(job->settler->queues) && ++job->looks < QUEUES_LOOKS)
        evtimer_add(job->timer, &pause);
    else
        count_kill(job);
}

void settler_take(struct settler *s, int64_t table, const char *worker, int fd)
{
    const struct timeval now = {0};
    struct job *job = xcalloc(1, sizeof(*job));
    job->settler = s;
    job->number = table;
    job->worker = xstrdup(worker);
    job->table = inflight_table_map(fd);
    job->began_mono_ms = clock_mono_ms();
    job->timer = evtimer_new(s->base, on_timer, job);
    LIST_INSERT_HEAD(&s->jobs, job, link);
    if (!job->table)
        log_error("what came as the in-flight table of %s is none", worker);
    if (fd >= 0)
        close(fd);
    evtimer_add(job->timer, &now);
}

struct settler *settler_new(struct event_base *base, struct queues *queues,
                            const struct sources *sources, struct counters *counters,
                            settler_cb *done, void *arg)
{
    struct settler *s = xcalloc(1, sizeof(*s));
    s->base = base;
    s->queues = queues;
    s->sources = sources;
    s->counters = counters;
    s->done = done;
    s->arg = arg;
    s->batch_count = queues_count(queues);
    s->batches = xcalloc(s->batch_count + 1, sizeof(struct batch *));
    for (size_t i = 0; i < s->batch_count; i++)
        if (queues_at(queues, i)->read)
            s->batches[i] = batch_new(base, queues_at(queues, i), BATCH_VISIBILITY, VISIBLE_TRIES,
                                      on_visible, s);
    LIST_INIT(&s->jobs);
    LIST_INIT(&s->messages);
    return s;
}

void settler_free(struct settler *s)
{
    if (!s)
        return;
    while (!LIST_EMPTY(&s->messages))
        message_free(LIST_FIRST(&s->messages));
    while (!LIST_EMPTY(&s->jobs))
        job_free(LIST_FIRST(&s->jobs));
    for (size_t i = 0; i < s->batch_count; i++)
        batch_free(s->batches[i]);
    free(s->batches);
    free(s);
}
