#include "supervisor/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/fdio.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "supervisor/asks.h"
#include "supervisor/checks.h"
#include "supervisor/control.h"
#include "supervisor/detach.h"
#include "supervisor/holds.h"
#include "supervisor/materials.h"
#include "supervisor/messages.h"
#include "supervisor/notify.h"
#include "supervisor/orphans.h"
#include "supervisor/reload.h"
#include "supervisor/tables.h"

/* A tick later than this was our own delay (or the machine's), not the workers' silence. */
enum { TICK_MS = 1000, TICK_LATE_MS = 1500 };

/* What the store and the keyring get at the least, however much the others have used up. */
enum { STOP_LAST_MS = 2000 };

void supervisor_changed(struct supervisor *s)
{
    event_active(s->reconcile, EV_TIMEOUT, 1);
}

struct process *supervisor_find(const struct supervisor *s, const struct plan *plan, int number)
{
    struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    {
        if (p->plan == plan && p->number == number)
            return p;
    }
    return NULL;
}

bool supervisor_is_up(const struct supervisor *s)
{
    for (int role = 0; role < ROLE_COUNT; role++) {
        for (int i = 0; i < s->plans[role]->workers; i++) {
            const struct process *p = supervisor_find(s, s->plans[role], i);
            if (p == NULL || p->slot.state != SLOT_UP)
                return false;
        }
    }
    return true;
}

int supervisor_apply_log(const json_t *conf)
{
    enum log_level level = LOG_LEVEL_INFO;
    const char *file = conf_str(conf, "log.file");
    if (log_level_parse(conf_str(conf, "log.level"), &level) != 0)
        log_warn("log.level \"%s\" is unknown: using info", conf_str(conf, "log.level"));
    log_setup(level, strcmp(conf_str(conf, "log.format"), "json") == 0);
    if (file[0] == '\0') {
        log_close();
    } else if (log_open(file) != 0) {
        log_error("log file %s cannot be opened: %s; logging goes on where it went", file,
                  strerror(errno));
        return -1;
    }
    return 0;
}

static void on_changed(void *arg)
{
    supervisor_changed(arg);
}

/* ---- reconcile ---- */

static bool name_is_taken(const struct supervisor *s, const char *name)
{
    const struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    {
        if (!p->is_displaced && strcmp(p->name, name) == 0)
            return true;
    }
    return false;
}

/* Fills every place of a plan: all of a current plan, and the first of one that a reload tries,
 * whose others are held. */
static void fill(struct supervisor *s, struct plan *plan, bool is_current)
{
    for (int i = 0; i < plan->workers; i++) {
        struct process *p = supervisor_find(s, plan, i);
        if (p == NULL) {
            char *name = role_worker_name(plan->role, i);
            p = process_new(&s->host, plan, i, name_is_taken(s, name));
            TAILQ_INSERT_TAIL(&s->processes, p, link);
            free(name);
        }
        if (p->slot.state != SLOT_DOWN && p->slot.state != SLOT_HELD)
            continue;
        if (is_current || i == 0)
            process_start(p);
        else if (p->slot.state == SLOT_DOWN)
            process_hold(p);
    }
}

static int64_t drain_ms(const struct supervisor *s)
{
    return conf_int(s->conf, "drain_s") * 1000;
}

/* A process of an older plan goes when the one that follows it is up, or has failed (then it is an
 * ordinary crash, and waiting would keep the old configuration alive), or when none follows. */
static void retire(struct supervisor *s, struct process *p)
{
    const struct plan *current = s->plans[p->plan->role];
    struct process *next = NULL;
    if (p->number < current->workers && !p->plan->dropped)
        next = supervisor_find(s, current, p->number);
    process_retire(p);
    if (next != NULL && next->slot.state != SLOT_UP && !next->slot.has_failed)
        return;
    process_stop(p, drain_ms(s));
}

/* The name of a health socket goes to a committed worker as soon as it is up, or nobody else has
 * the name: else the next reload's worker would be given the same name beside it. */
