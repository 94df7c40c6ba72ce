#include "supervisor/process.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/unix_socket.h"
#include "common/base/xalloc.h"
#include "common/ipc/channel.h"
#include "common/ipc/message.h"
#include "supervisor/environment.h"
#include "supervisor/spawn.h"

/* A worker that is up beats each second. This many seconds of silence make it suspect, then get it
 * an ABRT, so that there is a trace of where it hung, and two more the end. */
enum { SILENT_TICKS = 5, SILENT_ABORT_TICKS = 10, SILENT_KILL_TICKS = 12 };

static void set_timer(struct process *p)
{
    if (p->slot.due_ms == 0) {
        evtimer_del(p->timer);
        return;
    }
    int64_t wait_ms = p->slot.due_ms - clock_mono_ms();
    if (wait_ms < 0)
        wait_ms = 0;
    struct timeval tv = {wait_ms / 1000, (suseconds_t)(wait_ms % 1000) * 1000};
    evtimer_add(p->timer, &tv);
}

static void handle(struct process *p, enum slot_event event)
{
    int64_t now_ms = clock_mono_ms();
    slot_handle(&p->slot, event, now_ms, (uint32_t)now_ms * 2654435761u + (uint32_t)p->number);
    set_timer(p);
    p->host->changed(p->host->arg);
}

/* The first cause counts: the signal by which we end it is none. */
__attribute__((format(printf, 2, 3))) static void note_failure(struct process *p,
                                                               const char *format, ...)
{
    va_list ap;
    if (p->failure[0] != '\0')
        return;
    va_start(ap, format);
    vsnprintf(p->failure, sizeof p->failure, format, ap);
    va_end(ap);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct process *p = arg;
    p->slot.due_ms = 0;
    if (p->lost[0] != '\0' && p->pid != 0) {
        note_failure(p, "it went on running without its channel (%s)", p->lost);
        log_error("%s (pid %d) goes on running without its channel (%s): killing it", p->name,
                  (int)p->pid, p->lost);
    } else if (p->slot.state == SLOT_STARTING) {
        note_failure(p, "it was not ready within %lld s", (long long)(p->slot.ready_ms / 1000));
        log_error("%s (pid %d) was not ready within %lld s: killing it", p->name, (int)p->pid,
                  (long long)(p->slot.ready_ms / 1000));
    } else if (p->slot.state == SLOT_DRAINING || p->slot.state == SLOT_UP) {
        log_warn("%s (pid %d) is past its time to exit: killing it", p->name, (int)p->pid);
    }
    handle(p, SLOT_TIMER);
}

static void misbehaved(struct process *p, const char *why)
{
    note_failure(p, "it broke the protocol (%s)", why);
    log_error("%s (pid %d) broke the protocol (%s): killing it", p->name, (int)p->pid, why);
    process_signal(p, SIGKILL);
}

static bool is_member(const json_t *msg, const char *name, json_int_t wanted)
{
    const json_t *value = json_object_get(msg, name);
    return json_is_integer(value) && json_integer_value(value) == wanted;
}

static void greet(struct process *p, const json_t *hello)
{
    const char *role = json_string_value(json_object_get(hello, "role"));
    if (p->greeted)
        misbehaved(p, "a second hello");
    else if (!is_member(hello, "proto", MESSAGE_PROTO))
        misbehaved(p, "another protocol version: sluiced and its workers must be of one build");
    else if (role == NULL || strcmp(role, role_name(p->plan->role)) != 0 ||
             !is_member(hello, "slot", p->number) || !is_member(hello, "pid", p->pid))
        misbehaved(p, "a hello of another worker");
    else
        p->greeted = true;
}

static void keep_beat(struct process *p, const json_t *msg)
{
    json_decref(p->beat);
    p->beat = json_copy((json_t *)(uintptr_t)msg);
    json_object_del(p->beat, "t");
}

static bool is_error(const json_t *error)
{
    return json_is_string(json_object_get(error, "path")) &&
           json_is_string(json_object_get(error, "message"));
}

static void take_ready(struct process *p, const json_t *msg)
{
    const json_t *errors = json_object_get(msg, "errors");
    size_t i;
    json_t *error;
    json_array_foreach(errors, i, error)
    {
        if (!is_error(error))
            continue;
        if (p->errors == NULL)
            p->errors = json_array();
        json_array_append(p->errors, error);
    }
    log_debug("%s (pid %d) is ready", p->name, (int)p->pid);
    handle(p, SLOT_READY);
}

static void on_message(void *arg, const json_t *msg, int fd)
{
    struct process *p = arg;
    const char *kind = message_kind(msg);
    if (fd >= 0)
        close(fd);
    p->silent_ticks = 0;
    if (strcmp(kind, "hello") == 0) {
        greet(p, msg);
    } else if (!p->greeted) {
        misbehaved(p, "its first message is no hello");
    } else if (strcmp(kind, "ready") == 0) {
        take_ready(p, msg);
    } else if (strcmp(kind, "beat") == 0) {
        keep_beat(p, msg);
    } else {
        p->host->message(p->host->arg, p, msg);
    }
}

