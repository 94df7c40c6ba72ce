#ifndef TESTS_UNIT_WORKERS_CONSUMER_FAKE_SQS_H
#define TESTS_UNIT_WORKERS_CONSUMER_FAKE_SQS_H

/* SQS as the consumer's modules see it, scripted by the test: each call is recorded and answered
 * when the test says so. Included by exactly one file of a test program, which it gives the sqs_*
 * and aws_* functions that the real library would. */

#include <assert.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/queue_open.h"
#include "common/aws/queue_watch.h"
#include "common/aws/sqs.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/ipc/inflight_table.h"
#include "workers/consumer/queues.h"

enum fake_kind { FAKE_SEND, FAKE_DELETE, FAKE_VISIBILITY, FAKE_RECEIVE, FAKE_AWS };

struct fake_call {
    enum fake_kind kind;
    bool open; /* neither answered nor cancelled */
    bool cancelled;
    bool hung_up;
    const char *queue_url;
    struct inflight_current blamed; /* who a death in the call would be put down to */
    size_t count;
    char handles[SQS_BATCH_MAX][64];
    int visibility_s[SQS_BATCH_MAX];
    char body[256];
    size_t attribute_count;
    char first_value[2048]; /* of the attribute named SluiceDeadLetter or SluiceInspection */
    char retry_count[16];   /* of the attribute RetryCount */
    int delay_s;
    char group[130], deduplication_id[130]; /* of the first message; "" where there is none */
    char method[8];                         /* of FAKE_AWS: a call of s3.h or dynamodb.h */
    char path[1200];                        /* of FAKE_AWS */
    char target[64];                        /* of FAKE_AWS: X-Amz-Target */
    char condition[96];                     /* of FAKE_AWS: If-None-Match or If-Match */
    char *sent;                             /* own, of FAKE_AWS: the body */
    aws_reply_cb *reply_done;
    aws_release_cb *release;
    int max;
    int wait_s;
    sqs_batch_cb *batch_done;
    sqs_receive_cb *receive_done;
    void *arg;
};

#define FAKE_CALLS 4096
static struct fake_call fake_calls[FAKE_CALLS];
static size_t fake_count;
static struct event_base *fake_base;
static const struct inflight_table *fake_table; /* where that is looked up; NULL: nowhere */

static struct fake_call *fake_record(enum fake_kind kind, const char *url, size_t count)
{
    assert(fake_count < FAKE_CALLS);
    struct fake_call *c = &fake_calls[fake_count++];
    memset(c, 0, sizeof(*c));
    c->kind = kind;
    c->open = true;
    c->queue_url = url;
    c->count = count;
    if (!fake_table || !inflight_table_read_current(fake_table, &c->blamed))
        *c->blamed.message_id = '\0';
    return c;
}

uint64_t sqs_delete_batch(struct aws_client *c, const struct aws_endpoint *e, const char *queue_url,
                          const char *const *handles, size_t count, const struct sqs_options *o,
                          sqs_batch_cb *done, void *arg)
{
    (void)c, (void)e, (void)o;
    struct fake_call *f = fake_record(FAKE_DELETE, queue_url, count);
    for (size_t i = 0; i < count; i++)
        strncpy(f->handles[i], handles[i], 63);
    f->batch_done = done;
    f->arg = arg;
    return fake_count;
}

uint64_t sqs_change_visibility_batch(struct aws_client *c, const struct aws_endpoint *e,
                                     const char *queue_url, const char *const *handles,
                                     const int *visibility_s, size_t count,
                                     const struct sqs_options *o, sqs_batch_cb *done, void *arg)
{
    sqs_delete_batch(c, e, queue_url, handles, count, o, done, arg);
    fake_calls[fake_count - 1].kind = FAKE_VISIBILITY;
    for (size_t i = 0; i < count; i++)
        fake_calls[fake_count - 1].visibility_s[i] = visibility_s[i];
    return fake_count;
}

