#ifndef WORKERS_CONSUMER_QUEUES_H
#define WORKERS_CONSUMER_QUEUES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/queue_attributes.h"
#include "common/aws/sqs.h"
#include "workers/consumer/trouble.h"

/* The queues this worker reads from and writes to, each at its own service. Each is opened (on the
 * embedded store created where it is missing) as soon as that works, with growing pauses between
 * tries; until then it has no URL and whoever needs it waits. */
struct queues;
struct event_base;

enum queue_action { /* each may be refused by itself */
                    QUEUE_RECEIVE,
                    QUEUE_SEND,
                    QUEUE_DELETE,
                    QUEUE_VISIBILITY,
                    QUEUE_ACTIONS
};

struct queue {
    size_t index;                        /* 0.. in the order of queues_add */
    const char *name;                    /* borrow, of the configuration: the key under "queues" */
    char *url;                           /* own; NULL until it is known */
    struct queue_attributes attributes;  /* as last read (queue_watch.h); all 0 until it is open */
    bool read;                           /* polled, not only written to */
    struct aws_client *client;           /* borrow */
    const struct aws_endpoint *endpoint; /* borrow: of the table */
    struct queues *all;                  /* borrow: the table that it is in */
    int64_t polled_until_mono_ms; /* while we stop: a poll of ours that cannot be withdrawn may take
                                     until then what becomes visible; 0: there is none */
    struct trouble troubles[QUEUE_ACTIONS];
};

struct queues_callbacks {
    void (*ready)(void *arg, struct queue *q); /* has a URL now, or other attributes */
    void (*trouble)(void *arg, const char *text);
};

/* client, conf (the worker's slice) and callbacks are borrowed and outlive it. */
struct queues *queues_new(struct event_base *base, struct aws_client *client, const json_t *conf,
                          const struct queues_callbacks *callbacks, void *arg);
void queues_free(struct queues *all); /* cancels what is under way */

/* The queue under this key of the configuration (borrowed), added where it is new. Pointers stay
 * good. */
struct queue *queues_add(struct queues *all, const char *name, bool read);

/* Starts finding the URLs. */
void queues_start(struct queues *all);

/* The service says that it does not exist: the URL is dropped and the queue opened again. */
void queues_lost(struct queue *q);

/* Why a queue without a URL has none yet. */
const char *queues_opening(const struct queue *q);

size_t queues_count(const struct queues *all);
struct queue *queues_at(const struct queues *all, size_t i);
bool queues_all_known(const struct queues *all);
/* Why a queue cannot be used where waiting will not help, else NULL. *open_out: it is open, or no
 * source uses it. */
const char *queues_error(const struct queues *all, const char *name, bool *open_out);

/* Records, logs and reports that the service did not do the action on that queue, with what to do
 * about it; failure says what did not work ("cannot receive"). A repetition is not logged again. */
void queues_failed(struct queue *q, enum queue_action action, const char *failure,
                   const struct aws_reply *reply);
/* The same where it is one message's: what somebody has to mend is the queue's trouble, and of
 * everything else a line tells of the message and what follows ("it will be received again"). */
void queues_message_failed(struct queue *q, const char *message_id, enum queue_action action,
                           const char *failure, const struct aws_reply *reply, const char *then);
/* It was done. */
void queues_worked(struct queue *q, enum queue_action action);
/* Appends the troubles to an array of texts. */
void queues_waiting(const struct queues *all, json_t *list);

#endif
