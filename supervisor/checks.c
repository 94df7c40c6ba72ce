#include "supervisor/checks.h"

#include <assert.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/ipc/message.h"
#include "supervisor/control.h"
#include "supervisor/supervisor.h"

enum { LINES_MAX = 2000 };

static const enum role asked_roles[] = {ROLE_INGEST, ROLE_CONSUMER, ROLE_RETRY};
enum { ASKED = sizeof asked_roles / sizeof asked_roles[0] };

struct checks {
    struct supervisor *s; /* borrow: owns us */
    bool is_running;
    unsigned number;        /* of the one that runs, or of the last */
    pid_t waits_for[ASKED]; /* 0: done */
    json_t *lines;          /* own, while one runs */
    struct event *timer;    /* own */
};

static void add_line(struct checks *c, const char *role, json_t *line)
{
    if (line == NULL || json_array_size(c->lines) >= LINES_MAX) {
        json_decref(line);
        return;
    }
    json_object_set_new(line, "role", json_string(role));
    json_array_append_new(c->lines, line);
}

static void add_failure(struct checks *c, enum role role, const char *why)
{
    add_line(
        c, role_name(role),
        json_pack("{s:s, s:s, s:b, s:s}", "object", "worker", "action", "", "ok", 0, "text", why));
}

static void finish(struct checks *c)
{
    bool all_ok = true;
    size_t i;
    json_t *line;
    json_array_foreach(c->lines, i, line)
    {
        all_ok = all_ok && json_is_true(json_object_get(line, "ok"));
    }
    event_del(c->timer);
    c->is_running = false;
    json_t *result =
        json_pack("{s:b, s:b, s:o}", "ok", 1, "all_ok", (int)all_ok, "lines", c->lines);
    c->lines = NULL;
    control_check_done(c->s->control, c->number, result);
}

static void finish_if_all_are_done(struct checks *c)
{
    for (int i = 0; i < ASKED; i++) {
        if (c->waits_for[i] != 0)
            return;
    }
    finish(c);
}

/* Also of the first turn: where no worker could be asked there is nothing to wait for. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct checks *c = arg;
    for (int i = 0; i < ASKED; i++) {
        if (c->waits_for[i] != 0)
            add_failure(c, asked_roles[i],
                        "it has not tried everything in time; what it has tried stands above");
    }
    finish(c);
}

struct checks *checks_new(struct supervisor *s)
{
    struct checks *c = xcalloc(1, sizeof *c);
    c->s = s;
    c->timer = evtimer_new(s->base, on_timer, c);
    assert(c->timer != NULL);
    return c;
}

void checks_free(struct checks *c)
{
    if (c == NULL)
        return;
    json_decref(c->lines);
    event_free(c->timer);
    free(c);
}

static void ask(struct checks *c, int i)
{
    struct process *p = supervisor_find(c->s, c->s->plans[asked_roles[i]], 0);
    c->waits_for[i] = 0;
    if (p == NULL || p->slot.state != SLOT_UP) {
        add_failure(c, asked_roles[i], "it is not up; its lines in the log say why");
        return;
    }
    json_t *msg = message_new("check");
    json_object_set_new(msg, "check", json_integer(c->number));
    process_send(p, msg);
    c->waits_for[i] = p->pid;
}

unsigned checks_request(struct checks *c)
{
    if (c->is_running)
        return c->number;
    c->is_running = true;
    c->number++;
    c->lines = json_array();
    bool is_asked = false;
    for (int i = 0; i < ASKED; i++) {
        ask(c, i);
        is_asked = is_asked || c->waits_for[i] != 0;
    }
    struct timeval patience = {is_asked ? CHECKS_MS / 1000 : 0, 0};
    evtimer_add(c->timer, &patience);
    return c->number;
}

static json_t *good_line(const json_t *line)
{
    bool is_good = json_is_string(json_object_get(line, "object")) &&
                   json_is_string(json_object_get(line, "action")) &&
                   json_is_boolean(json_object_get(line, "ok")) &&
                   json_is_string(json_object_get(line, "text"));
    return is_good ? json_copy((json_t *)(uintptr_t)line) : NULL;
}

void checks_take(struct checks *c, const struct process *from, const json_t *msg)
{
    size_t i;
    json_t *line;
    int place = 0;
    while (place < ASKED && c->waits_for[place] != from->pid)
        place++;
    if (!c->is_running || place == ASKED ||
        json_integer_value(json_object_get(msg, "check")) != (json_int_t)c->number)
        return; /* of one that is over */
    json_array_foreach(json_object_get(msg, "lines"), i, line)
    {
        add_line(c, role_name(from->plan->role), good_line(line));
    }
    if (!json_is_true(json_object_get(msg, "last")))
        return;
    c->waits_for[place] = 0;
    finish_if_all_are_done(c);
}
