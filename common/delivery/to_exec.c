#include "common/delivery/delivery_type.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/exec_child.h"

/* The `exec` destination: a program per event. The body goes to its standard input, facts about the
 * event are in its environment, its exit status is the verdict: 0 delivered, 65 (EX_DATAERR) never,
 * anything else later. The last line that it writes to standard error is kept as the error. At most
 * max_running run at once, the others wait in order. One that runs longer than timeout_s gets
 * SIGTERM, KILL_AFTER_S later SIGKILL, as its whole group. */

#define EXIT_PERMANENT 65
#define KILL_AFTER_S 2
#define READ_BYTES 16384

struct exec_attempt;
TAILQ_HEAD(exec_list, exec_attempt);

struct exec_destination {
    struct event_base *base; /* borrow: outlives every destination */
    const char *name;        /* borrow */
    const json_t *conf;      /* borrow */
    char **argv;             /* own array of borrowed strings */
    char *file;              /* own: argv[0], looked up in PATH */
    int timeout_s;
    int max_running;
    size_t max_output_bytes;
    int running;
    struct exec_list waiting;             /* own: not started */
    struct exec_list started;             /* own: running, or cancelled and not reaped yet */
    const struct delivery_groups *groups; /* borrow, or NULL */
};

struct exec_attempt {
    TAILQ_ENTRY(exec_attempt) link;
    struct exec_destination *to;
    struct delivery *delivery;  /* borrow; NULL once it was cancelled */
    const struct webhook *hook; /* borrow, until the end or the cancel */
    int attempt;
    bool is_started;
    bool timed_out;
    struct exec_child child;
    _Atomic pid_t *group; /* where its group is noted, or NULL */
    struct event *exited; /* own */
    struct event *in;     /* own; NULL once standard input is closed */
    struct event *out;    /* own; NULL once closed */
    struct event *err;    /* own; NULL once closed */
    struct event *timer;  /* own: the start while waiting, then the timeout */
    size_t written;
    struct buf tail; /* the newest of standard error, at most 2 × max_output_bytes */
};

/* The program by PATH where argv[0] is a bare name (malloc). */
static char *look_up(const char *name)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/') || !path)
        return xstrdup(name);
    char *dirs = xstrdup(path);
    char *save = NULL;
    char *found = NULL;
    for (char *dir = strtok_r(dirs, ":", &save); dir && !found; dir = strtok_r(NULL, ":", &save)) {
        char *file = xasprintf("%s/%s", dir, name);
        if (access(file, X_OK) == 0)
            found = file;
        else
            free(file);
    }
    free(dirs);
    return found ? found : xstrdup(name);
}

static void *exec_open(struct event_base *base, const char *name, const json_t *conf,
                       struct tokens *tokens)
{
    (void)tokens;
    const json_t *argv = conf_value(conf, "argv");
    size_t count = json_array_size(argv);
    if (count == 0) {
        log_error("destination \"%s\": argv is empty; name the program to run", name);
        return NULL;
    }
    struct exec_destination *to = xcalloc(1, sizeof(*to));
    to->base = base;
    to->name = name;
    to->conf = conf;
    to->argv = xcalloc(count + 1, sizeof(*to->argv));
    for (size_t i = 0; i < count; i++)
        to->argv[i] = (char *)(uintptr_t)json_string_value(json_array_get(argv, i));
    to->file = look_up(to->argv[0]);
    to->timeout_s = (int)conf_int(conf, "timeout_s");
    to->max_running = (int)conf_int(conf, "max_running");
    to->max_output_bytes = (size_t)conf_int(conf, "max_output_bytes");
    TAILQ_INIT(&to->waiting);
    TAILQ_INIT(&to->started);
    signal(SIGCHLD, SIG_DFL); /* an inherited SIG_IGN would take the exit status away */
    signal(SIGPIPE, SIG_IGN); /* a program need not read its input */
    return to;
}

static void close_stream(struct event **stream)
{
    if (!*stream)
        return;
    evutil_socket_t fd = event_get_fd(*stream);
    event_free(*stream);
    *stream = NULL;
    close(fd);
}

static void attempt_free(struct exec_attempt *a)
{
    close_stream(&a->in);
    close_stream(&a->out);
    close_stream(&a->err);
    close_stream(&a->exited);
    event_free(a->timer);
    buf_free(&a->tail);
    free(a);
}

static void forget_group(struct exec_attempt *a)
{
    if (a->group)
        atomic_store(a->group, 0);
    a->group = NULL;
}

static void exec_close(void *destination)
{
    struct exec_destination *to = destination;
    struct exec_attempt *a;
    while ((a = TAILQ_FIRST(&to->started))) { /* cancelled: SIGKILL is on its way to them */
        TAILQ_REMOVE(&to->started, a, link);
        forget_group(a);
        waitpid(a->child.pid, NULL, 0);
        attempt_free(a);
    }
    free(to->file);
    free(to->argv);
    free(to);
}

