#include "workers/http_linger.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

#define AT_ONCE 64
#define SILENT_MS 2000
#define LONGEST_MS 30000
#define PART_BYTES 65536

struct one {
    LIST_ENTRY(one) link;
    struct http_linger *linger; /* borrowed: owns us */
    int fd;                     /* own: a duplicate */
    struct event *event;        /* own */
    int64_t until_ms;
};

struct http_linger {
    struct event_base *base; /* borrowed: the process's loop */
    LIST_HEAD(, one) list;
    size_t count;
};

static const struct timeval silence = {.tv_sec = SILENT_MS / 1000};

static void end(struct one *o)
{
    LIST_REMOVE(o, link);
    o->linger->count--;
    event_free(o->event);
    close(o->fd);
    free(o);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct one *o = arg;
    char part[PART_BYTES];
    ssize_t n = what & EV_READ ? recv((int)fd, part, sizeof(part), MSG_DONTWAIT) : 0;
    bool more = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    if (!more || clock_mono_ms() >= o->until_ms)
        end(o);
    else
        event_add(o->event, &silence);
}

struct http_linger *http_linger_new(struct event_base *base)
{
    struct http_linger *l = xcalloc(1, sizeof(*l));
    l->base = base;
    LIST_INIT(&l->list);
    return l;
}

void http_linger_free(struct http_linger *l)
{
    if (!l)
        return;
    struct one *next = NULL;
    for (struct one *o = LIST_FIRST(&l->list); o; o = next) {
        next = LIST_NEXT(o, link);
        end(o);
    }
    free(l);
}

void http_linger_add(struct http_linger *l, int fd)
{
    if (l->count >= AT_ONCE)
        return;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return;
    struct one *o = xcalloc(1, sizeof(*o));
    o->linger = l;
    o->fd = copy;
    o->until_ms = clock_mono_ms() + LONGEST_MS;
    o->event = event_new(l->base, copy, EV_READ, on_event, o);
    if (!o->event || event_add(o->event, &silence) != 0) {
        if (o->event)
            event_free(o->event);
        close(copy);
        free(o);
        return;
    }
    LIST_INSERT_HEAD(&l->list, o, link);
    l->count++;
}
