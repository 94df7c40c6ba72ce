#ifndef WORKERS_CONSUMER_TROUBLE_H
#define WORKERS_CONSUMER_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#define TROUBLE_SHOWN_MS 120000

/* The newest failure of something that is tried only when an event needs it. What was mended
 * meanwhile is found out by the next try, and on a quiet queue that may be hours away: so a failure
 * is shown for two minutes, and stays in the log. Pure; all zero is good. */
struct trouble {
    char text[768];
    int64_t at_mono_ms;
};

/* True where it is another one than before, and so has to be logged. */
bool trouble_note(struct trouble *t, const char *text, int64_t now_mono_ms);
/* It worked. True where there was a trouble. */
bool trouble_end(struct trouble *t);
/* NULL where there is nothing to show. */
const char *trouble_shown(const struct trouble *t, int64_t now_mono_ms);

#endif
