#include "supervisor/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fdio.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "supervisor/announce.h"
#include "supervisor/asks.h"
#include "supervisor/checks.h"
#include "supervisor/control.h"
#include "supervisor/holds.h"
#include "supervisor/materials.h"
#include "supervisor/messages.h"
#include "supervisor/notify.h"
#include "supervisor/orphans.h"
#include "supervisor/programs.h"
#include "supervisor/reconcile.h"
#include "supervisor/reload.h"
#include "supervisor/stop.h"
#include "supervisor/tables.h"

/* A tick later than this was our own delay (or the machine's), not the workers' silence. */
enum { TICK_MS = 1000, TICK_LATE_MS = 1500 };

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

int64_t supervisor_drain_ms(const struct supervisor *s)
{
    return conf_int(s->conf, "drain_s") * 1000;
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

/* ---- after a change ---- */

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

static void on_reconcile(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct supervisor *s = arg;
    if (!s->is_stopping) {
        reconcile_run(s);
        tables_progress(s->tables);
    } else if (stop_progress(s)) {
        event_base_loopbreak(s->base);
    }
    sweep(s);
    reload_progress(s->reload);
    holds_look(s->holds);
    announce_look(s);
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
    announce_tick(s, now_ms);
    stop_tick(s, now_ms);
    if (!s->is_stopping)
        tables_progress(s->tables);
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
        stop_request(s);
        break;
    }
}

/* ---- life ---- */

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
    sigset_t waiting;
    sigfillset(&waiting);
    sigprocmask(SIG_UNBLOCK, &waiting, NULL);
}

static int open_all(struct supervisor *s, int *exit_status_out)
{
    char *health = xasprintf("%s/health", s->run_dir);
    *exit_status_out = EX_OSERR;
    int rc = fdio_make_dirs(health, 0750);
    if (rc != 0)
        log_error("directory %s cannot be made: %s", health, strerror(errno));
    free(health);
    if (rc != 0 || programs_check(s->program_dir) != 0)
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
    s->program_dir = programs_find();
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