static void on_closed(void *arg, const char *why)
{
    struct process *p = arg;
    log_debug("%s (pid %d): channel closed: %s", p->name, (int)p->pid, why);
    snprintf(p->lost, sizeof p->lost, "%s", why);
    channel_free(p->channel);
    p->channel = NULL;
    handle(p, SLOT_LOST);
}

static const struct channel_callbacks callbacks = {on_message, on_closed};

static char *health_path(const struct process *p, bool beside)
{
    return xasprintf("%s/health/%s.sock%s", p->host->run_dir, p->name, beside ? ".new" : "");
}

static int open_health(struct process *p)
{
    if (p->health_fd >= 0)
        return 0;
    char *path = health_path(p, p->is_beside);
    p->health_fd = unix_socket_listen(path, 0660);
    if (p->health_fd < 0) {
        note_failure(p, "its health socket %s cannot be opened: %s", path, strerror(errno));
        log_error("health socket %s cannot be opened: %s", path, strerror(errno));
    }
    free(path);
    return p->health_fd < 0 ? -1 : 0;
}

/* Forks the worker with the descriptors of message.h: the channel's other end, snapshot, in-flight
 * table, health socket, listeners, and for the store its lock. */
static pid_t run_worker(struct process *p, int channel_fd, int snapshot_fd, int table_fd)
{
    int fds[SPAWN_MAX_FDS] = {channel_fd, snapshot_fd, table_fd, p->health_fd};
    size_t count = WORKER_FD_LISTEN - WORKER_FD_CHANNEL;
    for (size_t i = 0; i < p->plan->listener_count; i++)
        fds[count++] = listener_fd(p->plan->listeners[i]);
    if (p->plan->role == ROLE_STORE)
        fds[count++] = p->host->store_lock_fd;
    char *program = xasprintf("%s/sluice-%s", p->host->program_dir, role_name(p->plan->role));
    char *title = xasprintf("%s/sluice-%s", p->host->program_dir, p->name); /* for ps */
    char *argv[] = {title, NULL};
    char **envp = environment_for(p->plan->role, environ);
    pid_t pid = spawn_run(&(struct spawn_request){program, argv, envp, fds, count});
    free(envp);
    free(program);
    free(title);
    return pid;
}

static int start_process(void *arg)
{
    struct process *p = arg;
    int lock_fd =
        p->plan->role == ROLE_STORE ? WORKER_FD_LISTEN + (int)p->plan->listener_count : -1;
    int pair[2] = {-1, -1}, snapshot_fd = -1, table_fd = -1, rc = -1;
    p->failure[0] = p->lost[0] = '\0';
    json_decref(p->errors);
    p->errors = NULL;
    if (open_health(p) != 0)
        return -1;
    if (channel_pair(pair) == 0 &&
        (snapshot_fd = plan_snapshot(p->plan, p->number, p->name, lock_fd)) >= 0 &&
        (table_fd = p->host->table(p->host->arg, p)) >= 0 &&
        (p->pid = run_worker(p, pair[1], snapshot_fd, table_fd)) > 0) {
        p->channel = channel_new(p->host->base, pair[0], &callbacks, p);
        pair[0] = -1;
        rc = 0;
    } else {
        p->pid = 0;
        note_failure(p, "it cannot be started: %s", strerror(errno));
        log_error("%s cannot be started: %s", p->name, strerror(errno));
        if (table_fd >= 0)
            p->host->died(p->host->arg, p, true);
    }
    int fds[] = {pair[0], pair[1], snapshot_fd, table_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    if (rc == 0) {
        log_debug("%s started (pid %d)", p->name, (int)p->pid);
        p->host->started(p->host->arg, p);
    }
    return rc;
}

static void kill_process(void *arg)
{
    process_signal(arg, SIGKILL);
}

static void drain_process(void *arg, int64_t time_ms)
{
    struct process *p = arg;
    json_t *msg = message_new("drain");
    json_object_set_new(msg, "deadline_ms", json_integer(time_ms));
    if (p->channel == NULL)
        process_signal(p, SIGTERM);
    process_send(p, msg);
}

static const struct slot_ops ops = {start_process, kill_process, drain_process};

struct process *process_new(const struct process_host *host, struct plan *plan, int number,
                            bool beside)
{
    struct process *p = xcalloc(1, sizeof *p);
    p->host = host;
    p->plan = plan_ref(plan);
    p->number = number;
    p->name = role_worker_name(plan->role, number);
    p->slot.ready_ms = plan->ready_ms;
    p->slot.since_ms = clock_mono_ms();
    p->slot.ops = &ops;
    p->slot.arg = p;
    p->health_fd = -1;
    p->is_beside = beside;
    p->timer = evtimer_new(host->base, on_timer, p);
    assert(p->timer != NULL);
    return p;
}

void process_free(struct process *p)
{
    if (p == NULL)
        return;
    assert(p->pid == 0);
    if (p->health_fd >= 0) {
        char *path = health_path(p, p->is_beside);
        if (!p->is_displaced)
            unlink(path);
        free(path);
        close(p->health_fd);
    }
    event_free(p->timer);
    channel_free(p->channel);
    json_decref(p->beat);
    json_decref(p->errors);
    plan_unref(p->plan);
    free(p->name);
    free(p);
}

void process_start(struct process *p)
{
    handle(p, SLOT_START);
}

void process_hold(struct process *p)
{
    handle(p, SLOT_HOLD);
}

void process_retire(struct process *p)
{
    p->slot.retired = true;
}

void process_stop(struct process *p, int64_t time_ms)
{
    p->slot.retired = true;
    p->slot.stop_ms = time_ms;
    if (p->slot.state != SLOT_DRAINING && p->slot.state != SLOT_DOWN)
        handle(p, SLOT_STOP);
}

void process_take_place(struct process *p, struct process *predecessor)
{
    if (!p->is_beside)
        return;
    char *from = health_path(p, true), *to = health_path(p, false);
    if (rename(from, to) != 0)
        log_error("health socket %s cannot be renamed to %s: %s", from, to, strerror(errno));
    p->is_beside = false;
    if (predecessor != NULL)
        predecessor->is_displaced = true;
    free(from);
    free(to);
}

static void describe_death(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == SPAWN_EXEC_FAILED)
        snprintf(text, size, "the program could not be executed");
    else
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}

