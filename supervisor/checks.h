#ifndef SUPERVISOR_CHECKS_H
#define SUPERVISOR_CHECKS_H

#include <jansson.h>

/* `sluicectl check`: one worker of each role that uses AWS or the embedded store is asked to try
 * its objects and permissions (workers/checkup.h), and the lines of all are put together. One check
 * at a time; who asks meanwhile gets the result of the one that runs. After CHECKS_MS what there is
 * must do, with a line for each worker that has not come to its end. */
struct checks;
struct process;
struct supervisor;

#define CHECKS_MS 15000

struct checks *checks_new(struct supervisor *s);
void checks_free(struct checks *c); /* NULL is a no-op */

/* The number of the check whose result comes as control_check_done, never from inside this call. */
unsigned checks_request(struct checks *c);

/* A worker's `checked`; unchecked. */
void checks_take(struct checks *c, const struct process *from, const json_t *msg);

#endif