uint64_t sqs_send_batch(struct aws_client *c, const struct aws_endpoint *e, const char *queue_url,
                        const struct sqs_outgoing *m, size_t count, const struct sqs_options *o,
                        sqs_batch_cb *done, void *arg)
{
    (void)c, (void)e, (void)o;
    struct fake_call *f = fake_record(FAKE_SEND, queue_url, count);
    strncpy(f->body, m->body, sizeof(f->body) - 1);
    f->attribute_count = m->attribute_count;
    f->delay_s = m->delay_s;
    snprintf(f->group, sizeof(f->group), "%s", m->group ? m->group : "");
    snprintf(f->deduplication_id, sizeof(f->deduplication_id), "%s",
             m->deduplication_id ? m->deduplication_id : "");
    for (size_t i = 0; i < m->attribute_count; i++)
        if (strcmp(m->attributes[i].name, "RetryCount") == 0)
            strncpy(f->retry_count, m->attributes[i].value, sizeof(f->retry_count) - 1);
        else if (strcmp(m->attributes[i].name, "Sluice") > 0 &&
                 strncmp(m->attributes[i].name, "Sluice", 6) == 0)
            strncpy(f->first_value, m->attributes[i].value, sizeof(f->first_value) - 1);
    f->batch_done = done;
    f->arg = arg;
    return fake_count;
}

uint64_t sqs_receive(struct aws_client *c, const struct aws_endpoint *e, const char *queue_url,
                     int max, int wait_s, int visibility_s, sqs_receive_cb *done, void *arg)
{
    (void)c, (void)e;
    struct fake_call *f = fake_record(FAKE_RECEIVE, queue_url, 0);
    f->max = max;
    f->wait_s = wait_s;
    f->visibility_s[0] = visibility_s;
    f->receive_done = done;
    f->arg = arg;
    return fake_count;
}

/* Only `check` asks it, which no test of these modules does. */
uint64_t sqs_get_queue_attributes(struct aws_client *c, const struct aws_endpoint *e,
                                  const char *queue_url, const struct sqs_options *o,
                                  aws_reply_cb *done, void *arg)
{
    (void)c, (void)e, (void)queue_url, (void)o, (void)done, (void)arg;
    abort();
}

/* What s3.c and dynamodb.c send. */
uint64_t aws_call(struct aws_client *c, const struct aws_endpoint *e, const struct aws_request *r,
                  aws_reply_cb *done, aws_release_cb *release, void *arg)
{
    (void)c, (void)e;
    struct fake_call *f = fake_record(FAKE_AWS, NULL, 0);
    strncpy(f->method, r->method, sizeof(f->method) - 1);
    strncpy(f->path, r->path, sizeof(f->path) - 1);
    for (size_t i = 0; i < r->header_count; i++) {
        const struct http_header *h = &r->headers[i];
        if (strcmp(h->name, "X-Amz-Target") == 0)
            strncpy(f->target, h->value, sizeof(f->target) - 1);
        if (strcmp(h->name, "If-None-Match") == 0 || strcmp(h->name, "If-Match") == 0)
            strncpy(f->condition, h->value, sizeof(f->condition) - 1);
    }
    f->sent = xcalloc(1, r->body_len + 1);
    if (r->body_len)
        memcpy(f->sent, r->body, r->body_len);
    f->reply_done = done;
    f->release = release;
    f->arg = arg;
    return fake_count;
}

static void fake_over(struct fake_call *f)
{
    if (f->open && f->release)
        f->release(f->arg);
    f->open = false;
}

bool aws_hang_up(struct aws_client *c, uint64_t id)
{
    (void)c;
    fake_calls[id - 1].hung_up = true;
    return true;
}

void aws_cancel(struct aws_client *c, uint64_t id)
{
    (void)c;
    fake_over(&fake_calls[id - 1]);
    fake_calls[id - 1].cancelled = true;
}

