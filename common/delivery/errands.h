#ifndef COMMON_DELIVERY_ERRANDS_H
#define COMMON_DELIVERY_ERRANDS_H

#include <jansson.h>
#include <stddef.h>

#include "common/delivery/acknowledge.h"
#include "common/delivery/check.h"

/* What the sources of a worker ask of other APIs around their deliveries: the check before, the
 * acknowledgement after. */
struct errands;

/* sources is the normalised map, borrowed for its life, as is tokens. idle is called whenever no
 * acknowledgement is under way any more. NULL with a logged reason. */
struct errands *errands_new(struct event_base *base, const json_t *sources, struct tokens *tokens,
                            void (*idle)(void *arg), void *arg);
void errands_free(struct errands *e); /* no check may be under way */

/* NULL where the source has none. */
struct check *errands_check(const struct errands *e, const char *source);
struct acknowledge *errands_acknowledge(const struct errands *e, const char *source);

struct acknowledge_counters errands_counters(const struct errands *e);

/* No further tries of acknowledgements. False where none is under way; else idle says when. */
bool errands_drain(struct errands *e);
/* How many acknowledgements are under way. */
size_t errands_running(const struct errands *e);

#endif
