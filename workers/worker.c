#include "workers/worker.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/tokens.h"
#include "common/ipc/channel.h"
#include "common/ipc/message.h"
#include "workers/account.h"
#include "workers/checkup.h"
#include "workers/health.h"
#include "workers/keyring_client.h"
#include "workers/libevent_log.h"
#include "workers/snapshot.h"
#include "workers/startup.h"

#define BEAT_MS 1000

enum state { STARTING, READY, DRAINING };

struct worker {
    const struct worker_role *role; /* borrowed: static */
    void *role_state;               /* the role's */
    struct event_base *base;        /* own */
    struct snapshot snapshot;
    struct channel *channel;        /* own; NULL once the supervisor is gone */
    struct health *health;          /* own */
    struct account *account;        /* own */
    struct keyring_client *keyring; /* own */
    struct event *beat;             /* own */
    struct event *deadline;         /* own */
    struct event *signals[2];       /* own: TERM, USR1 */
    struct startup *startup;        /* own; NULL: there is nothing to check, or it is over */
    json_t *errors;                 /* own: what it found, or NULL */
    bool is_role_ready;             /* the role has said so */
    enum state state;
    int64_t drain_deadline_ms;
    bool drained;
};

static const char *const state_words[] = {"starting", "ready", "draining"};

/* ---- what beats and the health answer say ---- */

static void fill_account(struct worker *w, json_t *out)
{
    json_object_set_new(out, "state", json_string(state_words[w->state]));
    if (w->role->beat && w->role_state)
        w->role->beat(w->role_state, out);
    json_t *waiting = json_object_get(out, "waiting");
    if (!waiting)
        json_object_set_new(out, "waiting", waiting = json_array());
    tokens_waiting(keyring_client_tokens(w->keyring), waiting);
    account_fill(w->account, out);
}

static bool is_healthy(struct worker *w, char *reason, size_t size)
{
    reason[0] = '\0';
    if (w->state != READY) {
        snprintf(reason, size, "%s", state_words[w->state]);
        return false;
    }
    return !w->role->healthy || w->role->healthy(w->role_state, reason, size);
}

static json_t *report(void *arg, bool *healthy_out)
{
    struct worker *w = arg;
    char reason[ACCOUNT_TROUBLE_BYTES];
    *healthy_out = is_healthy(w, reason, sizeof(reason));
    json_t *text = json_string(reason);
    json_t *out =
        json_pack("{s:s,s:s,s:O,s:i,s:b,s:o}", "worker", w->snapshot.name, "role", w->role->name,
                  "slot", json_object_get(w->snapshot.process, "slot"), "pid", (int)getpid(),
                  "healthy", (int)*healthy_out, "reason", text ? text : json_string(""));
    assert(out);
    fill_account(w, out);
    return out;
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct worker *w = arg;
    if (!w->channel)
        return;
    json_t *beat = message_new("beat");
    fill_account(w, beat);
    channel_send_latest(w->channel, beat);
}

/* ---- drain ---- */

static int64_t drain_ms(const struct worker *w)
{
    return conf_int(w->snapshot.conf, "drain_s") * 1000;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct worker *w = arg;
    log_warn("drain deadline reached: leaving with work unfinished (it is kept elsewhere)");
    w->drained = true;
    event_base_loopbreak(w->base);
}

static void set_deadline(struct worker *w, int64_t ms)
{
    struct timeval in = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
    w->drain_deadline_ms = clock_mono_ms() + ms;
    event_add(w->deadline, &in);
}

/* The one way out: by message, by the supervisor's end, by SIGTERM. A later order may only shorten
 * the time. */
static void drain(struct worker *w, const char *why, int64_t ms)
{
    if (w->state == DRAINING) {
        if (clock_mono_ms() + ms < w->drain_deadline_ms)
            set_deadline(w, ms);
        return;
    }
    w->state = DRAINING;
    log_info("draining: %s, deadline %lld ms", why, (long long)ms);
    set_deadline(w, ms);
    w->role->drain(w->role_state, w->drain_deadline_ms);
}

static void on_term(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    drain(arg, "SIGTERM", drain_ms(arg));
}

static void on_usr1(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    const struct worker *w = arg;
    const char *path = conf_str(w->snapshot.conf, "log.file");
    if (*path && log_open(path) != 0)
        log_error("log file \"%s\" cannot be opened again: %s; the old one is kept", path,
                  strerror(errno));
}

/* ---- messages ---- */

static void on_ping(struct worker *w, const json_t *msg)
{
    json_t *pong = message_new("pong");
    json_t *seq = json_object_get(msg, "seq");
    if (seq)
        json_object_set(pong, "seq", seq);
    channel_send(w->channel, pong, -1);
}

static void on_drain(struct worker *w, const json_t *msg)
{
    const json_t *ms = json_object_get(msg, "deadline_ms");
    drain(w, "asked by the supervisor", json_is_integer(ms) ? json_integer_value(ms) : drain_ms(w));
}

