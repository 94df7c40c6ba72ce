#ifndef WORKERS_RETRY_REDRIVE_H
#define WORKERS_RETRY_REDRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/retry/dead_letters.h"

/* The redrive of one dead letter (product notes section 3 *Redrive*). The order of what it does:
 *
 *   read the object; claim it (If-Match); claim the ledger's record; deliver;
 *   delivered:  the outcome into the ledger, which ends the claim; then delete the object
 *   failed:     update the object, which ends its claim; then end the ledger's claim
 *
 * A crash anywhere leaves the object, and claims that run out by themselves; after the outcome is
 * in the ledger the next redrive finds it and only deletes the object. */
struct gatekeeper;
struct redriver; /* all redrives of this worker */
struct redrive;  /* one under way */

enum redrive_end {
    REDRIVE_PROCESSED, /* delivered, by us or before */
    REDRIVE_FAILED,
    REDRIVE_SKIPPED, /* not wanted: filters, parked, gone */
    REDRIVE_UNTRIED, /* its destination is held back; the error says so, and nothing is changed */
};

struct redrive_result { /* borrowed for the callback */
    enum redrive_end end;
    const char *key, *trace_id, *event_id;
    const char *note;          /* of a processed one, "" */
    const char *error, *class; /* of a failed one */
    int retry_count;           /* as the object says now */
};
typedef void redrive_cb(void *arg, const struct redrive_result *result);

struct redrive_request {
    const char *key;
    const struct params *params; /* filters, force, dry_run; borrowed until the end */
    bool named;      /* asked for by its key: where others are skipped it fails with the reason */
    const char *who; /* for the audit line; copied */
};

struct redrive_counters {
    int64_t redriven, failed, parked;
};

/* Both are borrowed. */
struct redriver *redriver_new(const struct dead_letters *d, struct gatekeeper *gates);
/* Redrives under way are forgotten. Before the dead letters. */
void redriver_free(struct redriver *r);
size_t redriver_running(const struct redriver *r);
struct redrive_counters redriver_counters(const struct redriver *r);
/* What has not begun to be delivered is given back; what has goes on to its end, at the latest
 * until shortly before the deadline. */
void redriver_drain(struct redriver *r, int64_t deadline_mono_ms);

/* Something is held back from: redrives that wait for a place at it are given up. */
void redriver_hold(struct redriver *r);

/* done runs once, never from inside, unless it is detached. */
struct redrive *redrive_start(struct redriver *r, const struct redrive_request *request,
                              redrive_cb *done, void *arg);
/* Its caller waits no longer: it goes on to its end by itself, if it has claimed the object. */
void redrive_detach(struct redrive *r);
const char *redrive_key(const struct redrive *r);

#endif
