#include "common/ipc/channel.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/xalloc.h"
#include "common/ipc/message.h"

#define QUEUE_MAX 1024
#define WHY_BYTES 160

struct packet {
    TAILQ_ENTRY(packet) link;
    char *text; /* own */
    size_t len;
    int fd;     /* own, or -1 */
    char *kind; /* own */
};
TAILQ_HEAD(packets, packet);

struct channel {
    int fd;                                    /* own */
    const struct channel_callbacks *callbacks; /* borrowed: outlives us by contract */
    void *arg;
    struct event *readable; /* own */
    struct event *writable; /* own; pending while packets wait */
    struct event *closing;  /* own; made active to report `why` from the loop */
    struct packets waiting; /* own */
    size_t waiting_count;
    bool deaf;   /* the other end takes nothing more: what it sent before is still read */
    bool failed; /* closing is active, or closed() has run: nothing is read or sent */
    char why[WHY_BYTES];
};

int channel_pair(int fds_out[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds_out);
}

static void packet_free(struct packet *p)
{
    if (p->fd >= 0)
        close(p->fd);
    free(p->kind);
    explicit_bzero(p->text, p->len); /* may be a key */
    free(p->text);
    free(p);
}

static void drop_waiting(struct channel *c)
{
    struct packet *p;
    while ((p = TAILQ_FIRST(&c->waiting))) {
        TAILQ_REMOVE(&c->waiting, p, link);
        packet_free(p);
    }
    c->waiting_count = 0;
}

/* Ends the conversation; closed() runs from the loop, never from inside the caller's call. */
__attribute__((format(printf, 2, 3))) static void fail(struct channel *c, const char *format, ...)
{
    if (c->failed)
        return;
    c->failed = true;
    va_list ap;
    va_start(ap, format);
    vsnprintf(c->why, sizeof(c->why), format, ap);
    va_end(ap);
    event_del(c->readable);
    event_del(c->writable);
    drop_waiting(c);
    event_active(c->closing, 0, 0);
}

static void on_closing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct channel *c = arg;
    c->callbacks->closed(c->arg, c->why); /* last: c may be freed in there */
}

/* Takes the descriptors out of a received header: at most one is allowed. 0, or -1 where there were
 * more, which are then closed. */
static int take_fd(struct msghdr *header, int *fd_out)
{
    int kept = -1;
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < fds; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (count++ == 0)
                kept = fd;
            else
                close(fd);
        }
    }
    if (count > 1 || header->msg_flags & MSG_CTRUNC) {
        if (kept >= 0)
            close(kept);
        return -1;
    }
    *fd_out = kept;
    return 0;
}

/* One packet as it came: its length, 0 at the end, -1 with errno. broken_out: it was cut, or
 * carried more than one descriptor. */
static ssize_t receive(struct channel *c, char text[CHANNEL_PACKET_BYTES], int *fd_out,
                       bool *broken_out)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = text, .iov_len = CHANNEL_PACKET_BYTES};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    *fd_out = -1;
    *broken_out = false;
    ssize_t n = recvmsg(c->fd, &header, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return n;
    *broken_out = take_fd(&header, fd_out) || header.msg_flags & MSG_TRUNC;
    return n;
}

/* One packet a call: the loop stays fair, and the callback is the last thing that touches c. */
static void on_readable(evutil_socket_t socket, short what, void *arg)
{
    (void)socket;
    (void)what;
    struct channel *c = arg;
    char text[CHANNEL_PACKET_BYTES];
    int fd;
    bool broken;
    ssize_t n = receive(c, text, &fd, &broken);
    /* ECONNRESET comes once where the other end went away with unread packets; what it sent before
     * is still there and is read next. */
    if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
        return;
    if (n < 0) {
        fail(c, "reading failed: %s", strerror(errno));
        return;
    }
    json_error_t error;
    json_t *msg = NULL;
    if (n == 0)
        fail(c, "the other end closed it");
    else if (broken)
        fail(c, "protocol error: a packet over %d bytes or with more than one descriptor",
             CHANNEL_PACKET_BYTES);
    else if (!(msg = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &error)))
        fail(c, "protocol error: a packet is not JSON (%s)", error.text);
    else if (!json_is_object(msg))
        fail(c, "protocol error: a packet is not a JSON object");
    if (c->failed) {
        if (fd >= 0)
            close(fd);
        json_decref(msg);
        return;
    }
    c->callbacks->message(c->arg, msg, fd);
    json_decref(msg);
}

