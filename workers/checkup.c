#include "workers/checkup.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/aws/obstacle.h"
#include "common/base/xalloc.h"

#define LINES_AT_ONCE 8 /* so that a packet holds them */
#define TEXT_BYTES_MAX 700

struct checkup {
    struct aws_client *client; /* borrow */
    const char *role;
    struct checkup_step *steps; /* own, and the texts in each */
    size_t count, at;
    json_t *lines;      /* own: not sent yet */
    struct event *next; /* own: the next try, in a turn of its own */
    checkup_send_fn *send;
    void *arg;
};

static void free_all(struct checkup *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free((char *)(uintptr_t)c->steps[i].what);
        free((char *)(uintptr_t)c->steps[i].key);
        free((char *)(uintptr_t)c->steps[i].name);
        free((char *)(uintptr_t)c->steps[i].detail);
    }
    free(c->steps);
    json_decref(c->lines);
    event_free(c->next);
    free(c);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct checkup *c = arg;
    bool is_over = c->at == c->count;
    if (is_over || json_array_size(c->lines) >= LINES_AT_ONCE) {
        json_t *lines = c->lines;
        c->lines = json_array();
        c->send(c->arg, lines, is_over);
    }
    if (is_over)
        free_all(c);
    else
        (void)c->steps[c->at].start(c->client, &c->steps[c->at], c);
}

struct checkup *checkup_new(struct event_base *base, struct aws_client *client, const char *role,
                            checkup_send_fn *send, void *arg)
{
    struct checkup *c = xcalloc(1, sizeof(*c));
    c->client = client;
    c->role = role;
    c->lines = json_array();
    c->next = evtimer_new(base, on_next, c);
    assert(c->next);
    c->send = send;
    c->arg = arg;
    return c;
}

void checkup_add(struct checkup *c, const struct checkup_step *step)
{
    c->steps = xrealloc(c->steps, (c->count + 1) * sizeof(*c->steps));
    struct checkup_step *own = &c->steps[c->count++];
    *own = *step;
    own->what = xstrdup(step->what);
    own->key = xstrdup(step->key);
    own->name = xstrdup(step->name);
    own->detail = step->detail ? xstrdup(step->detail) : NULL;
}

static void add_line(struct checkup *c, const char *what, const char *action, bool ok,
                     const char *text)
{
    char *cut = xasprintf("%.*s", TEXT_BYTES_MAX, text);
    json_t *line = json_pack("{s:s, s:s, s:b, s:s}", "object", what, "action", action, "ok",
                             (int)ok, "text", cut);
    /* Only what a server said may be no UTF-8, or be cut inside a character. */
    if (!line)
        line = json_pack("{s:s, s:s, s:b, s:s}", "object", what, "action", action, "ok", (int)ok,
                         "text", "refused with a text that is not UTF-8");
    if (line)
        json_array_append_new(c->lines, line);
    free(cut);
}

void checkup_note(struct checkup *c, const char *what, bool ok, const char *text)
{
    add_line(c, what, "", ok, text);
}

void checkup_run(struct checkup *c)
{
    const struct timeval now = {0};
    evtimer_add(c->next, &now);
}

void checkup_answer(struct checkup *c, const struct aws_reply *reply)
{
    const struct checkup_step *s = &c->steps[c->at++];
    if (reply->class == AWS_OK || (s->good & CHECKUP_GOOD(reply->class)) != 0) {
        add_line(c, s->what, s->action, true, "ok");
    } else {
        const struct obstacle_object object = {s->what, s->key, c->role, s->endpoint->region};
        char *text = obstacle_text(&object, s->action, reply);
        add_line(c, s->what, s->action, false, text);
        free(text);
    }
    checkup_run(c);
}
