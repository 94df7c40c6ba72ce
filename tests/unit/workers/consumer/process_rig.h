#ifndef TESTS_UNIT_WORKERS_CONSUMER_PROCESS_RIG_H
#define TESTS_UNIT_WORKERS_CONSUMER_PROCESS_RIG_H

/* process.c with claims.c, settle.c and route.c: SQS, the ledger and the destination are scripted
 * by the test, which sees in what order they are asked. One question to the ledger, one write and
 * one delivery at a time. Included by exactly one file of a test program. */

#include "workers/consumer/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/delivery/errands.h"
#include "common/delivery/ledger.h"
#include "common/ipc/inflight_table.h"
#include "tests/unit/workers/consumer/fake_sqs.h"
#include "workers/consumer/held.h"
#include "workers/consumer/objects.h"

#define NOW_MS INT64_C(1795253400124)

/* ---- the ledger ---- */

struct ledger {
    int unused;
};
struct ledger_claim {
    struct ledger_record *record; /* own */
    int64_t until_mono_ms;
};

static struct {
    bool asked, writing, extending;
    char trace[64];
    int max_attempts;
    struct ledger_claim *claim;    /* the newest, borrowed */
    int claims;                    /* that are held */
    int64_t later_ms;              /* how long after NOW_MS it is */
    struct ledger_record *written; /* own: of the write under way or the last one */
    bool releases;
    int writes;
    ledger_result_cb *answer;
    ledger_written_cb *done;
    void *arg, *write_arg;
} l;

struct ledger *ledger_new(struct aws_client *client, const struct aws_endpoint *endpoint,
                          const struct ledger_config *config)
{
    (void)client, (void)endpoint, (void)config;
    return xcalloc(1, sizeof(struct ledger));
}

void ledger_free(struct ledger *ledger)
{
    free(ledger);
}

int64_t ledger_now_ms(const struct ledger *ledger)
{
    (void)ledger;
    return NOW_MS + l.later_ms;
}

const struct ledger_claim *ledger_claim(struct ledger *ledger, const struct ledger_key *key,
                                        const char *trace_id, int max_attempts,
                                        ledger_result_cb *done, void *arg)
{
    (void)ledger;
    assert_false(l.asked);
    assert_string_equal(key->destination, "trial");
    assert_string_equal(key->source, "s");
    assert_int_equal(strlen(key->payload_sha256), 64);
    snprintf(l.trace, sizeof(l.trace), "%s", trace_id);
    l.asked = true;
    l.max_attempts = max_attempts;
    l.answer = done;
    l.arg = arg;
    return NULL; /* its id and owner are asked for, no more */
}

void ledger_extend(struct ledger_claim *c, ledger_written_cb *done, void *arg)
{
    (void)c;
    assert_false(l.writing || l.extending);
    l.extending = true;
    l.done = done;
    l.write_arg = arg;
}

void ledger_write(struct ledger_claim *c, const struct ledger_record *next, bool release,
                  ledger_written_cb *done, void *arg)
{
    (void)c;
    assert_false(l.writing || l.extending);
    l.writing = true;
    l.writes++;
    l.releases = release;
    l.done = done;
    l.write_arg = arg;
    ledger_record_free(l.written);
    l.written = ledger_record_copy(next);
}

int64_t ledger_claim_until_mono_ms(const struct ledger_claim *c)
{
    return c->until_mono_ms;
}

const char *ledger_claim_id(const struct ledger_claim *c)
{
    (void)c;
    return "trial|s|e1";
}

const char *ledger_claim_owner(const struct ledger_claim *c)
{
    (void)c;
    return "a-token";
}

void ledger_claim_free(struct ledger_claim *c)
{
    if (!c)
        return;
    l.claims--;
    l.writing = l.extending = false; /* its callback will not run */
    ledger_record_free(c->record);
    free(c);
}

/* ---- the destination ---- */

struct delivery {
    int unused;
};
static struct delivery one;
static struct {
    bool under_way, waits;
    int started, cancelled, attempt;
    void (*handling)(void *arg, bool begins);
    delivery_cb *done;
    void *arg;
} d;

static char a_destination;

struct destination *destination_new(struct event_base *base, const char *name, const json_t *conf,
                                    struct tokens *tokens)
{
    (void)tokens;
    (void)base, (void)name, (void)conf;
    return (struct destination *)(void *)&a_destination;
}

void destination_free(struct destination *destination)
{
    (void)destination;
}

