#ifndef WORKERS_CONSUMER_GROUPS_H
#define WORKERS_CONSUMER_GROUPS_H

#include <stdbool.h>

#include "workers/consumer/inflight.h"

/* The order of a FIFO queue: one receive brings several messages of a group in their order, and
 * none may be begun before what came ahead of it is delivered or dead. Until then it is
 * WORK_WAITING. Where one of them goes back instead, whatever waits behind it goes back too,
 * untouched, and SQS hands them out in their order again: it keeps a group locked while any message
 * of it is in flight. Messages of other queues are in no group. Pure: it looks at what is held. */

/* Whether the message must wait for one ahead of it: of its group, received earlier, and neither
 * done with (WORK_DELETING) nor going back (WORK_YIELDING). */
bool groups_must_wait(const struct work *w);
/* The next message that waits behind it, or NULL. */
struct work *groups_follower(const struct work *w);
/* A message that waits and no longer has to, or NULL. */
struct work *groups_next(const struct inflight *all);

#endif
