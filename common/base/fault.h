#ifndef COMMON_BASE_FAULT_H
#define COMMON_BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* Named places at which a test can make this process die or a step fail.
 *
 *   SLUICE_FAULT="point:n[:action][,point:n[:action]...]"
 *
 * The n-th time (from 1) the process reaches `point` the action happens: `kill`
 * (the default: SIGKILL to itself), or `each` (the same from the n-th time on), or `fail`
 * (fault_point returns true once), or `always` (true from the n-th time on), or `ticket` (true from
 * the n-th time on, once for each ticket). Without the variable a point costs one comparison.
 *
 * A process that was killed and started again counts anew. SLUICE_FAULT_TICKETS=DIR bounds the
 * kills, and the failures of `ticket`, over all processes: each one first removes a file POINT or
 * POINT-* of that folder, and where there is none nothing happens. Points are named "<role or
 * module>.<step>", for example "store.commit". */
bool fault_point(const char *point);

/* A point that is about some text (an event's body): with SLUICE_FAULT_MATCH=PART it is reached
 * only where the text has that part in it. */
bool fault_point_about(const char *point, const void *text, size_t len);

#endif