static void on_material(struct worker *w, const json_t *msg)
{
    keyring_client_take(w->keyring, msg);
}

struct check {
    struct worker *worker; /* borrow */
    json_int_t number;
};

static void send_lines(void *arg, json_t *lines, bool last)
{
    struct check *check = arg;
    json_t *msg = message_new("checked");
    json_object_set_new(msg, "check", json_integer(check->number));
    json_object_set_new(msg, "lines", lines);
    json_object_set_new(msg, "last", json_boolean(last));
    worker_send(check->worker, msg);
    if (last)
        free(check);
}

static void on_check(struct worker *w, const json_t *msg)
{
    struct check *check = xcalloc(1, sizeof(*check));
    check->worker = w;
    check->number = json_integer_value(json_object_get(msg, "check"));
    struct checkup *c = checkup_new(w->base, worker_aws(w), w->role->name, send_lines, check);
    if (w->role->check && w->role_state)
        w->role->check(w->role_state, c);
    checkup_run(c);
}

static void on_message(void *arg, const json_t *msg, int fd)
{
    static const struct {
        const char *kind;
        void (*take)(struct worker *w, const json_t *msg);
    } takers[] = {
        {"ping", on_ping}, {"drain", on_drain}, {"material", on_material}, {"check", on_check}};
    struct worker *w = arg;
    if (fd >= 0 && w->role->handed) {
        w->role->handed(w->role_state, msg, fd);
        return;
    }
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
        if (strcmp(message_kind(msg), takers[i].kind) == 0) {
            takers[i].take(w, msg);
            return;
        }
    }
    if (w->role->message)
        w->role->message(w->role_state, msg);
}

static void on_closed(void *arg, const char *why)
{
    struct worker *w = arg;
    log_warn("the supervisor is gone: %s", why); /* why lives in the channel */
    channel_free(w->channel);
    w->channel = NULL;
    health_close(w->health);
    drain(w, "no supervisor", drain_ms(w));
}

static const struct channel_callbacks channel_callbacks = {.message = on_message,
                                                           .closed = on_closed};

static void send_hello(struct worker *w)
{
    json_t *hello = message_new("hello");
    json_object_set_new(hello, "proto", json_integer(MESSAGE_PROTO));
    json_object_set_new(hello, "role", json_string(w->role->name));
    json_object_set(hello, "slot", json_object_get(w->snapshot.process, "slot"));
    json_object_set_new(hello, "pid", json_integer(getpid()));
    json_object_set_new(hello, "build", json_string(SLUICE_VERSION));
    json_object_set(hello, "generation", json_object_get(w->snapshot.process, "generation"));
    channel_send(w->channel, hello, -1);
}

/* ---- start ---- */

static void set_limits(const struct worker_role *role)
{
    umask(027);
    const struct rlimit none = {0};
    setrlimit(RLIMIT_CORE, &none); /* bodies and keys are in memory */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGUSR1, SIG_IGN); /* until the loop listens */
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    const char *only = getenv("SLUICE_FAULT_ROLE");
    if (only && strcmp(only, role->name) != 0)
        unsetenv("SLUICE_FAULT");
}

static void start_log(const struct worker *w)
{
    const char *name = w->snapshot.name;
    bool only_one = strcmp(name, w->role->name) == 0;
    log_name(w->role->name,
             only_one ? -1 : (int)json_integer_value(json_object_get(w->snapshot.process, "slot")));
    enum log_level level = LOG_LEVEL_INFO;
    int known = log_level_parse(conf_str(w->snapshot.conf, "log.level"), &level);
    assert(known == 0);
    log_setup(level, strcmp(conf_str(w->snapshot.conf, "log.format"), "json") == 0);
    const char *path = conf_str(w->snapshot.conf, "log.file");
    if (*path && log_open(path) != 0)
        log_error("log file \"%s\" cannot be opened: %s; logging to standard error", path,
                  strerror(errno));
}

/* A named place that a test chooses by the worker's name: "consumer-1.start". */
static bool fault_of(const struct worker *w, const char *step)
{
    char *point = xasprintf("%s.%s", w->snapshot.name, step);
    bool fails = fault_point(point);
    free(point);
    return fails;
}

static struct event *must_event(struct worker *w, int fd, short what, event_callback_fn on)
{
    struct event *e = event_new(w->base, fd, what, on, w);
    assert(e);
    return e;
}

static void send_ask(void *arg, json_t *msg)
{
    worker_send(arg, msg);
}