/* The environment of the child (malloc, strings too), NULL-terminated. */
static char **make_environment(const struct exec_attempt *a)
{
    const struct webhook *h = a->hook;
    const json_t *more = conf_value(a->to->conf, "env");
    const char *path = getenv("PATH");
    const char *home = getenv("HOME");
    char received[CLOCK_TEXT_BYTES];
    char **env = xcalloc(json_object_size(more) + 11, sizeof(*env));
    size_t n = 0;
    clock_rfc3339(h->received_at_ms, received);
    env[n++] = xasprintf("PATH=%s", path ? path : "/usr/local/bin:/usr/bin:/bin");
    env[n++] = xasprintf("HOME=%s", home ? home : "/");
    env[n++] = xasprintf("SLUICE_TRACE=%s", h->trace_id);
    env[n++] = xasprintf("SLUICE_SOURCE=%s", h->source);
    env[n++] = xasprintf("SLUICE_EVENT_ID=%s", h->event_id);
    env[n++] = xasprintf("SLUICE_ATTEMPT=%d", a->attempt);
    env[n++] = xasprintf("SLUICE_CONTENT_TYPE=%s", h->content_type);
    env[n++] = xasprintf("SLUICE_RECEIVED_AT=%s", received);
    env[n++] = xasprintf("SLUICE_SCHEMA_VERSION=%s", h->schema_version);
    env[n++] = xasprintf("SLUICE_DESTINATION=%s", a->to->name);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)more, key, value) env[n++] =
        xasprintf("%s=%s", key, json_string_value(value));
    return env;
}

static void free_environment(char **env)
{
    for (size_t i = 0; env[i]; i++)
        free(env[i]);
    free(env);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct exec_attempt *a = arg;
    while (a->written < a->hook->body_len) {
        ssize_t n =
            write(fd, (const char *)a->hook->body + a->written, a->hook->body_len - a->written);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1 && errno == EAGAIN)
            return;
        if (n == -1)
            break; /* EPIPE: it does not want to read on; its exit status decides */
        a->written += (size_t)n;
    }
    close_stream(&a->in);
}

/* Keeps the newest max_output_bytes (up to twice as many between two cuts). */
static void keep_tail(struct exec_attempt *a, const char *data, size_t len)
{
    size_t max = a->to->max_output_bytes;
    buf_append(&a->tail, data, len);
    if (a->tail.len > 2 * max) {
        memmove(a->tail.data, a->tail.data + a->tail.len - max, max);
        a->tail.len = max;
    }
}

/* Reads what is there; closes the stream at its end. Output to standard output is thrown away. A
 * flood is read a piece a turn, so that it cannot hold up the loop. */
static void read_stream(struct exec_attempt *a, struct event **stream, int pieces)
{
    char data[READ_BYTES];
    while (*stream && pieces-- > 0) {
        ssize_t n = read(event_get_fd(*stream), data, sizeof(data));
        if (n == -1 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            close_stream(stream);
            return;
        }
        if (stream == &a->err)
            keep_tail(a, data, (size_t)n);
    }
}

static void on_output(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct exec_attempt *a = arg;
    read_stream(a, a->out && event_get_fd(a->out) == fd ? &a->out : &a->err, 1);
}

/* The last line of standard error that is not blank, in tail; NULL where there is none. */
static const char *last_line(struct buf *tail)
{
    size_t end = tail->len;
    while (end > 0 && (unsigned char)tail->data[end - 1] <= ' ')
        end--;
    if (end == 0)
        return NULL;
    tail->data[end] = '\0';
    size_t start = end;
    while (start > 0 && tail->data[start - 1] != '\n')
        start--;
    return tail->data + start;
}

static void start_waiting(struct exec_destination *to);

/* Takes the attempt out of the running ones, frees it and reports. */
static void end(struct exec_attempt *a, enum verdict verdict, const char *class,
                const char *fallback, int status)
{
    struct delivery *delivery = a->delivery;
    struct exec_destination *to = a->to;
    const char *line = a->timed_out ? NULL : last_line(&a->tail);
    char *error = xstrdup(verdict == DELIVERED ? "" : line ? line : fallback);
    TAILQ_REMOVE(&to->started, a, link);
    to->running--;
    attempt_free(a);
    start_waiting(to);
    if (delivery)
        delivery_finish(delivery, verdict, class, error, status);
    free(error);
}

/* Stragglers of the group go before the leader is reaped: until then its id cannot be reused. */
static int reap(struct exec_attempt *a)
{
    int status = -1;
    exec_child_kill(a->child.pid, SIGKILL);
    forget_group(a);
    while (waitpid(a->child.pid, &status, 0) == -1 && errno == EINTR)
        continue;
    return status;
}

