#ifndef WORKERS_RETRY_REDRIVE_GATE_H
#define WORKERS_RETRY_REDRIVE_GATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/delivery/delivery.h"

/* The gates of the destinations (workers/delivery_gate.h) as redrives meet them. What is held back
 * from is not tried; but when the time of a gate is over one redrive of this worker may be, as the
 * probe of somebody who asks: a quiet queue has no event that would tell. */
struct gatekeeper;
struct redrive_gates; /* of this worker */
struct redrive_gate;  /* as one redrive sees its destination's; one without a gate is never held */

/* Both are borrowed. conf: the normalised configuration. */
struct redrive_gates *redrive_gates_new(const json_t *conf, struct gatekeeper *gatekeeper);
void redrive_gates_free(struct redrive_gates *all); /* after each gate; NULL is a no-op */

struct redrive_gate *redrive_gate_new(struct redrive_gates *all, const char *source);
void redrive_gate_free(struct redrive_gate *g); /* drops its probe; NULL is a no-op */

/* Whether it must not be tried now. */
bool redrive_gate_holds(const struct redrive_gate *g);
/* What to tell whoever asked for it then. */
void redrive_gate_why(const struct redrive_gate *g, char *text_out, size_t size);

/* A delivery begins, as the probe where the gate is not open: only where it does not hold. It ends
 * with one of the next two. */
void redrive_gate_begin(struct redrive_gate *g);
/* Without an outcome. */
void redrive_gate_drop(struct redrive_gate *g);
/* With it, which is told to all. True where it is a failure that is part of an outage of the
 * destination, which says nothing of the event. */
bool redrive_gate_outcome(struct redrive_gate *g, const struct delivery_outcome *outcome)
    __attribute__((warn_unused_result));

#endif
