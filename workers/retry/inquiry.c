#include "workers/retry/inquiry.h"

#include <assert.h>
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

#define ANSWER_MAX_BYTES ((size_t)8 * 1024 * 1024)

struct inquiry {
    struct bufferevent *stream; /* own; NULL where there was no connection */
    struct event *late;         /* own: the end of its time, or the failure that it began with */
    const char *why;            /* static; what the timer then means */
    inquiry_cb *done;
    void *arg;
};

void inquiry_cancel(struct inquiry *q)
{
    if (q->stream)
        bufferevent_free(q->stream);
    event_free(q->late);
    free(q);
}

static void finish(struct inquiry *q, const json_t *answer, const char *why)
{
    inquiry_cb *done = q->done;
    void *arg = q->arg;
    inquiry_cancel(q);
    done(arg, answer, why);
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

static void on_data(struct bufferevent *stream, void *arg)
{
    struct inquiry *q = arg;
    struct evbuffer *in = bufferevent_get_input(stream);
    size_t len;
    char *line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
    if (!line) {
        if (evbuffer_get_length(in) > ANSWER_MAX_BYTES)
            finish(q, NULL, "the supervisor's answer is too long");
        return;
    }
    json_t *answer = json_loadb(line, len, 0, NULL);
    free(line);
    bool ok = json_is_true(json_object_get(answer, "ok"));
    finish(q, ok ? answer : NULL, ok ? "" : "the supervisor's answer is not understood");
    json_decref(answer);
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
    struct inquiry *q = arg;
    finish(q, NULL, q->why);
}

struct inquiry *inquiry_start(struct event_base *base, const char *control_path, inquiry_cb *done,
                              void *arg)
{
    static const char question[] = "{\"cmd\":\"health\"}\n";
    struct inquiry *q = xcalloc(1, sizeof(*q));
    q->done = done;
    q->arg = arg;
    q->late = event_new(base, -1, 0, on_late, q);
    assert(q->late);
    struct timeval in = {0};
    int fd = connect_to(control_path);
    if (fd < 0) {
        q->why = "the supervisor takes no connection";
    } else {
        q->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
        assert(q->stream);
        bufferevent_setcb(q->stream, on_data, NULL, on_event, q);
        bufferevent_enable(q->stream, EV_READ | EV_WRITE);
        bufferevent_write(q->stream, question, sizeof(question) - 1);
        in.tv_sec = INQUIRY_MS / 1000;
        q->why = "the supervisor did not answer in time";
    }
    event_add(q->late, &in);
    return q;
}
