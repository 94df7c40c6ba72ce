#include "workers/libevent_log.h"

#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"

#define WINDOW_MS 10000
#define LINES_PER_WINDOW 10

/* libevent's callbacks carry no argument, so this state cannot live anywhere else. */
static struct {
    int64_t window_start_ms;
    unsigned lines;
} bound;

static void on_log(int severity, const char *text)
{
    int64_t now = clock_mono_ms();
    if (severity == EVENT_LOG_DEBUG)
        return;
    if (now - bound.window_start_ms >= WINDOW_MS) {
        if (bound.lines > LINES_PER_WINDOW)
            log_warn("libevent: %u more lines were left out", bound.lines - LINES_PER_WINDOW);
        bound.window_start_ms = now;
        bound.lines = 0;
    }
    if (++bound.lines > LINES_PER_WINDOW)
        return;
    if (severity == EVENT_LOG_ERR)
        log_error("libevent: %s", text);
    else
        log_warn("libevent: %s", text);
}

static void on_fatal(int error)
{
    log_error("libevent gave up (%d): the process ends here and is started again", error);
    abort();
}

void libevent_log_install(void)
{
    event_set_log_callback(on_log);
    event_set_fatal_callback(on_fatal);
}
