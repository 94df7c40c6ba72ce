#ifndef SUPERVISOR_RESTART_H
#define SUPERVISOR_RESTART_H

#include <stdint.h>

/* When a worker that died starts again: a pure function of its deaths so far.
 *
 * A worker that had been up for at least RESTART_PROVEN_MS after `ready` starts again at once, and
 * its record is clean. A failed start, or a death sooner than that, waits RESTART_FIRST_MS the
 * first time and twice as long each further time, up to RESTART_CAP_MS. Up to a quarter is added as
 * jitter, so that workers that fail together do not come back together; the cap includes it. */
#define RESTART_PROVEN_MS 1000
#define RESTART_FIRST_MS 500
#define RESTART_CAP_MS 60000

struct restart {       /* zero-initialise: no deaths */
    unsigned failures; /* early deaths in a row */
};

/* Records a death and returns the wait in milliseconds. up_ms: from `ready` to the death, negative
 * where the worker never was ready. jitter: any number; the same one gives the same wait. */
int64_t restart_wait_ms(struct restart *r, int64_t up_ms, uint32_t jitter);

#endif