static int start_loop(struct worker *w)
{
    libevent_log_install();
    w->base = event_base_new();
    assert(w->base);
    w->account = account_new();
    w->keyring = keyring_client_new(w->base, send_ask, w);
    w->channel = channel_new(w->base, WORKER_FD_CHANNEL, &channel_callbacks, w);
    send_hello(w);
    w->signals[0] = must_event(w, SIGTERM, EV_SIGNAL | EV_PERSIST, on_term);
    w->signals[1] = must_event(w, SIGUSR1, EV_SIGNAL | EV_PERSIST, on_usr1);
    event_add(w->signals[0], NULL);
    event_add(w->signals[1], NULL);
    w->deadline = must_event(w, -1, 0, on_deadline);
    w->beat = must_event(w, -1, EV_PERSIST, on_beat);
    struct timeval every = {.tv_sec = BEAT_MS / 1000, .tv_usec = (BEAT_MS % 1000) * 1000L};
    event_add(w->beat, &every);
    w->health = health_new(w->base, WORKER_FD_HEALTH, report, w);
    return w->health ? 0 : -1;
}

static void say_ready(struct worker *w)
{
    if (w->state != STARTING || fault_of(w, "ready"))
        return;
    w->state = READY;
    log_info("ready pid=%d version=%s", (int)getpid(), SLUICE_VERSION);
    json_t *ready = message_new("ready");
    if (w->errors)
        json_object_set(ready, "errors", w->errors);
    worker_send(w, ready);
}

static const char *look_at_object(void *arg, const char *path, bool *open_out)
{
    struct worker *w = arg;
    *open_out = !w->role->object;
    return w->role->object ? w->role->object(w->role_state, path, open_out) : NULL;
}

static void accept_all(struct worker *w)
{
    if (w->role->accept && w->role->accept(w->role_state) != 0)
        exit(EX_OSERR);
}

static void on_checked(void *arg, json_t *errors)
{
    struct worker *w = arg;
    startup_free(w->startup);
    w->startup = NULL;
    if (json_array_size(errors) > 0)
        w->errors = json_incref(errors);
    else if (w->state == STARTING)
        accept_all(w);
    if (w->errors || w->is_role_ready)
        say_ready(w);
}

/* Everything is set up: the loop runs next. */
static void begin(struct worker *w)
{
    const json_t *check = json_object_get(w->snapshot.process, "check");
    if (json_array_size(check) == 0) {
        accept_all(w);
        return;
    }
    w->startup = startup_new(w->base, check, look_at_object, on_checked, w);
}

int worker_main(int argc, char **argv, const struct worker_role *role)
{
    if (argc == 2 && strcmp(argv[1], "-V") == 0) {
        printf("sluice-%s %s\n", role->name, SLUICE_VERSION);
        return EX_OK;
    }
    struct stat st;
    if (argc != 1 || fstat(WORKER_FD_CHANNEL, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        fprintf(stderr, "sluice-%s is started by sluiced; run sluiced -c FILE\n", role->name);
        return EX_USAGE;
    }
    set_limits(role);
    log_name(role->name, -1);
    struct worker *w = xcalloc(1, sizeof(*w)); /* for the life of the process */
    w->role = role;
    if (snapshot_take(&w->snapshot) != 0) {
        log_error("the configuration snapshot from the supervisor cannot be read");
        return EX_SOFTWARE;
    }
    start_log(w);
    if (start_loop(w) != 0)
        return EX_OSERR;
    w->role_state = fault_of(w, "start") ? NULL : role->start(w);
    if (!w->role_state)
        return EX_CONFIG;
    if (w->state != DRAINING)
        begin(w);
    if (!w->drained)
        event_base_dispatch(w->base);
    log_info("%s", w->drained ? "stopped" : "the event loop ended by itself");
    /* Nothing is taken down: the process ends with all that it holds. */
    exit(w->drained ? EX_OK : EX_SOFTWARE);
}

/* ---- for roles ---- */

struct event_base *worker_base(const struct worker *w)
{
    return w->base;
}

const json_t *worker_conf(const struct worker *w)
{
    return w->snapshot.conf;
}

const json_t *worker_process(const struct worker *w)
{
    return w->snapshot.process;
}

struct material *worker_material(const struct worker *w)
{
    return keyring_client_material(w->keyring);
}

struct tokens *worker_tokens(const struct worker *w)
{
    return keyring_client_tokens(w->keyring);
}

struct aws_client *worker_aws(struct worker *w)
{
    return keyring_client_aws(w->keyring);
}

size_t worker_listener_count(const struct worker *w)
{
    return w->snapshot.listener_count;
}

struct worker_listener worker_listener_at(const struct worker *w, size_t i)
{
    assert(i < w->snapshot.listener_count);
    return w->snapshot.listeners[i];
}

void worker_ready(struct worker *w)
{
    w->is_role_ready = true;
    if (!w->startup)
        say_ready(w);
}

void worker_drained(struct worker *w)
{
    w->drained = true;
    event_base_loopbreak(w->base);
}

void worker_send(struct worker *w, json_t *msg)
{
    if (w->channel)
        channel_send(w->channel, msg, -1);
    else
        json_decref(msg);
}

void worker_trouble(struct worker *w, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    account_trouble(w->account, format, ap);
    va_end(ap);
}

void worker_note(struct worker *w, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    account_note(w->account, format, ap);
    va_end(ap);
}
