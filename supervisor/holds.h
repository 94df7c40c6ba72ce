#ifndef SUPERVISOR_HOLDS_H
#define SUPERVISOR_HOLDS_H

#include <jansson.h>
#include <stdbool.h>

/* What keeps workers from work that they could take: gates (gates.h) and paused sources (pauses.h),
 * tied to the processes of the supervisor. */
struct holds;
struct process;
struct supervisor;

struct holds *holds_new(struct supervisor *s); /* s is borrowed and outlives it */
void holds_free(struct holds *h);              /* NULL is a no-op */

/* A worker's `gate`. */
void holds_gate(struct holds *h, struct process *from, const json_t *msg);
/* A worker was just forked: tells it of gates and pauses. */
void holds_greet(struct holds *h, struct process *p);
/* Workers have come or gone: a probe may have to go to another one. */
void holds_look(struct holds *h);

/* Pauses or resumes a source; NULL: every one that there is, or is paused. by: who wants it, ""
 * where that is not known. Answers the control command (new reference). */
json_t *holds_pause(struct holds *h, const char *source, bool paused, const char *by);

/* Adds "gates" (gates_status) and "paused" (pauses_list) to an answer of the control socket. */
void holds_status(const struct holds *h, json_t *answer);

#endif
