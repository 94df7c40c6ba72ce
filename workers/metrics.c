#include "workers/metrics.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"

#define NAME_BYTES 128

struct family {
    TAILQ_ENTRY(family) link;
    char *name; /* own */
    bool is_counter;
    char *help;         /* own; escaped */
    struct buf samples; /* own; whole lines */
};

struct metrics {
    TAILQ_HEAD(, family) families; /* own */
};

/* What the numbers mean. One that is not here is shown too, with a plainer sentence. */
static const struct help {
    const char *name; /* without the prefix sluice_ */
    const char *text;
} helps[] = {
    {"source_paused", "1 where somebody has paused the source."},
    {"source_held_back", "1 where its events wait: its destination or the API that is asked before "
                         "is out, or its queue throttles."},
    {"destination_held_back", "1 where it is out, and is left alone until it is tried again."},
    {"ingest_requests_total", "Requests that came in."},
    {"ingest_accepted_total", "Webhooks answered with the source's reply: stored."},
    {"ingest_refused_total", "Requests refused for what they are, whatever the status."},
    {"ingest_refused_by_status_total", "Requests refused, by the answer's status."},
    {"ingest_overloaded_total",
     "Requests answered 503 because too many, or too many bytes, were in "
     "work already."},
    {"ingest_unavailable_total", "Webhooks answered 503: not stored, to be sent again."},
    {"ingest_inspection_lost_total", "Bodies that were refused and did not reach their inspection "
                                     "queue."},
    {"ingest_sends_total", "Calls that put events on queues."},
    {"ingest_entries_failed_total", "Events that a queue refused or did not confirm."},
    {"ingest_throttled_total", "Pauses because a queue throttled what was sent to it."},
    {"ingest_late_total", "Events that were stored after their webhook had been answered 503."},
    {"ingest_connections", "Connections that are open."},
    {"ingest_queued", "Events that wait to be sent or confirmed."},
    {"ingest_in_flight", "Webhooks whose answer is owed."},
    {"consumer_received_total", "Messages received."},
    {"consumer_delivered_total", "Events that their destination took."},
    {"consumer_retried_total", "Failed attempts that another one follows."},
    {"consumer_dead_total", "Events that became dead letters."},
    {"consumer_malformed_total", "Messages put on an inspection queue."},
    {"consumer_extended_total", "Leases extended."},
    {"consumer_released_total", "Messages given back without a verdict."},
    {"consumer_deleted_total", "Messages whose deletion was confirmed."},
    {"consumer_delete_failed_total", "Deletions given up: the message comes again."},
    {"consumer_expired_total", "Events past their age limit."},
    {"consumer_lost_total", "Leases lost while the event was in work."},
    {"consumer_duplicates_total", "Messages deleted undelivered: repeats of what is finished."},
    {"consumer_key_conflict_total", "Events whose id had come with another payload."},
    {"consumer_deferred_total", "Messages received before their time, or in work elsewhere."},
    {"consumer_held_back_total", "Messages given back since their source is paused or their "
                                 "destination out; no attempt counted."},
    {"consumer_paused_sources", "Sources that are paused."},
    {"consumer_gates", "What is held back from since it is out or throttles."},
    {"consumer_requeued_total", "Delayed copies sent for a retry."},
    {"consumer_claims_lost_total", "Claims of the ledger lost while the event was in work."},
    {"consumer_ledger_unreachable_total", "Receives for which the ledger gave no answer."},
    {"consumer_settled_total", "Messages of dead consumers given back to their queues."},
    {"consumer_acknowledged_total", "Deliveries that the source's acknowledge URL was told of."},
    {"consumer_acknowledge_failed_total", "Deliveries that it could not be told of."},
    {"consumer_throttled_total", "Pauses because a queue throttled receives."},
    {"consumer_polls_total", "Receive calls that were answered."},
    {"consumer_polls", "Receive calls under way."},
    {"consumer_in_flight", "Events in work."},
    {"retry_redriven_total", "Dead letters delivered again."},
    {"retry_redrive_failed_total", "Redrives that failed."},
    {"retry_parked_total", "Dead letters past their redrive limit."},
    {"retry_acknowledged_total", "Redrives that the source's acknowledge URL was told of."},
    {"retry_acknowledge_failed_total", "Redrives that it could not be told of."},
    {"retry_connections", "Connections that are open."},
    {"retry_redrives", "Redrives under way."},
    {"retry_in_flight", "Requests whose answer is owed."},
    {"keyring_in_flight", "Always 0."},
    {"keyring_published_total", "Signing keys published for the embedded store."},
    {"keyring_aws_published_total", "Signing keys published for AWS."},
    {"keyring_aws_refreshes_total", "Times that AWS credentials were fetched."},
    {"keyring_aws_refresh_failures_total", "Times that they could not be fetched."},
    {"keyring_aws_expires_in_seconds", "Seconds until they expire; -1: never, or there are none."},
    {"keyring_token_requests_total", "Requests for access tokens."},
    {"keyring_token_failures_total", "Requests for access tokens that brought none."},
    {"store_sends_total", "Send calls."},
    {"store_messages_sent_total", "Messages stored."},
    {"store_receives_total", "Receive calls that were answered."},
    {"store_messages_received_total", "Messages handed out."},
    {"store_deletes_total", "Messages deleted."},
    {"store_visibility_changes_total", "Messages whose visibility timeout was changed."},
    {"store_redriven_total", "Messages moved to a dead-letter queue by a redrive policy."},
    {"store_returned_total", "Messages taken back because their receiver was gone."},
    {"store_expired_total", "Messages deleted at the end of their retention."},
    {"store_objects_put_total", "Objects stored."},
    {"store_objects_read_total", "Objects read."},
    {"store_objects_deleted_total", "Objects deleted."},
    {"store_item_reads_total", "Items read."},
    {"store_item_writes_total", "Items written or deleted."},
    {"store_items_expired_total", "Items deleted at the end of their time to live."},
    {"store_conditions_failed_total", "Writes whose condition did not hold."},
    {"store_commits_total", "Transactions written to the disk."},
    {"store_commit_failures_total", "Transactions that could not be written."},
    {"store_waiting_polls", "Long polls that wait for a message."},
    {"store_connections", "Connections that are open."},
    {"store_full", "1 where the store takes no sends because there is no space."},
    {"store_database_bytes", "Size of the database."},
    {"store_in_flight", "Calls whose answer is owed."},
};

