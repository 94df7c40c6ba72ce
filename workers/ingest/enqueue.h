#ifndef WORKERS_INGEST_ENQUEUE_H
#define WORKERS_INGEST_ENQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/sqs.h"

/* One queue's outgoing events. Whatever waits while a send is under way goes together with the next
 * one (at most 10 messages and 1 MiB), and nothing waits for company when the queue is idle. A
 * second to fourth send starts only where a full batch waits.
 *
 * Each event has a deadline. It is done when the queue has confirmed it, or at its deadline, or
 * when the queue says that it will never take it. What was not sent by its deadline is forgotten;
 * what was sent may still land (a duplicate that the sender's retry makes, which is allowed).
 * Entries that a batch lists as failed are sent again one by one, after a pause, while there is
 * time. Where the queue throttles there are fewer sends and pauses between them, and what was
 * throttled goes again with whatever waits, so that batches stay full (common/aws/limiter.h). */
struct enqueue;
struct event_base;

#define ENQUEUE_ATTRIBUTES_MAX 2
#define ENQUEUE_SENDS_MAX 4

struct enqueue_message {
    char *body; /* own */
    size_t body_len;
    struct {
        const char *name; /* static */
        char *value;      /* own */
    } attributes[ENQUEUE_ATTRIBUTES_MAX];
    size_t attribute_count;
    char *group;            /* own; NULL: none */
    char *deduplication_id; /* own; NULL but on a FIFO queue */
};

/* Runs once for each event, never from inside enqueue_add; not after enqueue_free. stored: the
 * queue has confirmed it. */
typedef void enqueue_done(void *arg, bool stored);

/* The calls below us; enqueue_sqs in production, others in unit tests. */
struct enqueue_calls {
    uint64_t (*send_batch)(struct aws_client *c, const struct aws_endpoint *e,
                           const char *queue_url, const struct sqs_outgoing *messages, size_t count,
                           const struct sqs_options *o, sqs_batch_cb *done, void *arg);
    void (*cancel)(struct aws_client *c, uint64_t id);
};
extern const struct enqueue_calls enqueue_sqs;

struct enqueue_options {
    const char *name;                    /* of the queue, for logs; borrowed */
    struct aws_client *client;           /* borrowed */
    const struct aws_endpoint *endpoint; /* borrowed */
    const struct enqueue_calls *calls;   /* borrowed */
    void (*missing)(void *arg);          /* the queue is gone: its URL is unknown again */
    void *missing_arg;
};

struct enqueue_stats {      /* monotonic */
    int64_t sends;          /* batches sent */
    int64_t entries_failed; /* entries that a batch call listed as failed */
    int64_t throttled;      /* pauses because the queue throttles */
    int64_t late;           /* confirmed after their deadline: duplicates to come */
};

struct enqueue *enqueue_new(struct event_base *base, const struct enqueue_options *options);
/* Cancels what is under way, without callbacks. */
void enqueue_free(struct enqueue *q);

/* The queue's URL (copied). Until it is known events are held, each until its deadline. */
void enqueue_set_url(struct enqueue *q, const char *url);

/* What one message on that queue may have in bytes; SQS_MESSAGE_BYTES until it is set. Whoever adds
 * a larger one will be told that it is not stored. */
void enqueue_set_limit(struct enqueue *q, size_t message_bytes);
size_t enqueue_limit(const struct enqueue *q);

/* Takes over the message's memory. Its size (sqs_message_bytes) is at most SQS_MESSAGE_BYTES, which
 * is asserted. */
void enqueue_add(struct enqueue *q, struct enqueue_message *message, int64_t deadline_mono_ms,
                 enqueue_done *done, void *arg);

/* Events that are not done. */
size_t enqueue_pending(const struct enqueue *q);
const struct enqueue_stats *enqueue_stats(const struct enqueue *q);
/* For how long sends have failed with none confirmed, where that is worth a complaint (sending.h);
 * else 0. */
int64_t enqueue_failing_ms(const struct enqueue *q, const char **error_out);

#endif