static void log_death(const struct process *p, pid_t pid, enum slot_state before, int status)
{
    char how[96];
    describe_death(status, how, sizeof how);
    if (before == SLOT_DRAINING || p->slot.state == SLOT_DOWN)
        log_info("%s (pid %d) ended: %s", p->name, (int)pid, how);
    else if (p->slot.state == SLOT_BACKOFF)
        log_error("%s (pid %d) died: %s; starting it again in %lld ms", p->name, (int)pid, how,
                  (long long)(p->slot.due_ms - p->slot.since_ms));
    else
        log_error("%s (pid %d) died: %s; started again (pid %d)", p->name, (int)pid, how,
                  (int)p->pid);
}

void process_reap(struct process *p)
{
    int status;
    char how[96];
    pid_t pid = p->pid;
    if (pid == 0 || waitpid(pid, &status, WNOHANG) != pid)
        return;
    enum slot_state before = p->slot.state;
    p->pid = 0;
    p->greeted = false;
    p->silent_ticks = 0;
    channel_free(p->channel);
    p->channel = NULL;
    json_decref(p->beat);
    p->beat = NULL;
    p->host->died(p->host->arg, p, before == SLOT_DRAINING);
    describe_death(status, how, sizeof how);
    note_failure(p, "it ended with %s", how);
    handle(p, SLOT_DIED);
    log_death(p, pid, before, status);
}

void process_tick(struct process *p, bool on_time)
{
    if (p->slot.state != SLOT_UP)
        p->silent_ticks = 0;
    if (p->slot.state != SLOT_UP || !on_time)
        return;
    p->silent_ticks++;
    if (p->silent_ticks == SILENT_ABORT_TICKS) {
        log_error("%s (pid %d) has been silent for %d s: aborting it", p->name, (int)p->pid,
                  SILENT_ABORT_TICKS);
        process_signal(p, SIGABRT);
    } else if (p->silent_ticks >= SILENT_KILL_TICKS) {
        process_signal(p, SIGKILL);
    }
}

bool process_is_silent(const struct process *p)
{
    return p->silent_ticks >= SILENT_TICKS;
}

void process_send_fd(struct process *p, json_t *msg, int fd)
{
    if (p->channel != NULL)
        channel_send(p->channel, msg, fd);
    else
        json_decref(msg);
}

void process_send(struct process *p, json_t *msg)
{
    process_send_fd(p, msg, -1);
}

void process_signal(struct process *p, int signo)
{
    if (p->pid > 0)
        kill(p->pid, signo);
}

json_t *process_status(const struct process *p)
{
    int64_t in_state_ms = clock_mono_ms() - p->slot.since_ms;
    json_t *status =
        json_pack("{s:s, s:s, s:i, s:i, s:s, s:i, s:I, s:I}", "name", p->name, "role",
                  role_name(p->plan->role), "slot", p->number, "pid", (int)p->pid, "state",
                  slot_state_name(p->slot.state), "generation", p->plan->generation, "restarts",
                  (json_int_t)p->slot.restarts, "uptime_s",
                  (json_int_t)(p->slot.state == SLOT_UP ? in_state_ms / 1000 : 0));
    assert(status != NULL);
    if (p->beat != NULL)
        json_object_set(status, "beat", p->beat);
    return status;
}