void destination_note_groups(struct destination *destination, const struct delivery_groups *groups)
{
    (void)destination, (void)groups;
}

struct delivery *delivery_start(struct destination *destination, const struct webhook *hook,
                                int attempt, const struct delivery_record *record,
                                delivery_cb *done, void *arg)
{
    (void)destination, (void)hook;
    assert_false(d.under_way);
    d.handling = record->handling;
    d.under_way = true;
    d.started++;
    d.attempt = attempt;
    d.done = done;
    d.arg = arg;
    return &one;
}

bool delivery_waiting(const struct delivery *delivery)
{
    (void)delivery;
    return d.waits;
}

void delivery_cancel(struct delivery *delivery)
{
    (void)delivery;
    d.cancelled++;
    d.under_way = false;
}

/* ---- the world ---- */

static struct {
    struct queues *queues;
    struct inflight *inflight;
    struct held *held;
    struct process *process;
    struct counters n;
    json_t *told; /* the newest message to the supervisor */
    int tells, changes;
    json_t *conf;
    struct errands *errands;
    struct sources *sources;
    struct source *source; /* of sources: changed by the tests */
    struct ledger *ledger;
    int gone;
    int kills; /* what the ledger says of the messages */
    char trouble[300];
} t;

#define CONF                                                                                       \
    "{\"ledger\":{\"table\":\"t\",\"retention_s\":1000,\"outage\":\"wait\"},\"queues\":{},"        \
    "\"destinations\":{\"trial\":{\"type\":\"http\",\"breaker_open_s\":10,\"timeout_s\":30}},"     \
    "\"sources\":{\"s\":{\"body\":\"json\",\"ledger\":true,"                                       \
    "\"queue\":\"q0\",\"inspection_queue\":\"dlq\",\"dead_letter\":{\"queue\":\"dlq\",\"s3\":"     \
    "false},"                                                                                      \
    "\"destination\":\"trial\",\"event_id\":{\"header\":\"\",\"pointers\":[\"/id\"]},"             \
    "\"required\":[\"/id\"],\"require\":{},\"retry\":{\"strategy\":\"visibility\",\"base_s\":1,"   \
    "\"cap_s\":1,\"max_retries\":5,\"visibility_s\":30,\"wait_s\":0,\"age_limit_s\":1000000000}}}" \
    "}"

static inline void on_gone(void *arg)
{
    (void)arg;
    t.gone++;
}

static inline void on_trouble(void *arg, const char *text)
{
    (void)arg;
    snprintf(t.trouble, sizeof(t.trouble), "%s", text);
}

static inline void on_send(void *arg, json_t *msg)
{
    (void)arg;
    json_decref(t.told);
    t.told = msg;
    t.tells++;
}

static inline void on_changed(void *arg)
{
    (void)arg;
    t.changes++;
}

static inline int set_up(void **state)
{
    (void)state;
    static const struct process_callbacks callbacks = {on_gone, on_trouble};
    memset(&t, 0, sizeof(t));
    memset(&l, 0, sizeof(l));
    memset(&d, 0, sizeof(d));
    fake_forget();
    fake_base = event_base_new();
    t.queues = fake_queues(1);
    t.inflight = inflight_new();
    t.conf = json_loads(CONF, 0, NULL);
    t.errands = errands_new(fake_base, NULL, NULL, NULL, NULL);
    static const struct aws_endpoint table = {.region = "eu-west-1"};
    const struct sources_means nowhere = {.errands = t.errands, .ledger = &table};
    t.sources = sources_new(fake_base, t.conf, t.queues, &nowhere);
    t.source = (struct source *)(uintptr_t)sources_of_queue(t.sources, queues_at(t.queues, 0), "s");
    t.ledger = t.source->ledger;
    const struct held_options held = {.base = fake_base,
                                      .sources = t.sources,
                                      .inflight = t.inflight,
                                      .send = on_send,
                                      .changed = on_changed};
    t.held = held_new(&held);
    t.process = process_new(fake_base, t.queues, t.sources, t.inflight, NULL, t.held, &t.n,
                            &callbacks, NULL);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    t.source->ledger = t.ledger;
    process_free(t.process);
    held_free(t.held);
    json_decref(t.told);
    inflight_free(t.inflight);
    sources_free(t.sources);
    errands_free(t.errands);
    queues_free(t.queues);
    json_decref(t.conf);
    ledger_record_free(l.written);
    fake_forget();
    event_base_free(fake_base);
    assert_int_equal(l.claims, 0);
    return 0;
}

