#ifndef WORKERS_CONSUMER_INFLIGHT_H
#define WORKERS_CONSUMER_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/delivery/delivery.h"
#include "common/webhook/webhook.h"
#include "workers/consumer/queues.h"

/* The messages that this worker holds, from the receive to the last confirmed step. Calls that are
 * under way refer to one by its id and look it up when they are answered. */
struct source;
struct copy;
struct object_write;
struct claims;
struct settle;
struct ledger_claim;
struct ledger_record;
struct inflight_table;
struct work;
typedef void work_written_cb(void *arg, struct work *w, bool written);

enum work_stage {
    WORK_NEW,        /* being routed */
    WORK_WAITING,    /* for one ahead of it (groups.h): nothing has been done about it */
    WORK_CLAIMING,   /* the ledger has been asked */
    WORK_DELIVERING, /* delivery is set */
    WORK_WRITING,    /* what has become of it goes to the ledger */
    WORK_COPYING,    /* its copy goes to S3 or another queue; the lease is kept */
    WORK_DELETING,   /* a delete is under way; the lease is kept */
    WORK_YIELDING, /* its visibility is about to be set for the last time; the lease is not kept */
};

struct work {
    TAILQ_ENTRY(work) link;
    uint64_t id;                 /* never 0 */
    struct inflight *inflight;   /* borrow: it is in there */
    struct queue *queue;         /* borrow */
    const struct source *source; /* borrow */
    struct sqs_message message;  /* own, with all it points to */
    struct webhook *hook;        /* own; NULL where the message is malformed */
    enum work_stage stage;
    struct delivery *delivery;   /* own, while WORK_DELIVERING */
    void *attempt;               /* own of the deliverer, while WORK_DELIVERING */
    bool is_probe;               /* of held.c: its delivery says whether the destination is back */
    struct copy *copy;           /* own of settle.c, while WORK_COPYING */
    struct object_write *object; /* own of settle.c, while WORK_COPYING */
    int retry_count;             /* its RetryCount; 0 without */
    char sha256[65];             /* of the exact body, hex; "" where hook is NULL */
    int slot;                    /* of inflight.c: its place in the table, -1 without */
    int kills;                   /* workers that died of it, as far as that was asked */
    bool is_poison;              /* it has killed too many (poison.h) */

    /* of lease.c */
    int visibility_s; /* of the poll: what each extension asks for */
    int lease_s;      /* what the newest extension asked for */
    int64_t received_mono_ms;
    int64_t until_mono_ms;     /* confirmed, less the margin */
    int64_t extend_at_mono_ms; /* when the next extension is due */
    bool extending;            /* an extension is under way */
    bool lease_stopped;        /* no further extension */

    /* of claims.c; without a claim there is no ledger, or it cannot be reached */
    struct claims *claims;        /* borrow */
    struct ledger_claim *claim;   /* own; NULL: none is held */
    struct ledger_record *record; /* own: what the ledger is to say next; NULL before the claim */
    int64_t claim_extend_mono_ms; /* when the claim's next extension is due */
    bool claim_busy;              /* a request about the claim is under way */
    work_written_cb *write_done;  /* a write is wanted; NULL: none */
    bool write_releases;          /* it gives the claim back */
    int write_pause_ms;           /* before its next try */
    int64_t write_at_mono_ms;     /* not before */

    /* of settle.c */
    struct settle *settle; /* borrow, while object is set */
    char dlq_key[1025];    /* of its dead letter in S3, once written */
    int yield_s;           /* visibility to be set in WORK_YIELDING; 0 releases */
};
TAILQ_HEAD(work_list, work);

struct inflight;
struct inflight *inflight_new(void);
void inflight_free(struct inflight *all); /* it must be empty but for messages without calls */

/* From now on what is held is noted in a table that outlives this process (borrowed): messages as
 * they are added and removed, and what the next three say. */
void inflight_use_table(struct inflight *all, struct inflight_table *table);
/* The ledger is about to be asked for a claim on its event. */
void inflight_claimed(struct inflight *all, const struct work *w, const char *ledger_id,
                      const char *owner);
/* Around the code that handles what is in a message: if we die there, it was its fault. Every
 * callback of the loop that comes to such code needs it. Of nested ones the outermost counts; the
 * message may have left by the end. */
void inflight_begin(struct inflight *all, const struct work *w);
void inflight_end(struct inflight *all);

/* Takes a message in (copied). */
struct work *inflight_add(struct inflight *all, struct queue *queue,
                          const struct sqs_message *message);
/* NULL where it has left. */
struct work *inflight_find(const struct inflight *all, uint64_t id);
void inflight_remove(struct inflight *all, struct work *w); /* and frees it */

size_t inflight_count(const struct inflight *all);
size_t inflight_count_of(const struct inflight *all, const struct queue *queue);
/* For going through all; the current one may be removed while it is (TAILQ_NEXT taken before). */
struct work *inflight_first(const struct inflight *all);

#endif
