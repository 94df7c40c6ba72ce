#include "workers/retry/scrape.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/unix_socket.h"
#include "common/base/xalloc.h"
#include "workers/metrics.h"

#define ANSWER_MAX_BYTES ((size_t)8 * 1024 * 1024)

struct scrape {
    struct bufferevent *stream; /* own; NULL where there was no connection */
    struct event *late;         /* own: the end of its time, or the failure that it began with */
    const char *why;            /* static; what the timer then means */
    scrape_cb *done;
    void *arg;
};

void scrape_cancel(struct scrape *s)
{
    if (s->stream)
        bufferevent_free(s->stream);
    event_free(s->late);
    free(s);
}

static void finish(struct scrape *s, const char *text, const char *why)
{
    scrape_cb *done = s->done;
    void *arg = s->arg;
    scrape_cancel(s);
    done(arg, text, why);
}

/* Not blocking, not even where the supervisor accepts nothing: the backlog may be full. */
static int connect_to(const char *path)
{
    int dir_fd = -1;
    char *fits = unix_socket_short_path(path, &dir_fd);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = -1;
    if (fits && strlen(fits) < sizeof(to.sun_path)) {
        memcpy(to.sun_path, fits, strlen(fits));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        close(fd);
        fd = -1;
    }
    if (dir_fd >= 0)
        close(dir_fd);
    free(fits);
    return fd;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static char *as_metrics(const json_t *answer)
{
    struct metrics *m = metrics_new();
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(answer, "workers"), i, one)
    {
        const struct metrics_worker w = {
            .name = text_of(one, "name"),
            .role = text_of(one, "role"),
            .up = strcmp(text_of(one, "state"), "UP") == 0,
            .healthy = json_is_true(json_object_get(one, "healthy")),
            .restarts = json_integer_value(json_object_get(one, "restarts")),
            .account = json_object_get(one, "beat"),
        };
        metrics_add_worker(m, &w);
    }
    char *text = metrics_text(m);
    metrics_free(m);
    return text;
}

static void on_data(struct bufferevent *stream, void *arg)
{
    struct scrape *s = arg;
    struct evbuffer *in = bufferevent_get_input(stream);
    size_t len;
    char *line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
    if (!line) {
        if (evbuffer_get_length(in) > ANSWER_MAX_BYTES)
            finish(s, NULL, "the supervisor's answer is too long");
        return;
    }
    json_t *answer = json_loadb(line, len, 0, NULL);
    free(line);
    char *text = json_is_true(json_object_get(answer, "ok")) ? as_metrics(answer) : NULL;
    json_decref(answer);
    finish(s, text, text ? "" : "the supervisor's answer is not understood");
    free(text);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        finish(arg, NULL, "the supervisor closed the connection");
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct scrape *s = arg;
    finish(s, NULL, s->why);
}

struct scrape *scrape_start(struct event_base *base, const char *control_path, scrape_cb *done,
                            void *arg)
{
    static const char question[] = "{\"cmd\":\"health\"}\n";
    struct scrape *s = xcalloc(1, sizeof(*s));
    s->done = done;
    s->arg = arg;
    s->late = event_new(base, -1, 0, on_late, s);
    assert(s->late);
    struct timeval in = {0};
    int fd = connect_to(control_path);
    if (fd < 0) {
        s->why = "the supervisor takes no connection";
    } else {
        s->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
        assert(s->stream);
        bufferevent_setcb(s->stream, on_data, NULL, on_event, s);
        bufferevent_enable(s->stream, EV_READ | EV_WRITE);
        bufferevent_write(s->stream, question, sizeof(question) - 1);
        in.tv_sec = SCRAPE_MS / 1000;
        s->why = "the supervisor did not answer in time";
    }
    event_add(s->late, &in);
    return s;
}
