#ifndef WORKERS_RETRY_OVERVIEW_H
#define WORKERS_RETRY_OVERVIEW_H

#include <jansson.h>
#include <stdint.h>

/* What the console shows of sources: pure, from the configuration slice, what the queues hold and
 * what the supervisor says.
 *
 *   {"version","uptime_s","trouble","sources":[{"name","preset","path","destination",
 *    "waiting","in_work","to_inspect","in_dead_letter_queue","keeps_dead_letters"}],
 *    "held":[...] (held.h)}
 *
 * Counts that are not known are null, and so is that of a queue that is not configured, and "held"
 * where the supervisor does not say. */
struct counts_entry;

struct overview {
    const json_t *conf;
    const char *trouble; /* why the service is not all right, "" where it is */
    int64_t uptime_s;
    const json_t *held; /* NULL: not known */
    const struct counts_entry *(*count)(const void *arg, const char *queue);
    const void *arg;
};

json_t *overview_json(const struct overview *o);

#endif
