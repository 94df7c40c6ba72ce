#include "workers/consumer/objects.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/bucket_open.h"
#include "common/aws/obstacle.h"
#include "common/aws/s3.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/consumer/trouble.h"

#define FIRST_PAUSE_MS 500
#define LONGEST_PAUSE_MS 30000

struct objects {
    struct event_base *base;             /* borrow */
    struct aws_client *client;           /* borrow */
    const struct aws_endpoint *endpoint; /* borrow */
    const char *bucket;                  /* borrow */
    const char *prefix;                  /* borrow */
    struct opening *open;                /* own, while it is being opened */
    bool is_open;
    struct trouble trouble;
    objects_ready_fn *ready;
    objects_trouble_fn *report;
    void *arg;
};

struct object_write {
    struct objects *all;              /* borrow */
    struct deadletter_object *ours;   /* own */
    struct deadletter_object *merged; /* own: ours on top of an earlier round, or NULL */
    char *etag;                       /* own: of what merged replaces */
    char key[DEADLETTER_OBJECT_KEY_BYTES];
    bool by_message;
    bool beside;         /* the key is that of another payload */
    bool absent;         /* it was not there a moment ago (only where that is looked for first) */
    char *text;          /* own: the bytes under way */
    struct event *timer; /* own: the next try */
    uint64_t call;       /* 0: none under way */
    int pause_ms;
    struct work *work; /* borrow: whose dead letter it is */
    object_write_cb *done;
};

static const struct s3_options limits = {
    .timeout_ms = 8000, .deadline_ms = 20000, .max_attempts = 3};

/* ---- the bucket ---- */

static void on_open(void *arg)
{
    struct objects *all = arg;
    opening_free(all->open);
    all->open = NULL;
    all->is_open = true;
    all->ready(all->arg);
}

static void open_bucket(struct objects *all)
{
    const struct bucket_open_options options = {all->bucket, all->prefix, "consumer"};
    all->is_open = false;
    all->open = bucket_open_start(all->base, all->client, all->endpoint, &options, on_open, all);
}

struct objects *objects_new(struct event_base *base, struct aws_client *client,
                            const struct aws_endpoint *endpoint, const char *bucket,
                            const char *prefix, objects_ready_fn *ready,
                            objects_trouble_fn *trouble, void *arg)
{
    struct objects *all = xcalloc(1, sizeof(*all));
    all->base = base;
    all->client = client;
    all->endpoint = endpoint;
    all->bucket = bucket;
    all->prefix = prefix;
    all->ready = ready;
    all->report = trouble;
    all->arg = arg;
    open_bucket(all);
    return all;
}

void objects_free(struct objects *all)
{
    if (!all)
        return;
    opening_free(all->open);
    free(all);
}

bool objects_open(const struct objects *all)
{
    return all->is_open;
}

const char *objects_error(const struct objects *all)
{
    return opening_error(all->open);
}

void objects_waiting(const struct objects *all, json_t *list)
{
    const char *why = opening_waiting(all->open);
    if (!why)
        why = trouble_shown(&all->trouble, clock_mono_ms());
    if (why)
        json_array_append_new(list, json_string(why));
}

/* ---- one write ---- */

static void try_later(struct object_write *w)
{
    const struct timeval pause = {.tv_sec = w->pause_ms / 1000,
                                  .tv_usec = w->pause_ms % 1000 * 1000};
    evtimer_add(w->timer, &pause);
    w->pause_ms = w->pause_ms * 2 < LONGEST_PAUSE_MS ? w->pause_ms * 2 : LONGEST_PAUSE_MS;
}

static void try_now(struct object_write *w)
{
    const struct timeval now = {0};
    evtimer_add(w->timer, &now);
}

/* From the beginning at the next try: what was there has changed. */
static void forget_stored(struct object_write *w)
{
    deadletter_object_free(w->merged);
    free(w->etag);
    w->merged = NULL;
    w->etag = NULL;
    w->absent = false;
}

/* action: what S3 did not do, as IAM calls it. */
static void refused(struct object_write *w, const char *action, const struct aws_reply *reply)
{
    struct objects *all = w->all;
    char *what = xasprintf("bucket \"%s\"", all->bucket);
    const struct obstacle_object object = {what, "dead_letters", "consumer", all->endpoint->region};
    char *text =
        obstacle_failure(&object, action, "a dead letter could not be stored, trying again", reply);
    if (trouble_note(&all->trouble, text, clock_mono_ms()))
        log_warn("%s", text);
    all->report(all->arg, all->trouble.text);
    free(text);
    free(what);
    if (strcmp(reply->code, "NoSuchBucket") == 0 && !all->open)
        open_bucket(all);
    forget_stored(w);
    try_later(w);
}

static void stored(struct object_write *w)
{
    struct objects *all = w->all;
    fault_point("consumer.after_s3");
    if (trouble_end(&all->trouble))
        log_info("bucket \"%s\": works again", all->bucket);
    w->done(w->work, w->key); /* may free w */
}