static void on_exited(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct exec_attempt *a = arg;
    char fallback[96];
    read_stream(a, &a->err, 64);
    int status = reap(a);
    if (a->timed_out) {
        snprintf(fallback, sizeof(fallback), "ran longer than %d s", a->to->timeout_s);
        end(a, RETRY, "timeout", fallback, 0);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        end(a, DELIVERED, "", "", 0);
    } else if (WIFEXITED(status)) {
        int code = WEXITSTATUS(status);
        bool permanent = code == EXIT_PERMANENT;
        snprintf(fallback, sizeof(fallback), "exit status %d", code);
        end(a, permanent ? DEAD : RETRY, permanent ? "rejected" : "destination", fallback, code);
    } else {
        snprintf(fallback, sizeof(fallback), "ended by signal %d", WTERMSIG(status));
        end(a, RETRY, "destination", fallback, 128 + WTERMSIG(status));
    }
}

static void add_timer(struct exec_attempt *a, int seconds)
{
    const struct timeval later = {.tv_sec = seconds};
    evtimer_add(a->timer, &later);
}

static struct event *watch(struct exec_attempt *a, int fd, short what, event_callback_fn run)
{
    struct event *e = event_new(a->to->base, fd, what, run, a);
    event_add(e, NULL);
    return e;
}

static int run(struct exec_attempt *a)
{
    delivery_handling(a->delivery, true);
    char **env = make_environment(a);
    delivery_handling(a->delivery, false);
    a->group = a->to->groups ? a->to->groups->place(a->to->groups->arg) : NULL;
    int failed = exec_child_start(a->to->file, a->to->argv, env, a->group, &a->child);
    int saved = errno;
    free_environment(env);
    errno = saved;
    if (failed)
        return -1;
    a->exited = watch(a, a->child.pid_fd, EV_READ, on_exited);
    a->out = watch(a, a->child.stdout_fd, EV_READ | EV_PERSIST, on_output);
    a->err = watch(a, a->child.stderr_fd, EV_READ | EV_PERSIST, on_output);
    a->in = watch(a, a->child.stdin_fd, EV_WRITE | EV_PERSIST, on_writable);
    add_timer(a, a->to->timeout_s);
    return 0;
}

/* Start, timeout and kill, in this order. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct exec_attempt *a = arg;
    if (!a->exited) {
        if (run(a) == -1) {
            log_error("destination \"%s\": cannot start a process: %s", a->to->name,
                      strerror(errno));
            end(a, RETRY, "destination", "cannot start a process", 0);
        }
    } else if (!a->timed_out) {
        a->timed_out = true;
        exec_child_kill(a->child.pid, SIGTERM);
        add_timer(a, KILL_AFTER_S);
    } else {
        exec_child_kill(a->child.pid, SIGKILL);
    }
}

/* Lets waiting attempts start in the next turn of the loop, as long as there is room. */
static void start_waiting(struct exec_destination *to)
{
    struct exec_attempt *a;
    while (to->running < to->max_running && (a = TAILQ_FIRST(&to->waiting))) {
        TAILQ_REMOVE(&to->waiting, a, link);
        TAILQ_INSERT_TAIL(&to->started, a, link);
        to->running++;
        a->is_started = true;
        add_timer(a, 0);
    }
}

static void *exec_start(void *destination, const struct webhook *hook, int attempt,
                        struct delivery *delivery)
{
    struct exec_destination *to = destination;
    struct exec_attempt *a = xcalloc(1, sizeof(*a));
    a->to = to;
    a->delivery = delivery;
    a->hook = hook;
    a->attempt = attempt;
    a->timer = evtimer_new(to->base, on_timer, a);
    TAILQ_INSERT_TAIL(&to->waiting, a, link);
    start_waiting(to);
    return a;
}

static void exec_cancel(void *attempt)
{
    struct exec_attempt *a = attempt;
    struct exec_destination *to = a->to;
    if (!a->exited) {
        TAILQ_REMOVE(a->is_started ? &to->started : &to->waiting, a, link);
        to->running -= a->is_started ? 1 : 0;
        attempt_free(a);
        start_waiting(to);
        return;
    }
    /* It stays in the list of started ones until it has been reaped. */
    a->delivery = NULL;
    a->hook = NULL;
    close_stream(&a->in);
    exec_child_kill(a->child.pid, SIGKILL);
}

static bool exec_waiting(const void *attempt)
{
    const struct exec_attempt *a = attempt;
    return !a->exited;
}

static void exec_note_groups(void *destination, const struct delivery_groups *groups)
{
    struct exec_destination *to = destination;
    to->groups = groups;
}

const struct delivery_type to_exec_type = {
    .name = "exec",
    .open = exec_open,
    .close = exec_close,
    .start = exec_start,
    .cancel = exec_cancel,
    .waiting = exec_waiting,
    .note_groups = exec_note_groups,
};