struct metrics *metrics_new(void)
{
    struct metrics *m = xcalloc(1, sizeof(*m));
    TAILQ_INIT(&m->families);
    return m;
}

void metrics_free(struct metrics *m)
{
    struct family *f;
    if (!m)
        return;
    while ((f = TAILQ_FIRST(&m->families))) {
        TAILQ_REMOVE(&m->families, f, link);
        free(f->name);
        free(f->help);
        buf_free(&f->samples);
        free(f);
    }
    free(m);
}

/* A label's value, or (quote 0) a help text. */
static void append_escaped(struct buf *out, const char *text, char quote)
{
    for (; *text; text++) {
        if (*text == '\n')
            buf_puts(out, "\\n");
        else if (*text == '\\' || (quote && *text == quote))
            buf_printf(out, "\\%c", *text);
        else
            buf_append(out, text, 1);
    }
}

static char *help_of(const char *name)
{
    struct buf text = {0};
    for (size_t i = 0; i < sizeof(helps) / sizeof(helps[0]); i++) {
        if (strcmp(helps[i].name, name) == 0)
            buf_puts(&text, helps[i].text);
    }
    if (text.len == 0)
        buf_printf(&text, "What the worker's health answer calls so: %s.", name);
    return buf_steal(&text);
}

/* name: without the prefix. help: NULL to look it up. */
static struct family *family(struct metrics *m, const char *name, bool is_counter, const char *help)
{
    struct family *f;
    TAILQ_FOREACH(f, &m->families, link)
    {
        if (strcmp(f->name, name) == 0)
            return f;
    }
    f = xcalloc(1, sizeof(*f));
    f->name = xstrdup(name);
    f->is_counter = is_counter;
    f->help = help ? xstrdup(help) : help_of(name);
    TAILQ_INSERT_TAIL(&m->families, f, link);
    return f;
}

