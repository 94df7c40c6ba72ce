#include "supervisor/announce.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/conf/conf.h"
#include "supervisor/detach.h"
#include "supervisor/notify.h"
#include "supervisor/stop.h"
#include "supervisor/supervisor.h"

static void tell_ready(struct supervisor *s)
{
    char status[64];
    snprintf(status, sizeof status, "Every worker is up, generation %d", s->generation);
    notify_ready(s->notify, status);
}

/* What the service manager shows when a worker goes after the start, and when it is back. */
static void watch_for_gaps(struct supervisor *s)
{
    bool is_short = !supervisor_is_up(s);
    if (is_short != s->is_short && is_short)
        notify_status(s->notify, "Not every worker is up: see sluicectl status");
    else if (is_short != s->is_short)
        tell_ready(s);
    s->is_short = is_short;
}

void announce_look(struct supervisor *s)
{
    if (s->is_stopping)
        return;
    if (s->was_ready)
        watch_for_gaps(s);
    if (s->was_ready || !supervisor_is_up(s))
        return;
    s->was_ready = true;
    struct buf urls = {0};
    for (int role = 0; role < ROLE_COUNT; role++) {
        for (size_t i = 0; i < s->plans[role]->listener_count; i++) {
            const char *address = listener_address(s->plans[role]->listeners[i]);
            if (strncmp(address, "unix:", 5) != 0)
                buf_printf(&urls, " %s=http://%s", role_name((enum role)role), address);
        }
    }
    log_info("ready%s generation=%d ms=%lld", urls.len > 0 ? urls.data : "", s->generation,
             (long long)(clock_mono_ms() - s->started_ms));
    buf_free(&urls);
    tell_ready(s);
    detach_ready(s->detach);
}

static void name_missing(const struct supervisor *s)
{
    const struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    {
        if (p->slot.state != SLOT_UP)
            log_error("%s is not ready: its state is %s after %u restarts", p->name,
                      slot_state_name(p->slot.state), p->slot.restarts);
    }
}

void announce_tick(struct supervisor *s, int64_t now_ms)
{
    int64_t allowed_ms = conf_int(s->conf, "ready_s") * 1000 + SUPERVISOR_GRACE_MS;
    if (s->is_stopping || !detach_is_waited_for(s->detach) || now_ms - s->started_ms < allowed_ms)
        return;
    name_missing(s);
    log_error("not ready within %lld ms: giving up; %s says why", (long long)allowed_ms,
              conf_str(s->conf, "log.file"));
    s->exit_status = EX_UNAVAILABLE;
    stop_request(s);
}
