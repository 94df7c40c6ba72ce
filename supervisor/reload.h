#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H

#include "supervisor/plan.h"
#include "supervisor/role.h"

/* A reload is a transaction:
 *
 *   load and validate -> acquire listeners -> start one new worker of each role whose slice changed
 *   -> when all of these are ready: commit. The old workers drain, the other places follow.
 *
 * Ready includes the check of every object that the reload adds or changes (changes.h): where one
 * cannot be used (denied, missing, wrong region) the reload fails and names it. Anything that fails
 * before the commit rolls back: the new workers are stopped, what was acquired
 * is closed, and the old configuration never noticed. After it a failure is an ordinary crash. At
 * most two generations live; requests that come meanwhile become one reload after this one. */
struct reload;
struct supervisor;

struct reload *reload_new(struct supervisor *s);
void reload_free(struct reload *r);

/* Asks for a reload. Returns the number of the one that will serve the request, whose result comes
 * as control_reload_done, never from inside this call. */
unsigned reload_request(struct reload *r);

/* The plan that the reload in progress tries for a role; NULL: none, or the role is unchanged. */
struct plan *reload_tried_plan(const struct reload *r, enum role role);

/* Takes the next step if its condition is met; called after each reconcile. */
void reload_progress(struct reload *r);

/* The supervisor stops: rolls back and answers what waits. */
void reload_abort(struct reload *r);

#endif
