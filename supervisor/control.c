#include "supervisor/control.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/unix_socket.h"
#include "common/base/utf8.h"
#include "common/base/xalloc.h"
#include "common/conf/conf_check_aws.h"
#include "supervisor/checks.h"
#include "supervisor/holds.h"
#include "supervisor/reload.h"
#include "supervisor/stop.h"
#include "supervisor/supervisor.h"

enum { MAX_CLIENTS = 32, MAX_LINE_BYTES = 4096, IDLE_S = 60 };

struct client {
    TAILQ_ENTRY(client) link;
    struct control *control;    /* borrow: owns us */
    struct bufferevent *stream; /* own */
    bool waits_for_reload;
    unsigned reload_number;
    bool waits_for_check;
    unsigned check_number;
    bool waits_for_end; /* asked for the stop */
    bool has_ended;     /* it sends nothing more, but may still read */
};

struct control {
    struct supervisor *s;         /* borrow: owns us */
    char *path;                   /* own */
    int fd;                       /* own */
    struct event *acceptor;       /* own */
    TAILQ_HEAD(, client) clients; /* the oldest first */
    size_t client_count;
};

static void client_free(struct client *c)
{
    struct control *control = c->control;
    TAILQ_REMOVE(&control->clients, c, link);
    control->client_count--;
    event_add(control->acceptor, NULL); /* it pauses at the limit */
    bufferevent_free(c->stream);
    free(c);
}

/* answer is stolen. */
static void reply(struct client *c, json_t *answer)
{
    assert(answer != NULL);
    char *text = json_dumps(answer, JSON_COMPACT);
    assert(text != NULL);
    bufferevent_write(c->stream, text, strlen(text));
    bufferevent_write(c->stream, "\n", 1);
    free(text);
    json_decref(answer);
}