/* Answers a call of s3.h or dynamodb.h; body may be NULL, etag too. */
static inline void fake_reply(struct fake_call *f, enum aws_class class, int status,
                              const char *code, const char *body, const char *etag)
{
    assert(f->open && f->kind == FAKE_AWS);
    const struct http_header headers[] = {{"ETag", etag ? etag : ""}};
    const struct http_answer answer = {.status = status, .headers = headers, .header_count = 1};
    json_t *json = body ? json_loads(body, 0, NULL) : NULL;
    const struct aws_reply reply = {.class = class,
                                    .status = status,
                                    .code = code,
                                    .message = "says the test",
                                    .body = body ? body : "",
                                    .body_len = body ? strlen(body) : 0,
                                    .json = json,
                                    .http = &answer};
    f->reply_done(f->arg, &reply);
    fake_over(f);
    json_decref(json);
}

static inline void fake_forget(void)
{
    for (size_t i = 0; i < fake_count; i++)
        free(fake_calls[i].sent);
    fake_count = 0;
}

/* Queues open in the next turn of the loop. */
struct fake_queue_open {
    struct event *timer;
    char *name;
    queue_open_cb *done;
    void *arg;
};

static struct queue_attributes fake_attributes; /* of every queue */

static void fake_opened(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct fake_queue_open *open = arg;
    open->done(open->arg, open->name, &fake_attributes);
}

static uint64_t fake_open_ask(void *arg)
{
    const struct timeval now = {0};
    struct fake_queue_open *open = arg;
    evtimer_add(open->timer, &now);
    return 0;
}

static void fake_open_drop(void *arg)
{
    struct fake_queue_open *open = arg;
    event_free(open->timer);
    free(open->name);
    free(open);
}

struct opening *queue_open_start(struct event_base *base, struct aws_client *client,
                                 const struct aws_endpoint *endpoint,
                                 const struct queue_open_options *options, queue_open_cb *done,
                                 void *arg)
{
    static const struct opening_kind kind = {fake_open_ask, fake_open_drop};
    const struct obstacle_object object = {options->name, options->key, options->role, "local"};
    struct fake_queue_open *open = xcalloc(1, sizeof(*open));
    (void)endpoint;
    open->timer = evtimer_new(base, fake_opened, open);
    open->name = xstrdup(options->name);
    open->done = done;
    open->arg = arg;
    return opening_new(base, client, &object, &kind, open);
}

/* The newest watch: what the test calls when the attributes have changed. */
static queue_watch_cb *fake_changed;
static void *fake_changed_arg;

struct queue_watch *queue_watch_new(struct event_base *base, struct aws_client *client,
                                    const struct aws_endpoint *endpoint,
                                    const struct queue_watch_options *options,
                                    const struct queue_attributes *attributes,
                                    queue_watch_cb *changed, void *arg)
{
    (void)base, (void)client, (void)endpoint, (void)options, (void)attributes;
    fake_changed = changed;
    fake_changed_arg = arg;
    return NULL;
}

void queue_watch_free(struct queue_watch *w)
{
    (void)w;
}

/* Answers a batch: bad_class for the entries whose bit is set in `bad`, OK for the others. */
static inline void fake_answer(struct fake_call *f, unsigned bad, enum aws_class bad_class,
                               const char *code)
{
    assert(f->open);
    struct sqs_entry_result results[SQS_BATCH_MAX];
    const struct aws_reply reply = {.class = AWS_OK, .status = 200, .code = "", .message = ""};
    for (size_t i = 0; i < f->count; i++) {
        bool is_bad = bad >> i & 1;
        results[i] = (struct sqs_entry_result){.ok = !is_bad,
                                               .class = is_bad ? bad_class : AWS_OK,
                                               .code = is_bad ? code : "",
                                               .message = is_bad ? "says the test" : "",
                                               .message_id = "new"};
    }
    f->open = false;
    f->batch_done(f->arg, &reply, results, f->count);
}

