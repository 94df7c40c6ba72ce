#include "supervisor/stop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "supervisor/notify.h"
#include "supervisor/reload.h"
#include "supervisor/supervisor.h"

/* STOP_LAST_MS is what the store and the keyring get at the least, however much the others have
 * used up. Each phase may take its time and a grace: STOP_LATE_MS bounds them together. */
enum { STOP_LAST_MS = 2000, STOP_LATE_MS = 500 };

static void kill_all(struct supervisor *s)
{
    struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    {
        process_retire(p);
        process_signal(p, SIGKILL);
    }
}

static void stop_now(struct supervisor *s)
{
    log_warn("stopping now: killing the workers");
    kill_all(s);
    s->exit_status = EXIT_FAILURE;
    event_base_loopbreak(s->base);
}

void stop_request(struct supervisor *s)
{
    if (s->is_stopping) {
        stop_now(s);
        return;
    }
    char status[64];
    int64_t drain_ms = supervisor_drain_ms(s);
    snprintf(status, sizeof status, "Draining the workers, at most %lld s",
             (long long)drain_ms / 1000);
    log_info("stopping: draining the workers, at most %lld s", (long long)drain_ms / 1000);
    s->is_stopping = true;
    s->stop_deadline_ms = clock_mono_ms() + drain_ms;
    reload_abort(s->reload);
    notify_stopping(s->notify, status);
    supervisor_changed(s);
}

static bool stop_phase(struct supervisor *s, int phase)
{
    int64_t left_ms = s->stop_deadline_ms - clock_mono_ms();
    int64_t time_ms = phase < 2 ? left_ms - STOP_LAST_MS : left_ms;
    if (time_ms < STOP_LAST_MS / 2)
        time_ms = STOP_LAST_MS / 2;
    bool is_over = true;
    struct process *p;
    for (int role = 0; role < ROLE_COUNT; role++) {
        if (role_stop_phase((enum role)role) == phase && role != ROLE_STORE)
            plan_close_listeners(s->plans[role]);
    }
    TAILQ_FOREACH(p, &s->processes, link)
    {
        if (role_stop_phase(p->plan->role) != phase)
            continue;
        process_stop(p, time_ms);
        is_over = is_over && p->slot.state == SLOT_DOWN;
    }
    return is_over;
}

bool stop_progress(struct supervisor *s)
{
    int phase = 0;
    while (phase < ROLE_STOP_PHASES && stop_phase(s, phase))
        phase++;
    return phase == ROLE_STOP_PHASES;
}

void stop_tick(struct supervisor *s, int64_t now_ms)
{
    if (!s->is_stopping || now_ms < s->stop_deadline_ms + STOP_LATE_MS)
        return;
    log_warn("the stop is past its time: killing what is left");
    kill_all(s);
}
