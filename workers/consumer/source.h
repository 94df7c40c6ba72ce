#ifndef WORKERS_CONSUMER_SOURCE_H
#define WORKERS_CONSUMER_SOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/delivery/delivery.h"
#include "common/delivery/ledger.h"
#include "common/delivery/ledger_kills.h"
#include "workers/consumer/queues.h"

/* The configured sources as the consumer uses them. */
struct source {
    const char *name;   /* borrow, of the configuration */
    const json_t *conf; /* borrow */
    bool body_is_json;
    int base_s;
    int cap_s;
    int max_retries;
    int visibility_s;
    int wait_s;
    int64_t age_limit_ms;
    struct destination *destination; /* borrow, of the set */
    struct queue *queue;             /* borrow, of the queues */
    struct queue *inspection;        /* borrow */
    struct queue *dead_letters;      /* borrow, or NULL: no queue for them */
    const char *destination_name;    /* borrow, of the configuration */
    struct check *check;             /* borrow, of the errands; NULL: none */
    struct acknowledge *acknowledge; /* borrow, of the errands; NULL: none */
    char *gate_key;                  /* own: of its destination and check; NULL: it has none */
    int64_t breaker_open_ms;         /* where it has one */
    int64_t delivery_ms;             /* that a delivery may take, where it has one */
    struct ledger *ledger;           /* borrow, of the set; NULL: off */
    bool deliver_in_outage;          /* without the ledger where it cannot be reached */
    bool requeue;                    /* the strategy, else visibility */
    bool s3;                         /* dead letters go there */
};

/* Where the ledger of each source is, and what else they use. All borrowed for their life. */
struct sources_means {
    struct aws_client *client;
    const struct aws_endpoint *ledger;
    struct errands *errands;
    struct tokens *tokens;
};

struct errands;
struct sources;

/* Reads sources, queues and destinations of a normalised slice (borrowed for its life) and adds the
 * queues. NULL with a logged reason. */
struct sources *sources_new(struct event_base *base, const json_t *conf, struct queues *queues,
                            const struct sources_means *means);
void sources_free(struct sources *all); /* no delivery may be under way */

/* The queue has been opened: an event must not wait longer than the queue keeps it, less a day for
 * its dead letter. A queue that keeps messages for ever changes nothing. */
void sources_limit_age(struct sources *all, const struct queue *queue);

/* What should be set otherwise at the queues (advice.h), of all that are open: each(arg, text). */
void sources_advise(const struct sources *all, void (*each)(void *arg, const char *text),
                    void *arg);

size_t sources_count(const struct sources *all);
const struct source *sources_at(const struct sources *all, size_t i);

/* Whether any source has a ledger; whether any writes dead letters to S3. */
bool sources_use_ledger(const struct sources *all);
bool sources_use_s3(const struct sources *all);

/* What the ledger knows of workers that died of a message of this queue; NULL where no source that
 * reads it has a ledger. Also gives back the claims of such workers, whatever their queue. */
struct ledger_kills *sources_kills_of_queue(const struct sources *all, const struct queue *queue);

/* destination_note_groups of every destination. */
void sources_note_groups(const struct sources *all, const struct delivery_groups *groups);

/* The source with this name that reads this queue, else the first one that reads it. */
const struct source *sources_of_queue(const struct sources *all, const struct queue *queue,
                                      const char *name);

/* How a queue is polled: the longest visibility and the shortest wait of its sources. */
void sources_poll_times(const struct sources *all, const struct queue *queue, int *wait_s_out,
                        int *visibility_s_out);

#endif