static inline struct work *receive_body(const char *body, int count, int64_t sent_ms,
                                        const char *number)
{
    const struct sqs_attribute list[] = {{"RetryCount", "Number", number ? number : "0"}};
    const struct sqs_message m = {.id = "m1",
                                  .receipt_handle = "h1",
                                  .body = body,
                                  .body_len = strlen(body),
                                  .attributes = list,
                                  .attribute_count = number ? 1 : 0,
                                  .receive_count = count,
                                  .sent_at_ms = sent_ms};
    process_messages(t.process, queues_at(t.queues, 0), &m, 1, 30, clock_mono_ms());
    struct fake_call *asked = fake_open(FAKE_AWS);
    if (asked) {
        char text[64];
        assert_non_null(strstr(asked->sent, "kill#q0#m1"));
        snprintf(text, sizeof(text), "{\"Item\":{\"kills\":{\"N\":\"%d\"}}}", t.kills);
        fake_reply(asked, AWS_OK, 200, "", text, NULL);
    }
    return inflight_first(t.inflight);
}

static inline struct work *receive(void)
{
    struct work *w = receive_body("{\"id\":\"e1\"}", 1, NOW_MS, NULL);
    assert_true(l.asked);
    assert_int_equal(d.started, 0);
    return w;
}

static inline struct ledger_record *record(enum ledger_state state, int attempts)
{
    struct ledger_record *r = ledger_record_new();
    r->state = state;
    r->attempts = attempts;
    return r;
}

/* Hands out the claim; takes over r. */
static inline void grant_over(struct ledger_record *r, bool attempts_over)
{
    struct ledger_claim *c = xcalloc(1, sizeof(*c));
    c->record = r;
    c->until_mono_ms = clock_mono_ms() + 28000;
    l.claim = c;
    l.claims++;
    const struct ledger_result result = {.answer = LEDGER_CLAIMED,
                                         .claim = c,
                                         .record = r,
                                         .attempts_over = attempts_over,
                                         .error = ""};
    assert_true(l.asked);
    l.asked = false;
    l.answer(l.arg, &result);
}

static inline void grant(struct ledger_record *r)
{
    grant_over(r, false);
}

/* As long as what AWS says of a refusal. */
#define LEDGER_ERROR                                                                               \
    "table \"t\": no such table (AccessDeniedException: User: arn:aws:sts::123456789012:"          \
    "assumed-role/sluice/i-0123456789abcdef0 is not authorized to perform: dynamodb:UpdateItem "   \
    "on resource: arn:aws:dynamodb:eu-central-1:123456789012:table/t because no identity-based "   \
    "policy allows the dynamodb:UpdateItem action)"

static inline void answer(enum ledger_answer how, int64_t wait_ms)
{
    struct ledger_record *r = record(LEDGER_DELIVERED, 1);
    const struct ledger_result result = {
        .answer = how, .record = r, .wait_ms = wait_ms, .error = LEDGER_ERROR};
    assert_true(l.asked);
    l.asked = false;
    l.answer(l.arg, &result);
    ledger_record_free(r);
}

static inline void written(enum ledger_written how)
{
    assert_true(l.writing || l.extending);
    l.writing = l.extending = false;
    l.done(l.write_arg, how, how == LEDGER_WRITTEN ? "" : "says the test");
}

static inline void verdict(enum verdict v, const char *error)
{
    const struct delivery_outcome outcome = {
        .verdict = v, .class = "destination", .error = error, .status = 75, .took_ms = 3};
    assert_true(d.under_way);
    d.under_way = false;
    d.done(d.arg, &outcome);
}

static inline void assert_idle(void)
{
    fake_run(20);
    assert_null(fake_open(FAKE_DELETE));
    assert_null(fake_open(FAKE_VISIBILITY));
    assert_null(fake_open(FAKE_SEND));
}

static inline void assert_written(enum ledger_state state, int attempts, bool releases)
{
    assert_true(l.writing);
    assert_int_equal(l.written->state, state);
    assert_int_equal(l.written->attempts, attempts);
    assert_int_equal(l.releases, releases);
    assert_idle();
}

static inline void deleted(void)
{
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(inflight_count(t.inflight), 0);
}

static inline void deferred(int at_least_s, int at_most_s)
{
    struct fake_call *f = fake_wait(FAKE_VISIBILITY);
    assert_in_range(f->visibility_s[0], at_least_s, at_most_s);
    fake_answer(f, 0, AWS_OK, "");
    assert_int_equal(inflight_count(t.inflight), 0);
}

#endif