struct label {
    const char *name;
    const char *value; /* NULL: no such label */
};

static void add_sample(struct family *f, struct label first, struct label more, double value)
{
    buf_printf(&f->samples, "sluice_%s{%s=\"", f->name, first.name);
    append_escaped(&f->samples, first.value, '"');
    if (more.value) {
        buf_printf(&f->samples, "\",%s=\"", more.name);
        append_escaped(&f->samples, more.value, '"');
    }
    buf_printf(&f->samples, "\"} %.17g\n", value);
}

/* more: a label besides the worker's name. */
static void add(struct family *f, const char *worker, struct label more, double value)
{
    add_sample(f, (struct label){"worker", worker}, more, value);
}

/* A part of a metric's name, as ours all are: lower case, digits, underscores. */
static bool is_name(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len < 64 && islower((unsigned char)text[0]) &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static void add_counters(struct metrics *m, const struct metrics_worker *w, json_t *counters)
{
    const char *key;
    json_t *value;
    json_object_foreach(counters, key, value)
    {
        char name[NAME_BYTES + 8];
        bool is_status = strncmp(key, "status_", 7) == 0 && strspn(key + 7, "0123456789") == 3 &&
                         strlen(key) == 10;
        if (!json_is_number(value) || !is_name(key) || json_number_value(value) < 0)
            continue;
        snprintf(name, sizeof(name), "%s_%s_total", w->role, is_status ? "refused_by_status" : key);
        const struct label status = {"status", is_status ? key + 7 : NULL};
        add(family(m, name, true, NULL), w->name, status, json_number_value(value));
    }
}

static void add_gauge(struct metrics *m, const struct metrics_worker *w, const char *key,
                      const json_t *value)
{
    char name[NAME_BYTES];
    if (!is_name(key) || !(json_is_number(value) || json_is_boolean(value)))
        return;
    double number = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
    snprintf(name, sizeof(name), "%s_%s", w->role, key);
    add(family(m, name, false, NULL), w->name, (struct label){0}, number);
}

void metrics_add_worker(struct metrics *m, const struct metrics_worker *w)
{
    const struct label role = {"role", w->role};
    const struct label none = {0};
    add(family(m, "worker_up", false, "1 where the worker is ready and not stopping."), w->name,
        role, w->up);
    add(family(m, "worker_healthy", false, "1 where it is up and can do its job."), w->name, role,
        w->up && w->healthy);
    if (w->restarts >= 0)
        add(family(m, "worker_restarts_total", true, "Starts after a death that nobody asked for."),
            w->name, role, (double)w->restarts);
    if (!w->account || !is_name(w->role))
        return;
    add(family(m, "worker_waiting_for", false, "Things that the worker cannot reach."), w->name,
        none, (double)json_array_size(json_object_get(w->account, "waiting")));
    add_counters(m, w, json_object_get(w->account, "counters"));
    add_gauge(m, w, "in_flight", json_object_get(w->account, "in_flight"));
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(w->account, "gauges"), key, value)
    {
        add_gauge(m, w, key, value);
    }
}

void metrics_add_thing(struct metrics *m, const char *name, const char *label, const char *value,
                       double number)
{
    add_sample(family(m, name, false, NULL), (struct label){label, value}, (struct label){0},
               number);
}

char *metrics_text(const struct metrics *m)
{
    struct buf out = {0};
    const struct family *f;
    buf_puts(&out, "# HELP sluice_build_info Always 1; the version is in the label.\n"
                   "# TYPE sluice_build_info gauge\n"
                   "sluice_build_info{version=\"" SLUICE_VERSION "\"} 1\n");
    TAILQ_FOREACH(f, &m->families, link)
    {
        buf_printf(&out, "# HELP sluice_%s ", f->name);
        append_escaped(&out, f->help, 0);
        buf_printf(&out, "\n# TYPE sluice_%s %s\n", f->name, f->is_counter ? "counter" : "gauge");
        buf_append(&out, f->samples.data, f->samples.len);
    }
    return buf_steal(&out);
}