static void refuse(struct client *c, const char *error)
{
    reply(c, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

/* ---- commands ---- */

static void command_status(struct client *c, const json_t *request)
{
    (void)request;
    struct supervisor *s = c->control->s;
    json_t *listeners = json_array(), *workers = json_array();
    const struct process *p;
    for (int role = 0; role < ROLE_COUNT; role++) {
        for (size_t i = 0; i < s->plans[role]->listener_count; i++)
            json_array_append_new(
                listeners, json_pack("{s:s, s:s}", "role", role_name((enum role)role), "address",
                                     listener_address(s->plans[role]->listeners[i])));
    }
    TAILQ_FOREACH(p, &s->processes, link)
    json_array_append_new(workers, process_status(p));
    /* Of all that stands here only the file's name may be no UTF-8. */
    char *config = utf8_safe(s->config_path, strlen(s->config_path), PATH_MAX);
    json_t *status = json_pack(
        "{s:b, s:i, s:s, s:i, s:s, s:s, s:s, s:I, s:b, s:b, s:o, s:o, s:o}", "ok", 1, "pid",
        (int)getpid(), "version", SLUICE_VERSION, "generation", s->generation, "config", config,
        "state_dir", json_string_value(json_object_get(s->conf, "state_dir")), "run_dir",
        s->run_dir, "uptime_s", (json_int_t)((clock_mono_ms() - s->started_ms) / 1000), "ready",
        (int)supervisor_is_up(s), "stopping", (int)s->is_stopping, "listeners", listeners,
        "workers", workers, "notes", conf_check_aws_notes(s->conf));
    assert(status != NULL);
    holds_status(s->holds, status);
    reply(c, status);
    free(config);
}

static json_t *worker_health(const struct process *p)
{
    const char *reason = "";
    if (p->slot.state != SLOT_UP)
        reason = "it is not up";
    else if (process_is_silent(p))
        reason = "it has not been heard from for some seconds";
    json_t *health = process_status(p);
    json_object_set_new(health, "healthy", json_boolean(reason[0] == '\0'));
    json_object_set_new(health, "reason", json_string(reason));
    return health;
}

static void command_health(struct client *c, const json_t *request)
{
    const char *wanted = json_string_value(json_object_get(request, "worker"));
    json_t *workers = json_array();
    bool healthy = true;
    const struct process *p;
    TAILQ_FOREACH(p, &c->control->s->processes, link)
    {
        if (p->is_displaced || p->is_beside || (wanted != NULL && strcmp(wanted, p->name) != 0))
            continue;
        json_t *health = worker_health(p);
        healthy = healthy && json_is_true(json_object_get(health, "healthy"));
        json_array_append_new(workers, health);
    }
    if (wanted != NULL && json_array_size(workers) == 0) {
        json_decref(workers);
        refuse(c, "there is no worker of that name; \"status\" lists them");
        return;
    }
    json_t *answer =
        json_pack("{s:b, s:b, s:o}", "ok", 1, "healthy", (int)healthy, "workers", workers);
    assert(answer != NULL);
    holds_status(c->control->s->holds, answer);
    reply(c, answer);
}

static void command_reload(struct client *c, const json_t *request)
{
    (void)request;
    if (c->control->s->is_stopping) {
        refuse(c, "sluiced is stopping");
        return;
    }
    c->waits_for_reload = true;
    c->reload_number = reload_request(c->control->s->reload);
}

static void pause_or_resume(struct client *c, const json_t *request, bool paused)
{
    const json_t *source = json_object_get(request, "source");
    const char *by = json_string_value(json_object_get(request, "by"));
    if (source != NULL && !json_is_string(source))
        refuse(c, "\"source\" must be a string");
    else
        reply(c, holds_pause(c->control->s->holds, json_string_value(source), paused,
                             by != NULL ? by : ""));
}

static void command_pause(struct client *c, const json_t *request)
{
    pause_or_resume(c, request, true);
}

static void command_resume(struct client *c, const json_t *request)
{
    pause_or_resume(c, request, false);
}

static void command_check(struct client *c, const json_t *request)
{
    (void)request;
    c->waits_for_check = true;
    c->check_number = checks_request(c->control->s->checks);
}

static void command_stop(struct client *c, const json_t *request)
{
    (void)request;
    struct supervisor *s = c->control->s;
    c->waits_for_end = true;
    reply(c, json_pack("{s:b, s:i}", "ok", 1, "pid", (int)getpid()));
    if (!s->is_stopping)
        stop_request(s);
}

static const struct {
    const char *name;
    void (*run)(struct client *c, const json_t *request);
} commands[] = {
    {"status", command_status}, {"health", command_health}, {"reload", command_reload},
    {"pause", command_pause},   {"resume", command_resume}, {"stop", command_stop},
    {"check", command_check},
};

static void run_line(struct client *c, const char *line, size_t len)
{
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(request, "cmd"));
    size_t i = 0, count = sizeof commands / sizeof commands[0];
    while (name != NULL && i < count && strcmp(commands[i].name, name) != 0)
        i++;
    if (name == NULL)
        refuse(c, "a request is one line of JSON: {\"cmd\":\"status\"}");
    else if (i == count)
        refuse(c, "unknown cmd; there are status, health, reload, check, pause, resume and stop");
    else
        commands[i].run(c, request);
    json_decref(request);
}

/* ---- connections ---- */

static bool is_idle(const struct client *c)
{
    return !c->waits_for_reload && !c->waits_for_check && !c->waits_for_end &&
           evbuffer_get_length(bufferevent_get_output(c->stream)) == 0;
}

/* One request at a time: the next is looked at when the answer to this one has been written, so
 * that a client which does not read holds no more than one answer. */
static void serve(struct client *c)
{
    struct evbuffer *in = bufferevent_get_input(c->stream);
    size_t len;
    char *line = NULL;
    while (is_idle(c)) {
        line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
        if (line == NULL)
            break;
        run_line(c, line, len);
        free(line);
    }
    if (is_idle(c) && (c->has_ended || evbuffer_get_length(in) >= MAX_LINE_BYTES))
        client_free(c);
}

static void on_readable(struct bufferevent *stream, void *arg)
{
    (void)stream;
    serve(arg);
}

static void on_written(struct bufferevent *stream, void *arg)
{
    (void)stream;
    serve(arg);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    struct client *c = arg;
    bool is_patient = c->waits_for_reload || c->waits_for_check || c->waits_for_end;
    if ((what & BEV_EVENT_EOF) != 0) {
        c->has_ended = true;
        serve(c);
    } else if ((what & BEV_EVENT_TIMEOUT) != 0 && (what & BEV_EVENT_READING) != 0 && is_patient) {
        bufferevent_enable(stream, EV_READ);
    } else {
        client_free(c);
    }
}

static void add_client(struct control *control, int fd)
{
    struct client *c = xcalloc(1, sizeof *c);
    struct timeval idle = {IDLE_S, 0};
    c->control = control;
    c->stream = bufferevent_socket_new(control->s->base, fd,
                                       BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    assert(c->stream != NULL);
    TAILQ_INSERT_TAIL(&control->clients, c, link);
    control->client_count++;
    bufferevent_setcb(c->stream, on_readable, on_written, on_event, c);
    bufferevent_setwatermark(c->stream, EV_READ, 0, MAX_LINE_BYTES);
    bufferevent_set_timeouts(c->stream, &idle, &idle);
    bufferevent_enable(c->stream, EV_READ | EV_WRITE);
}

/* Clients that stay connected and ask nothing must not keep others out: the one that has been here
 * longest makes room. */
static void make_room(struct control *control)
{
    struct client *c;
    if (control->client_count < MAX_CLIENTS)
        return;
    TAILQ_FOREACH(c, &control->clients, link)
    {
        if (is_idle(c)) {
            client_free(c);
            return;
        }
    }
}

/* One in a turn, so that its request is seen before the next one needs room. */
static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct control *c = arg;
    make_room(c);
    if (c->client_count < MAX_CLIENTS) {
        int client_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client_fd >= 0)
            add_client(c, client_fd);
        if (client_fd >= 0 || errno == EAGAIN)
            return;
        /* out of descriptors: the socket stays readable, and the loop would spin */
    }
    event_del(c->acceptor);
}

