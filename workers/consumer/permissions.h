#ifndef WORKERS_CONSUMER_PERMISSIONS_H
#define WORKERS_CONSUMER_PERMISSIONS_H

#include "workers/checkup.h"

struct queue;

/* What the consumer needs of a queue: of one that it reads everything, of another one to be able to
 * send to it. Of one that is not open, why. */
void permissions_of_queue(struct checkup *c, const struct queue *q);

#endif
