#ifndef WORKERS_RETRY_SCRAPE_H
#define WORKERS_RETRY_SCRAPE_H

#include <jansson.h>

/* All workers' metrics at once, and whether sources and destinations are held back from. Pure.
 * conf: the slice; answer: the supervisor's (inquiry.h); held: held_list of both. To be freed. */
char *scrape_text(const json_t *conf, const json_t *answer, const json_t *held);

#endif
