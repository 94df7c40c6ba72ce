#ifndef WORKERS_RETRY_DEAD_LETTERS_H
#define WORKERS_RETRY_DEAD_LETTERS_H

#include <jansson.h>
#include <stdbool.h>

#include "common/aws/s3.h"
#include "workers/checkup.h"
#include "workers/retry/params.h"

/* What everything about dead letters works with: where they and the ledger are, and where their
 * events go. Opens bucket and table at the start. */
struct deadletter_object;
struct destination;
struct errands;
struct event_base;
struct ledger;
struct tokens;

struct dead_letters {              /* to be read by all; made and freed here */
    struct event_base *base;       /* borrowed */
    struct aws_client *client;     /* borrowed */
    const json_t *conf;            /* borrowed: the slice */
    const struct aws_endpoint *s3; /* of ours below */
    const struct aws_endpoint *table_at;
    const char *bucket, *prefix, *table; /* of conf */
    int max_redrives;
    struct ledger *ledger;   /* own */
    struct errands *errands; /* own */
    struct dead_letters_own *own;
};

struct dead_letters_callbacks {
    void (*opened)(void *arg);                   /* once, when bucket and table are there */
    void (*advise)(void *arg, const char *text); /* what works but should be otherwise */
    void *arg;
};

/* NULL after a logged error (a destination or an errand that cannot be used). callbacks is copied;
 * they are never called from inside. */
struct dead_letters *dead_letters_new(struct event_base *base, struct aws_client *client,
                                      const json_t *conf, struct tokens *tokens,
                                      const struct dead_letters_callbacks *callbacks);
void dead_letters_free(struct dead_letters *d);

/* Adds what is waited for to the beat's array. */
void dead_letters_waiting(const struct dead_letters *d, json_t *texts);

/* Of bucket and table: why it cannot be used where waiting will not help, else NULL. */
const char *dead_letters_bucket_error(const struct dead_letters *d, bool *open_out);
const char *dead_letters_table_error(const struct dead_letters *d, bool *open_out);

/* Adds what redrives need of bucket and table (checkup.h). */
void dead_letters_check(const struct dead_letters *d, struct checkup *c);

/* NULL for a name that is not configured. */
struct destination *dead_letters_destination(const struct dead_letters *d, const char *name);
/* The source's configuration, or NULL. */
const json_t *dead_letters_source(const struct dead_letters *d, const char *name);

/* Whether the caller's filters let this one through. */
bool dead_letters_match(const struct params *filter, const struct deadletter_object *o);
/* The key before which a walk with these filters may end ("" where there is none): the hour of a
 * key is the first failure's, which no later failure precedes. */
void dead_letters_beyond(const struct dead_letters *d, const struct params *filter, char *key_out);

/* Whether somebody is redriving it. A claim of another host counts a little longer than it says,
 * since clocks differ; one of a process that has died here does not count. */
bool dead_letters_held(const struct deadletter_object *o);

/* What the bucket or the table did not do, with what to do about it (malloc; obstacle.h). action:
 * "s3:GetObject"; a table's has another service's name. It is logged too, but not each time. */
char *dead_letters_failure(const struct dead_letters *d, const char *action,
                           const struct aws_reply *reply);

/* For calls that a person waits for. */
extern const struct s3_options dead_letters_patience;

#endif
