#ifndef SUPERVISOR_RECONCILE_H
#define SUPERVISOR_RECONCILE_H

/* The one place where workers are started, and drained while the service runs: brings the processes
 * towards what is wanted, which is the current plans and the first worker of each plan that a
 * reload tries. */
struct supervisor;

/* Doing it again, with nothing changed, does nothing. */
void reconcile_run(struct supervisor *s);

#endif