static ssize_t transmit(struct channel *c, const struct packet *p)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = p->text, .iov_len = p->len};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (p->fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &p->fd, sizeof(int));
    }
    return sendmsg(c->fd, &header, MSG_NOSIGNAL);
}

static void flush(struct channel *c)
{
    struct packet *p;
    while ((p = TAILQ_FIRST(&c->waiting))) {
        if (transmit(c, p) < 0) {
            if (errno == EINTR)
                continue;
            break;
        }
        TAILQ_REMOVE(&c->waiting, p, link);
        c->waiting_count--;
        packet_free(p);
    }
    if (!p) {
        event_del(c->writable);
    } else if (errno == EAGAIN) {
        event_add(c->writable, NULL);
    } else if (errno == EPIPE || errno == ECONNRESET) {
        c->deaf = true;
        event_del(c->writable);
        drop_waiting(c);
    } else {
        fail(c, "writing failed: %s", strerror(errno));
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush(arg);
}

struct channel *channel_new(struct event_base *base, int fd,
                            const struct channel_callbacks *callbacks, void *arg)
{
    struct channel *c = xcalloc(1, sizeof(*c));
    c->fd = fd;
    c->callbacks = callbacks;
    c->arg = arg;
    TAILQ_INIT(&c->waiting);
    c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    c->closing = event_new(base, -1, 0, on_closing, c);
    assert(c->readable && c->writable && c->closing);
    evutil_make_socket_nonblocking(fd);
    event_add(c->readable, NULL);
    return c;
}

void channel_free(struct channel *c)
{
    if (!c)
        return;
    event_free(c->readable);
    event_free(c->writable);
    event_free(c->closing);
    drop_waiting(c);
    close(c->fd);
    free(c);
}

static struct packet *packet_new(const json_t *msg)
{
    struct packet *p = xcalloc(1, sizeof(*p));
    p->text = json_dumps(msg, JSON_COMPACT);
    assert(p->text);
    p->len = strlen(p->text);
    assert(p->len <= CHANNEL_PACKET_BYTES);
    p->fd = -1;
    p->kind = xstrdup(message_kind(msg));
    return p;
}

static void enqueue(struct channel *c, struct packet *p)
{
    TAILQ_INSERT_TAIL(&c->waiting, p, link);
    c->waiting_count++;
    if (c->waiting_count > QUEUE_MAX)
        fail(c, "reader is stuck: %d packets wait for it", QUEUE_MAX);
    else if (c->waiting_count == 1)
        flush(c);
}

void channel_send(struct channel *c, json_t *msg, int fd)
{
    struct packet *p = packet_new(msg);
    json_decref(msg);
    if (c->failed || c->deaf) {
        packet_free(p);
        return;
    }
    if (fd >= 0) {
        p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (p->fd < 0) {
            packet_free(p);
            fail(c, "a descriptor could not be duplicated: %s", strerror(errno));
            return;
        }
    }
    enqueue(c, p);
}

void channel_send_latest(struct channel *c, json_t *msg)
{
    struct packet *p = packet_new(msg);
    json_decref(msg);
    if (c->failed || c->deaf) {
        packet_free(p);
        return;
    }
    struct packet *old;
    TAILQ_FOREACH(old, &c->waiting, link)
    {
        if (strcmp(old->kind, p->kind) == 0) {
            TAILQ_INSERT_AFTER(&c->waiting, old, p, link);
            TAILQ_REMOVE(&c->waiting, old, link);
            packet_free(old);
            return;
        }
    }
    enqueue(c, p);
}
