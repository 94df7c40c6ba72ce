#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

#include <jansson.h>

/* RUN/control.sock, for sluicectl: one JSON object a line each way.
 *
 *   {"cmd":"status"}                 all that is known of the workers
 *   {"cmd":"health","worker":NAME?}  whether each worker is up and heard from
 *   {"cmd":"reload"}                 answered when the reload is done or refused
 *   {"cmd":"check"}                  answered when the check is over (checks.h): "all_ok", "lines"
 *   {"cmd":"pause","source":NAME?}   stops polling for a source, or for all; kept over restarts
 *   {"cmd":"resume","source":NAME?}
 *   {"cmd":"stop"}                   answered at once; the connection ends with the supervisor
 *
 * Answers are {"ok":true,...} or {"ok":false,"error":...,"errors":[{"path","message"}]}. Nothing a
 * client does can block or grow this process: lines, clients and idle time are bounded. */
struct control;
struct supervisor;

/* NULL after logging why. */
struct control *control_new(struct supervisor *s);
void control_free(struct control *c); /* ends every connection; NULL is a no-op */

/* Once a second: accepts again where it had to pause. */
void control_tick(struct control *c);

/* A reload ended: answers the clients that wait for this number or an earlier one. result is
 * stolen. NULL c is a no-op. */
void control_reload_done(struct control *c, unsigned number, json_t *result);

/* The same for a check and those that wait for it. */
void control_check_done(struct control *c, unsigned number, json_t *result);

#endif
