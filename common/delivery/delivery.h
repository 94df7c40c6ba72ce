#ifndef COMMON_DELIVERY_DELIVERY_H
#define COMMON_DELIVERY_DELIVERY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/webhook/webhook.h"

/* One attempt to hand an event to a destination, whatever its type (to_exec.c, to_file.c,
 * to_http.c; later to_sqs.c). Used by the consumer and by redrives. */
struct delivery;    /* an attempt under way */
struct destination; /* a configured destination, ready for use */
struct check;
struct event_base;
struct tokens;

enum verdict {
    DELIVERED,
    RETRY, /* may work later */
    DEAD,  /* never will */
};

struct delivery_outcome {
    enum verdict verdict;
    const char
        *class; /* of a failure: "destination", "rejected", "timeout", …; "" when delivered */
    const char *error; /* for people, at most 200 bytes, made safe (no control bytes) */
    int status;        /* HTTP status or exit status, 0 where there is none */
    int64_t took_ms;
    bool of_destination; /* of RETRY: the destination's failure, which it would be for any event;
                            else it may be this event's own */
    bool is_unasked;     /* the check has failed, and the destination was not asked */
    int retry_after_s;   /* of RETRY: the destination asked to be left alone so long (capped by its
                            configuration); 0: it did not say */
};

/* What an attempt goes by beside the event: its record in the ledger, which is what repeats are
 * told by, and the check of its source. */
struct delivery_record {
    const char *ledger_id; /* copied; NULL where there is none: the event then goes by destination,
                              source and event id */
    int revision;          /* of a corrected payload */
    struct check *check;   /* borrowed; NULL: none. It is part of the attempt and comes first: where
                              it fails nothing is delivered, and the outcome is the check's */
    /* Called with the callback's arg, true before the attempt handles what is in the event in a
     * turn of its own, false after it; NULL: nobody wants to know. */
    void (*handling)(void *arg, bool begins);
};

/* Runs once, never from inside delivery_start, not after delivery_cancel. outcome is borrowed. */
typedef void delivery_cb(void *arg, const struct delivery_outcome *outcome);

/* conf is the normalised destination object ("type" decides), name its key; both borrowed for the
 * destination's life, as is tokens, which may be NULL where no destination names an oauth. NULL
 * with a logged reason where it cannot be used. */
struct destination *destination_new(struct event_base *base, const char *name, const json_t *conf,
                                    struct tokens *tokens);
void destination_free(struct destination *d); /* no attempt may be under way */

/* Where the process groups of programs under way are noted, for somebody who outlives this process
 * and ends them after its death. */
struct delivery_groups {
    /* A place that holds 0, the destination's until it puts 0 there again; NULL: none is free. */
    _Atomic pid_t *(*place)(void *arg);
    void *arg;
};
/* From now on; groups is borrowed. Of no effect where the type runs no programs. */
void destination_note_groups(struct destination *d, const struct delivery_groups *groups);

/* hook is borrowed until the callback or the cancel. attempt counts from 1. record NULL: no
 * ledger id, revision 0, no check. */
struct delivery *delivery_start(struct destination *d, const struct webhook *hook, int attempt,
                                const struct delivery_record *record, delivery_cb *done, void *arg);
/* Whether the attempt has not begun yet: the check is being made, the destination runs as many as
 * it may (max_running), or the access token is awaited. Cancelling such an attempt has no effect
 * outside. */
bool delivery_waiting(const struct delivery *delivery);
/* Ends the attempt (kills an exec child's process group); the callback will not run. */
void delivery_cancel(struct delivery *delivery);

#endif