/* Fails a whole call. */
static inline void fake_fail(struct fake_call *f, enum aws_class class, const char *code)
{
    const struct aws_reply reply = {.class = class, .code = code, .message = "says the test"};
    assert(f->open);
    f->open = false;
    if (f->kind == FAKE_RECEIVE)
        f->receive_done(f->arg, &reply, NULL, 0);
    else
        f->batch_done(f->arg, &reply, NULL, 0);
}

/* Answers a poll with this many messages. */
static inline void fake_messages(struct fake_call *f, size_t count)
{
    static struct sqs_message list[SQS_BATCH_MAX];
    static int serial;
    static char handles[SQS_BATCH_MAX][32];
    const struct aws_reply reply = {.class = AWS_OK, .status = 200, .code = "", .message = ""};
    assert(f->open && (int)count <= f->max);
    for (size_t i = 0; i < count; i++) {
        snprintf(handles[i], sizeof(handles[i]), "handle-%d", serial++);
        list[i] = (struct sqs_message){.id = handles[i],
                                       .receipt_handle = handles[i],
                                       .body = "{}",
                                       .body_len = 2,
                                       .receive_count = 1,
                                       .sent_at_ms = clock_wall_ms()};
    }
    f->open = false;
    f->receive_done(f->arg, &reply, list, count);
}

/* The newest open call of a kind, or NULL. */
static inline struct fake_call *fake_open(enum fake_kind kind)
{
    for (size_t i = fake_count; i-- > 0;)
        if (fake_calls[i].open && fake_calls[i].kind == kind)
            return &fake_calls[i];
    return NULL;
}

static inline size_t fake_open_count(enum fake_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < fake_count; i++)
        n += fake_calls[i].open && fake_calls[i].kind == kind ? 1 : 0;
    return n;
}

static void fake_break(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    event_base_loopbreak(arg);
}

/* Lets the loop run for so long. */
static inline void fake_run(int ms)
{
    const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_base_once(fake_base, -1, EV_TIMEOUT, fake_break, fake_base, &tv);
    event_base_dispatch(fake_base);
}

/* Runs the loop until a call of that kind is open; fails after 5 s. */
static inline struct fake_call *fake_wait(enum fake_kind kind)
{
    int64_t until = clock_mono_ms() + 30000;
    struct fake_call *f;
    while (!(f = fake_open(kind)) && clock_mono_ms() < until)
        fake_run(5);
    assert(f);
    return f;
}

static void fake_ready(void *arg, struct queue *q)
{
    (void)arg, (void)q;
}

static void fake_trouble(void *arg, const char *text)
{
    (void)arg, (void)text;
}

/* What queue "q0" is: embedded unless a test says otherwise. */
static const char *fake_service = "embedded";

/* A slice that lists q0 to q7 and "dlq"; good until the next. */
static inline const json_t *fake_queues_conf(void)
{
    static json_t *conf;
    json_decref(conf);
    json_t *queues = json_object();
    for (int i = 0; i < 9; i++) {
        const char *name =
            (const char *[]){"q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "dlq"}[i];
        json_object_set_new(queues, name,
                            json_pack("{s:s, s:s, s:s}", "service", i ? "embedded" : fake_service,
                                      "name", name, "url", ""));
    }
    conf = json_pack("{s:s, s:o, s:{s:s, s:s, s:s}}", "run_dir", "/nowhere", "queues", queues,
                     "aws", "region", "eu-central-1", "ca_file", "", "sqs_endpoint_url",
                     "https://sqs.eu-central-1.amazonaws.com");
    return conf;
}

/* The queues of a test: `read` ones named q0, q1, … and one more, "dlq"; all opened. */
static inline struct queues *fake_queues(size_t read)
{
    static const char *const names[] = {"q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7"};
    static const struct queues_callbacks callbacks = {fake_ready, fake_trouble};
    struct queues *all = queues_new(fake_base, NULL, fake_queues_conf(), &callbacks, NULL);
    for (size_t i = 0; i < read; i++)
        queues_add(all, names[i], true);
    queues_add(all, "dlq", false);
    queues_start(all);
    fake_run(5);
    assert(queues_all_known(all));
    return all;
}

#endif
