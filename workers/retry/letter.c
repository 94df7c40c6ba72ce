#include "workers/retry/letter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

#define WHY_BYTES 256

struct letter_own {
    const struct dead_letters *d; /* borrowed: outlives every letter */
    uint64_t call;                /* under way, or 0 */
    char *etag;                   /* of the bytes */
    char *text;                   /* being written */
    size_t text_len;
    struct deadletter_metadata metadata; /* of it */
    letter_cb *done;
    void *arg;
};

struct letter *letter_new(const struct dead_letters *d, const char *key)
{
    struct letter *l = xcalloc(1, sizeof(*l));
    l->own = xcalloc(1, sizeof(*l->own));
    l->own->d = d;
    l->key = xstrdup(key);
    return l;
}

void letter_free(struct letter *l)
{
    if (!l)
        return;
    if (l->own->call)
        aws_cancel(l->own->d->client, l->own->call);
    deadletter_metadata_free(&l->own->metadata);
    deadletter_object_free(l->object);
    free(l->own->etag);
    free(l->own->text);
    free(l->own);
    free(l->bytes);
    free(l->key);
    free(l);
}

static void begin(struct letter *l, letter_cb *done, void *arg)
{
    assert(!l->own->call);
    l->own->done = done;
    l->own->arg = arg;
}

static void end(struct letter *l, enum letter_answer answer, const char *text)
{
    l->own->done(l->own->arg, answer, text);
}

static bool is_gone(const struct aws_reply *reply)
{
    return reply->class == AWS_MISSING && strcmp(reply->code, "NoSuchBucket") != 0;
}

static void end_by_reply(struct letter *l, const char *action, const struct aws_reply *reply)
{
    if (is_gone(reply)) {
        end(l, LETTER_GONE, "there is no such dead letter");
    } else if (reply->class == AWS_CONFLICT) {
        end(l, LETTER_CHANGED, "it was changed meanwhile");
    } else {
        char *text = dead_letters_failure(l->own->d, action, reply);
        end(l, LETTER_TROUBLE, text);
        free(text);
    }
}

static void keep(struct letter *l, const struct s3_got *got)
{
    free(l->bytes);
    l->bytes = xmemdup(got->body_len ? got->body : "", got->body_len);
    l->len = got->body_len;
    free(l->own->etag);
    l->own->etag = xstrdup(got->etag);
}

static void on_read(void *arg, const struct aws_reply *reply, const struct s3_got *got)
{
    struct letter *l = arg;
    char why[WHY_BYTES];
    l->own->call = 0;
    if (!got) {
        end_by_reply(l, "s3:GetObject", reply);
        return;
    }
    keep(l, got);
    deadletter_object_free(l->object);
    l->object = deadletter_object_parse(l->bytes, l->len, why, sizeof(why));
    end(l, l->object ? LETTER_OK : LETTER_UNREADABLE, l->object ? "" : why);
}

void letter_read(struct letter *l, letter_cb *done, void *arg)
{
    begin(l, done, arg);
    const struct dead_letters *d = l->own->d;
    l->own->call =
        s3_get_object(d->client, d->s3, d->bucket, l->key, &dead_letters_patience, on_read, l);
}

/* What is there after a write of which we do not know whether it was done. */
static void on_looked(void *arg, const struct aws_reply *reply, const struct s3_got *got)
{
    struct letter *l = arg;
    struct letter_own *own = l->own;
    own->call = 0;
    if (!got) {
        end_by_reply(l, "s3:GetObject", reply);
    } else if (got->body_len == own->text_len && memcmp(got->body, own->text, own->text_len) == 0) {
        keep(l, got);
        end(l, LETTER_OK, "");
    } else if (got->body_len == l->len && memcmp(got->body, l->bytes, l->len) == 0) {
        end(l, LETTER_TROUBLE, "the storage did not take the change");
    } else {
        end(l, LETTER_CHANGED, "it was changed meanwhile");
    }
}

static void on_stored(void *arg, const struct aws_reply *reply, const char *etag)
{
    struct letter *l = arg;
    struct letter_own *own = l->own;
    const struct dead_letters *d = own->d;
    own->call = 0;
    if (reply->class == AWS_OK && etag) {
        const struct s3_got stored = {.body = own->text, .body_len = own->text_len, .etag = etag};
        keep(l, &stored);
        end(l, LETTER_OK, "");
    } else if (reply->class == AWS_CONFLICT || reply->class == AWS_TRANSIENT) {
        own->call = s3_get_object(d->client, d->s3, d->bucket, l->key, &dead_letters_patience,
                                  on_looked, l);
    } else {
        end_by_reply(l, "s3:PutObject", reply);
    }
}

void letter_store(struct letter *l, letter_cb *done, void *arg)
{
    struct letter_own *own = l->own;
    const struct dead_letters *d = own->d;
    begin(l, done, arg);
    deadletter_metadata_free(&own->metadata);
    deadletter_object_metadata(l->object, &own->metadata);
    free(own->text);
    own->text = deadletter_object_text(l->object, &own->text_len);
    const struct s3_put put = {
        .key = l->key,
        .body = own->text,
        .body_len = own->text_len,
        .content_type = "application/json",
        .metadata = own->metadata.headers,
        .metadata_count = own->metadata.count,
        .if_match = own->etag,
    };
    own->call =
        s3_put_object(d->client, d->s3, d->bucket, &put, &dead_letters_patience, on_stored, l);
}

/* What is there after a delete of which we do not know whether it was done. */
static void on_looked_after_delete(void *arg, const struct aws_reply *reply,
                                   const struct s3_got *got)
{
    struct letter *l = arg;
    l->own->call = 0;
    if (is_gone(reply))
        end(l, LETTER_OK, "");
    else if (!got)
        end_by_reply(l, "s3:GetObject", reply);
    else if (got->body_len == l->len && memcmp(got->body, l->bytes, l->len) == 0)
        end(l, LETTER_TROUBLE, "the storage did not delete it");
    else
        end(l, LETTER_CHANGED, "it was changed meanwhile");
}

static void on_deleted(void *arg, const struct aws_reply *reply)
{
    struct letter *l = arg;
    const struct dead_letters *d = l->own->d;
    l->own->call = 0;
    if (reply->class == AWS_OK || is_gone(reply))
        end(l, LETTER_OK, "");
    else if (reply->class == AWS_CONFLICT || reply->class == AWS_TRANSIENT)
        l->own->call = s3_get_object(d->client, d->s3, d->bucket, l->key, &dead_letters_patience,
                                     on_looked_after_delete, l);
    else
        end_by_reply(l, "s3:DeleteObject", reply);
}

void letter_delete(struct letter *l, letter_cb *done, void *arg)
{
    const struct dead_letters *d = l->own->d;
    begin(l, done, arg);
    l->own->call = s3_delete_object(d->client, d->s3, d->bucket, l->key, l->own->etag,
                                    &dead_letters_patience, on_deleted, l);
}