void control_tick(struct control *c)
{
    if (c->client_count < MAX_CLIENTS)
        event_add(c->acceptor, NULL);
}

struct control *control_new(struct supervisor *s)
{
    struct control *c = xcalloc(1, sizeof *c);
    c->s = s;
    c->path = xasprintf("%s/control.sock", s->run_dir);
    TAILQ_INIT(&c->clients);
    c->fd = unix_socket_listen(c->path, 0660);
    if (c->fd < 0) {
        log_error("control socket %s cannot be opened: %s", c->path, strerror(errno));
        free(c->path);
        free(c);
        return NULL;
    }
    c->acceptor = event_new(s->base, c->fd, EV_READ | EV_PERSIST, on_connection, c);
    assert(c->acceptor != NULL && event_add(c->acceptor, NULL) == 0);
    return c;
}

void control_free(struct control *c)
{
    if (c == NULL)
        return;
    while (!TAILQ_EMPTY(&c->clients))
        client_free(TAILQ_FIRST(&c->clients));
    event_free(c->acceptor);
    unlink(c->path);
    close(c->fd);
    free(c->path);
    free(c);
}

void control_reload_done(struct control *c, unsigned number, json_t *result)
{
    struct client *client;
    if (c != NULL) {
        TAILQ_FOREACH(client, &c->clients, link)
        {
            if (!client->waits_for_reload || client->reload_number > number)
                continue;
            client->waits_for_reload = false;
            reply(client, json_incref(result));
        }
    }
    json_decref(result);
}

void control_check_done(struct control *c, unsigned number, json_t *result)
{
    struct client *client;
    if (c != NULL) {
        TAILQ_FOREACH(client, &c->clients, link)
        {
            if (!client->waits_for_check || client->check_number != number)
                continue;
            client->waits_for_check = false;
            reply(client, json_incref(result));
        }
    }
    json_decref(result);
}