static void claim_place(struct supervisor *s, struct process *p)
{
    struct process *other;
    if (!p->is_beside || p->health_fd < 0 || p->plan != s->plans[p->plan->role])
        return;
    TAILQ_FOREACH(other, &s->processes, link)
    {
        if (other != p && !other->is_displaced && strcmp(other->name, p->name) == 0)
            break;
    }
    if (other == NULL || p->slot.state == SLOT_UP)
        process_take_place(p, other);
}

static bool is_wanted(const struct supervisor *s, const struct process *p)
{
    const struct plan *plan = p->plan;
    return p->number < plan->workers &&
           (plan == s->plans[plan->role] || plan == reload_tried_plan(s->reload, plan->role));
}

static void reconcile_running(struct supervisor *s)
{
    struct process *p;
    for (int role = 0; role < ROLE_COUNT; role++) {
        struct plan *tried = reload_tried_plan(s->reload, (enum role)role);
        fill(s, s->plans[role], true);
        if (tried != NULL)
            fill(s, tried, false);
    }
    TAILQ_FOREACH(p, &s->processes, link)
    {
        claim_place(s, p);
        if (!is_wanted(s, p))
            retire(s, p);
    }
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

static void reconcile_stopping(struct supervisor *s)
{
    int phase = 0;
    while (phase < ROLE_STOP_PHASES && stop_phase(s, phase))
        phase++;
    if (phase == ROLE_STOP_PHASES)
        event_base_loopbreak(s->base);
}

static void sweep(struct supervisor *s)
{
    struct process *p = TAILQ_FIRST(&s->processes), *next;
    for (; p != NULL; p = next) {
        next = TAILQ_NEXT(p, link);
        if (p->slot.state != SLOT_DOWN || !p->slot.retired)
            continue;
        TAILQ_REMOVE(&s->processes, p, link);
        process_free(p);
    }
}

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

static void announce(struct supervisor *s)
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

static void on_reconcile(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct supervisor *s = arg;
    if (s->is_stopping) {
        reconcile_stopping(s);
    } else {
        reconcile_running(s);
        tables_progress(s->tables);
    }
    sweep(s);
    reload_progress(s->reload);
    holds_look(s->holds);
    announce(s);
}

/* ---- signals and time ---- */

static bool reap_worker(void *arg, pid_t pid)
{
    struct supervisor *s = arg;
    struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    {
        if (p->pid != pid)
            continue;
        process_reap(p);
        return true;
    }
    return false;
}

static bool is_noted_group(void *arg, pid_t pid)
{
    const struct supervisor *s = arg;
    return tables_has_group(s->tables, pid);
}

static void reap(struct supervisor *s)
{
    struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    process_reap(p);
    orphans_reap(&(struct orphans_reaper){reap_worker, is_noted_group, s});
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

/* Whoever waits for us to be ready is told the truth in time. */
static void give_up_late_start(struct supervisor *s, int64_t now_ms)
{
    int64_t allowed_ms = conf_int(s->conf, "ready_s") * 1000 + SUPERVISOR_GRACE_MS;
    if (s->is_stopping || !detach_is_waited_for(s->detach) || now_ms - s->started_ms < allowed_ms)
        return;
    name_missing(s);
    log_error("not ready within %lld ms: giving up; %s says why", (long long)allowed_ms,
              conf_str(s->conf, "log.file"));
    s->exit_status = EX_UNAVAILABLE;
    supervisor_stop(s);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct supervisor *s = arg;
    int64_t now_ms = clock_mono_ms();
    bool on_time = now_ms - s->last_tick_ms <= TICK_LATE_MS;
    s->last_tick_ms = now_ms;
    struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    process_tick(p, on_time);
    control_tick(s->control);
    give_up_late_start(s, now_ms);
}

static void stop_now(struct supervisor *s)
{
    struct process *p;
    log_warn("stopping now: killing the workers");
    TAILQ_FOREACH(p, &s->processes, link)
    process_signal(p, SIGKILL);
    s->exit_status = EXIT_FAILURE;
    event_base_loopbreak(s->base);
}

void supervisor_stop(struct supervisor *s)
{
    if (s->is_stopping) {
        stop_now(s);
        return;
    }
    char status[64];
    snprintf(status, sizeof status, "Draining the workers, at most %lld s",
             (long long)(drain_ms(s) / 1000));
    log_info("stopping: draining the workers, at most %lld s", (long long)(drain_ms(s) / 1000));
    s->is_stopping = true;
    s->stop_deadline_ms = clock_mono_ms() + drain_ms(s);
    reload_abort(s->reload);
    notify_stopping(s->notify, status);
    supervisor_changed(s);
}

static void reopen_logs(struct supervisor *s)
{
    struct process *p;
    (void)supervisor_apply_log(s->conf);
    TAILQ_FOREACH(p, &s->processes, link)
    {
        if (p->greeted) /* before its hello it might not handle the signal yet */
            process_signal(p, SIGUSR1);
    }
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    (void)what;
    struct supervisor *s = arg;
    switch ((int)signo) {
    case SIGCHLD:
        reap(s);
        break;
    case SIGHUP:
        reload_request(s->reload);
        break;
    case SIGUSR1:
        reopen_logs(s);
        break;
    default:
        supervisor_stop(s);
        break;
    }
}

/* ---- life ---- */

/* The directory if the workers are in it (taken over), or NULL. */
static char *with_workers(char *dir)
{
    char *program = xasprintf("%s/sluice-ingest", dir);
    bool is_there = access(program, X_OK) == 0;
    free(program);
    if (is_there)
        return dir;
    free(dir);
    return NULL;
}

/* The workers are beside our own program (a build tree), or in ../lib/sluice from there (an
 * installation, wherever it was moved), or where the build said that they would be. */
static char *find_programs(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    char *found = NULL;
    if (slash != NULL) {
        *slash = '\0';
        found = with_workers(xstrdup(self));
        if (found == NULL)
            found = with_workers(xasprintf("%s/../lib/sluice", self));
    }
    return found != NULL ? found : xstrdup(SLUICE_LIBEXECDIR);
}

static int check_programs(const char *dir)
{
    int rc = 0;
    for (int role = 0; role < ROLE_COUNT; role++) {
        char *path = xasprintf("%s/sluice-%s", dir, role_name((enum role)role));
        if (access(path, X_OK) != 0) {
            log_error("program %s cannot be executed: %s; is the installation complete?", path,
                      strerror(errno));
            rc = -1;
        }
        free(path);
    }
    return rc;
}

static int make_plans(struct supervisor *s)
{
    json_t *errors = json_array(), *error;
    size_t i;
    for (int role = 0; role < ROLE_COUNT; role++)
        s->plans[role] = plan_new(s->listeners, (enum role)role, s->conf, s->generation, errors);
    json_array_foreach(errors, i, error)
    {
        log_error("%s: %s", json_string_value(json_object_get(error, "path")),
                  json_string_value(json_object_get(error, "message")));
    }
    int rc = json_array_size(errors) == 0 ? 0 : -1;
    json_decref(errors);
    return rc;
}

static void watch(struct supervisor *s)
{
    static const int signals[SUPERVISOR_SIGNALS] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT, SIGUSR1};
    for (int i = 0; i < SUPERVISOR_SIGNALS; i++) {
        s->signals[i] = evsignal_new(s->base, signals[i], on_signal, s);
        assert(s->signals[i] != NULL && evsignal_add(s->signals[i], NULL) == 0);
    }
    struct timeval second = {TICK_MS / 1000, 0};
    s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
    s->reconcile = event_new(s->base, -1, 0, on_reconcile, s);
    assert(s->tick != NULL && s->reconcile != NULL && event_add(s->tick, &second) == 0);
}

static int open_all(struct supervisor *s, int *exit_status_out)
{
    char *health = xasprintf("%s/health", s->run_dir);
    *exit_status_out = EX_OSERR;
    int rc = fdio_make_dirs(health, 0750);
    if (rc != 0)
        log_error("directory %s cannot be made: %s", health, strerror(errno));
    free(health);
    if (rc != 0 || check_programs(s->program_dir) != 0)
        return -1;
    *exit_status_out = EX_UNAVAILABLE;
    if (make_plans(s) != 0)
        return -1;
    *exit_status_out = EX_OSERR;
    s->control = control_new(s);
    return s->control == NULL ? -1 : 0;
}

/* The host's calls for in-flight tables. What a stop of the whole service leaves in them comes back
 * by its visibility timeout: there is nobody to settle it. */
static int open_table(void *arg, const struct process *p)
{
    struct supervisor *s = arg;
    return tables_open(s->tables, p);
}

static void close_table(void *arg, const struct process *p, bool asked)
{
    struct supervisor *s = arg;
    tables_died(s->tables, p, asked, !s->is_stopping);
}

struct supervisor *supervisor_new(const char *config_path, json_t *conf, int store_lock_fd,
                                  struct detach *detach, int *exit_status_out)
{
    struct supervisor *s = xcalloc(1, sizeof *s);
    s->started_ms = s->last_tick_ms = clock_mono_ms();
    s->config_path = xstrdup(config_path);
    s->program_dir = find_programs();
    s->run_dir = xstrdup(conf_str(conf, "run_dir"));
    s->conf = conf;
    s->notify = notify_new();
    s->detach = detach;
    s->generation = 1;
    s->base = event_base_new();
    assert(s->base != NULL);
    s->listeners = listen_pool_new();
    s->materials = materials_new();
    s->asks = asks_new();
    s->holds = holds_new(s);
    TAILQ_INIT(&s->processes);
    s->tables = tables_new(&s->processes);
    s->host = (struct process_host){.base = s->base,
                                    .program_dir = s->program_dir,
                                    .run_dir = s->run_dir,
                                    .store_lock_fd = store_lock_fd,
                                    .arg = s,
                                    .changed = on_changed,
                                    .table = open_table,
                                    .started = messages_greet,
                                    .died = close_table,
                                    .message = messages_take};
    orphans_adopt();
    s->reload = reload_new(s);
    s->checks = checks_new(s);
    watch(s);
    if (open_all(s, exit_status_out) == 0)
        return s;
    supervisor_free(s);
    return NULL;
}

int supervisor_run(struct supervisor *s)
{
    supervisor_changed(s);
    if (event_base_dispatch(s->base) != 0)
        s->exit_status = EX_SOFTWARE;
    if (s->exit_status == 0)
        log_info("stopped");
    return s->exit_status;
}

/* After a stop now, the killed workers are waited for: when we are gone, so is everything. */
static void bury(struct supervisor *s, struct process *p)
{
    if (p->pid > 0) {
        process_signal(p, SIGKILL);
        waitpid(p->pid, NULL, 0);
        p->pid = 0;
        tables_died(s->tables, p, true, false);
    }
    process_free(p);
}

void supervisor_free(struct supervisor *s)
{
    if (s == NULL)
        return;
    struct process *p;
    while ((p = TAILQ_FIRST(&s->processes)) != NULL) {
        TAILQ_REMOVE(&s->processes, p, link);
        bury(s, p);
    }
    reload_free(s->reload);
    for (int role = 0; role < ROLE_COUNT; role++)
        plan_unref(s->plans[role]);
    listen_pool_free(s->listeners);
    control_free(s->control);
    checks_free(s->checks);
    notify_free(s->notify);
    holds_free(s->holds);
    materials_free(s->materials);
    asks_free(s->asks);
    tables_free(s->tables);
    for (int i = 0; i < SUPERVISOR_SIGNALS; i++)
        event_free(s->signals[i]);
    event_free(s->tick);
    event_free(s->reconcile);
    event_base_free(s->base);
    json_decref(s->conf);
    free(s->run_dir);
    free(s->program_dir);
    free(s->config_path);
    free(s);
}