static void set_key(struct object_write *w)
{
    deadletter_object_key(w->all->prefix, w->ours->first_failed_at_ms, w->ours->trace_id,
                          w->beside ? w->ours->sha256 : NULL, w->key);
}

static void step_beside(struct object_write *w, const char *reason)
{
    log_error(
        "object %s of bucket \"%s\" is not of this event (%s); its dead letter goes beside it",
        w->key, w->all->bucket, reason);
    w->beside = true;
    set_key(w);
    try_now(w);
}

static bool same_round(const struct object_write *w, const struct deadletter_object *there)
{
    if (w->by_message)
        return strcmp(there->message_id, w->ours->message_id) == 0;
    return there->failed_at_ms == w->ours->failed_at_ms;
}

static void judge_stored(struct object_write *w, const struct aws_reply *reply,
                         const struct s3_got *got)
{
    char reason[128];
    if (reply->class == AWS_MISSING && strcmp(reply->code, "NoSuchBucket") != 0) {
        w->absent = w->all->endpoint->unconditional;
        if (w->absent)
            try_now(w);
        else
            try_later(w); /* it has just been deleted: create it */
        return;
    }
    if (!got) {
        refused(w, "s3:GetObject", reply);
        return;
    }
    struct deadletter_object *there =
        deadletter_object_parse(got->body, got->body_len, reason, sizeof(reason));
    bool ours = there && strcmp(there->sha256, w->ours->sha256) == 0;
    if (!ours && w->beside) {
        static const struct aws_reply taken = {
            .class = AWS_CONFLICT, .code = "taken", .message = "both of its keys are taken"};
        refused(w, "s3:PutObject", &taken);
    } else if (!ours) {
        step_beside(w, there ? "it has another payload" : reason);
    } else if (same_round(w, there)) {
        stored(w);
    } else {
        w->merged = deadletter_object_next_round(there, w->ours);
        w->etag = xstrdup(got->etag);
        try_now(w);
    }
    deadletter_object_free(there);
}

static void on_got(void *arg, const struct aws_reply *reply, const struct s3_got *got)
{
    struct object_write *w = arg;
    struct inflight *all = w->work->inflight;
    w->call = 0;
    inflight_begin(all, w->work);
    judge_stored(w, reply, got);
    inflight_end(all);
}

static void read_it(struct object_write *w)
{
    w->call =
        s3_get_object(w->all->client, w->all->endpoint, w->all->bucket, w->key, &limits, on_got, w);
}

static void on_put(void *arg, const struct aws_reply *reply, const char *etag)
{
    struct object_write *w = arg;
    (void)etag;
    w->call = 0;
    free(w->text);
    w->text = NULL;
    bool changed = reply->class == AWS_CONFLICT ||
                   (reply->class == AWS_MISSING && strcmp(reply->code, "NoSuchBucket") != 0);
    if (reply->class == AWS_OK) {
        stored(w);
    } else if (w->merged && changed) {
        forget_stored(w); /* somebody else was faster: look again */
        try_later(w);
    } else if (reply->class == AWS_CONFLICT) {
        read_it(w);
    } else {
        refused(w, "s3:PutObject", reply);
    }
}

static void put_it(struct object_write *w)
{
    const struct deadletter_object *o = w->merged ? w->merged : w->ours;
    struct deadletter_metadata metadata;
    struct s3_put put = {.key = w->key, .content_type = "application/json"};
    deadletter_object_metadata(o, &metadata);
    w->text = deadletter_object_text(o, &put.body_len);
    put.body = w->text;
    put.metadata = metadata.headers;
    put.metadata_count = metadata.count;
    put.create_once = !w->merged;
    put.if_match = w->etag;
    w->call =
        s3_put_object(w->all->client, w->all->endpoint, w->all->bucket, &put, &limits, on_put, w);
    deadletter_metadata_free(&metadata);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct object_write *w = arg;
    if (!w->all->is_open || fault_point("consumer.before_s3")) {
        try_later(w);
        return;
    }
    inflight_begin(w->work->inflight, w->work);
    if (w->all->endpoint->unconditional && !w->merged && !w->absent)
        read_it(w); /* no condition would keep what is there from being replaced */
    else
        put_it(w);
    inflight_end(w->work->inflight);
}

struct object_write *object_write_start(struct objects *all, struct work *work,
                                        struct deadletter_object *o, bool by_message,
                                        object_write_cb *done)
{
    struct object_write *w = xcalloc(1, sizeof(*w));
    w->all = all;
    w->work = work;
    w->ours = o;
    w->by_message = by_message;
    w->pause_ms = FIRST_PAUSE_MS;
    w->done = done;
    w->timer = evtimer_new(all->base, on_timer, w);
    set_key(w);
    try_now(w);
    return w;
}

bool object_write_is_sending(const struct object_write *w)
{
    return w->call != 0;
}

void object_write_free(struct object_write *w)
{
    if (!w)
        return;
    if (w->call)
        aws_cancel(w->all->client, w->call);
    forget_stored(w);
    deadletter_object_free(w->ours);
    event_free(w->timer);
    free(w->text);
    free(w);
}
