#include "common/ipc/channel.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ipc/message.h"

/* One end is a channel, the other the bare socket, or a second channel. */
struct seen {
    struct channel *channel; /* freed in closed() where free_in_closed says so */
    bool free_in_closed;
    bool free_in_message;
    int messages;
    int last_n;
    char last_kind[32];
    int fd;
    int closed;
    char why[200];
};

static struct event_base *base;
static int fds[2];

static void on_message(void *arg, const json_t *msg, int fd)
{
    struct seen *s = arg;
    s->messages++;
    s->last_n = (int)json_integer_value(json_object_get(msg, "n"));
    snprintf(s->last_kind, sizeof(s->last_kind), "%s", message_kind(msg));
    if (s->fd >= 0)
        close(s->fd);
    s->fd = fd;
    if (s->free_in_message) {
        channel_free(s->channel);
        s->channel = NULL;
    }
}

static void on_closed(void *arg, const char *why)
{
    struct seen *s = arg;
    s->closed++;
    snprintf(s->why, sizeof(s->why), "%s", why);
    if (s->free_in_closed) {
        channel_free(s->channel);
        s->channel = NULL;
    }
}

static const struct channel_callbacks callbacks = {on_message, on_closed};

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    return base ? channel_pair(fds) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    event_base_free(base);
    return 0;
}

static void turn(void)
{
    for (int i = 0; i < 4000; i++)
        if (event_base_loop(base, EVLOOP_NONBLOCK) != 0)
            return;
}

static json_t *numbered(const char *kind, int n)
{
    json_t *msg = message_new(kind);
    json_object_set_new(msg, "n", json_integer(n));
    return msg;
}

static struct seen nothing_yet(void)
{
    return (struct seen){.fd = -1};
}

static void pair_is_packets(void **state)
{
    (void)state;
    int type;
    socklen_t len = sizeof(type);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(getsockopt(fds[i], SOL_SOCKET, SO_TYPE, &type, &len), 0);
        assert_int_equal(type, SOCK_SEQPACKET);
        assert_int_equal(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(fcntl(fds[i], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        close(fds[i]);
    }
}

static void messages_go_both_ways_in_order(void **state)
{
    (void)state;
    struct seen a = nothing_yet(), b = nothing_yet();
    a.channel = channel_new(base, fds[0], &callbacks, &a);
    b.channel = channel_new(base, fds[1], &callbacks, &b);
    for (int i = 1; i <= 3; i++)
        channel_send(a.channel, numbered("ping", i), -1);
    channel_send(b.channel, numbered("pong", 9), -1);
    assert_int_equal(b.messages, 0);
    turn();
    assert_int_equal(b.messages, 3);
    assert_int_equal(b.last_n, 3);
    assert_string_equal(b.last_kind, "ping");
    assert_int_equal(a.messages, 1);
    assert_string_equal(a.last_kind, "pong");
    channel_free(a.channel);
    turn();
    assert_int_equal(b.closed, 1);
    assert_string_equal(b.why, "the other end closed it");
    channel_free(b.channel);
}

static void descriptors_come_along(void **state)
{
    (void)state;
    struct seen a = nothing_yet(), b = nothing_yet();
    a.channel = channel_new(base, fds[0], &callbacks, &a);
    b.channel = channel_new(base, fds[1], &callbacks, &b);
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    channel_send(a.channel, numbered("settle", 1), pipe_fds[1]);
    close(pipe_fds[1]);
    turn();
    assert_int_equal(b.messages, 1);
    assert_true(b.fd >= 0);
    assert_int_equal(fcntl(b.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(write(b.fd, "x", 1), 1);
    char byte;
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    close(b.fd);
    close(pipe_fds[0]);
    channel_free(a.channel);
    channel_free(b.channel);
}

static void the_rest_goes_when_there_is_room(void **state)
{
    (void)state;
    struct seen a = nothing_yet(), b = nothing_yet();
    a.channel = channel_new(base, fds[0], &callbacks, &a);
    for (int i = 1; i <= 900; i++)
        channel_send(a.channel, numbered("material", i), -1);
    b.channel = channel_new(base, fds[1], &callbacks, &b);
    turn();
    assert_int_equal(a.closed, 0);
    assert_int_equal(b.messages, 900);
    assert_int_equal(b.last_n, 900);
    channel_free(a.channel);
    channel_free(b.channel);
}

/* Fills the socket so that whatever follows has to wait. */
static int fill(struct channel *c)
{
    int sent = 0, size = 4096;
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    for (; sent < 100; sent++)
        channel_send(c, numbered("fill", sent), -1);
    return sent;
}

static void only_the_newest_beat_waits(void **state)
{
    (void)state;
    struct seen a = nothing_yet(), b = nothing_yet();
    a.channel = channel_new(base, fds[0], &callbacks, &a);
    int sent = fill(a.channel);
    for (int i = 0; i < 5000; i++)
        channel_send_latest(a.channel, numbered("beat", i));
    channel_send(a.channel, numbered("last", 77), -1);
    b.channel = channel_new(base, fds[1], &callbacks, &b);
    turn();
    assert_int_equal(b.messages, sent + 2);
    assert_string_equal(b.last_kind, "last");
    assert_int_equal(a.closed, 0);
    channel_free(a.channel);
    channel_free(b.channel);
}

static void a_stuck_reader_is_given_up(void **state)
{
    (void)state;
    struct seen a = nothing_yet();
    a.free_in_closed = true;
    a.channel = channel_new(base, fds[0], &callbacks, &a);
    for (int i = 0; i < 3000; i++)
        channel_send(a.channel, numbered("material", i), -1);
    assert_int_equal(a.closed, 0); /* never from inside the call */
    turn();
    assert_int_equal(a.closed, 1);
    assert_memory_equal(a.why, "reader is stuck", 15);
    assert_null(a.channel);
    close(fds[1]);
}

static void what_was_sent_before_the_end_is_read(void **state)
{
    (void)state;
    struct seen a = nothing_yet();
    a.channel = channel_new(base, fds[0], &callbacks, &a);
    channel_send(a.channel, numbered("unread", 1), -1); /* makes the close a reset */
    assert_true(write(fds[1], "{\"t\":\"one\"}", 11) == 11);
    assert_true(write(fds[1], "{\"t\":\"two\"}", 11) == 11);
    close(fds[1]);
    channel_send(a.channel, numbered("more", 2), -1);
    channel_send_latest(a.channel, numbered("beat", 3));
    turn();
    assert_int_equal(a.messages, 2);
    assert_string_equal(a.last_kind, "two");
    assert_int_equal(a.closed, 1);
    assert_string_equal(a.why, "the other end closed it");
    channel_send(a.channel, numbered("late", 4), -1);
    turn();
    assert_int_equal(a.closed, 1);
    channel_free(a.channel);
}

static void may_be_freed_in_a_message(void **state)
{
    (void)state;
    struct seen a = nothing_yet();
    a.free_in_message = true;
    a.channel = channel_new(base, fds[0], &callbacks, &a);
    assert_true(write(fds[1], "{\"t\":\"one\"}", 11) == 11);
    assert_true(write(fds[1], "{\"t\":\"two\"}", 11) == 11);
    turn();
    assert_int_equal(a.messages, 1);
    assert_int_equal(a.closed, 0);
    close(fds[1]);
}

static void breaks_with(const void *packet, size_t len, const char *why)
{
    struct seen a = nothing_yet();
    int pair[2];
    assert_int_equal(channel_pair(pair), 0);
    a.channel = channel_new(base, pair[0], &callbacks, &a);
    assert_int_equal(write(pair[1], packet, len), (ssize_t)len);
    assert_true(write(pair[1], "{\"t\":\"after\"}", 13) == 13);
    turn();
    assert_int_equal(a.messages, 0);
    assert_int_equal(a.closed, 1);
    assert_non_null(strstr(a.why, why));
    channel_free(a.channel);
    close(pair[1]);
}

static void broken_packets_end_it(void **state)
{
    (void)state;
    close(fds[0]);
    close(fds[1]);
    breaks_with("garbage", 7, "protocol error: a packet is not JSON");
    breaks_with("{\"t\":1,\"t\":2}", 13, "protocol error: a packet is not JSON");
    breaks_with("[1]", 3, "protocol error: a packet is not a JSON object");
    static char big[CHANNEL_PACKET_BYTES + 1];
    memset(big, ' ', sizeof(big));
    memcpy(big, "{}", 2);
    breaks_with(big, sizeof(big), "protocol error: a packet over 16384 bytes");
}

static void the_largest_packet_passes(void **state)
{
    (void)state;
    struct seen a = nothing_yet(), b = nothing_yet();
    a.channel = channel_new(base, fds[0], &callbacks, &a);
    b.channel = channel_new(base, fds[1], &callbacks, &b);
    static char text[CHANNEL_PACKET_BYTES];
    size_t frame = strlen("{\"t\":\"x\",\"p\":\"\"}");
    memset(text, 'a', CHANNEL_PACKET_BYTES - frame);
    json_t *msg = message_new("x");
    json_object_set_new(msg, "p", json_string(text));
    channel_send(a.channel, msg, -1);
    turn();
    assert_int_equal(b.messages, 1);
    channel_free(a.channel);
    channel_free(b.channel);
}

static size_t open_fds(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void too_many_descriptors_end_it_and_none_leaks(void **state)
{
    (void)state;
    struct seen a = nothing_yet();
    a.channel = channel_new(base, fds[0], &callbacks, &a);
    size_t before = open_fds();
    int three[3] = {0, 1, 2};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(three))];
    } control = {0};
    struct iovec part = {.iov_base = "{}", .iov_len = 2};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(three));
    memcpy(CMSG_DATA(cmsg), three, sizeof(three));
    assert_int_equal(sendmsg(fds[1], &header, 0), 2);
    turn();
    assert_int_equal(a.messages, 0);
    assert_int_equal(a.closed, 1);
    assert_int_equal(open_fds(), before);
    channel_free(a.channel);
    close(fds[1]);
}

static void waiting_descriptors_are_closed_with_it(void **state)
{
    (void)state;
    struct seen a = nothing_yet();
    a.channel = channel_new(base, fds[0], &callbacks, &a);
    fill(a.channel);
    size_t before = open_fds();
    for (int i = 0; i < 5; i++)
        channel_send(a.channel, numbered("settle", i), 0);
    assert_int_equal(open_fds(), before + 5);
    channel_free(a.channel);
    assert_int_equal(open_fds(), before - 1);
    channel_free(NULL);
    close(fds[1]);
}

static void kinds(void **state)
{
    (void)state;
    close(fds[0]);
    close(fds[1]);
    json_t *msg = message_new("hello");
    assert_string_equal(message_kind(msg), "hello");
    json_object_set_new(msg, "t", json_integer(1));
    assert_string_equal(message_kind(msg), "");
    json_object_del(msg, "t");
    assert_string_equal(message_kind(msg), "");
    assert_string_equal(message_kind(NULL), "");
    json_decref(msg);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pair_is_packets),
        TEST(messages_go_both_ways_in_order),
        TEST(descriptors_come_along),
        TEST(the_rest_goes_when_there_is_room),
        TEST(only_the_newest_beat_waits),
        TEST(a_stuck_reader_is_given_up),
        TEST(what_was_sent_before_the_end_is_read),
        TEST(may_be_freed_in_a_message),
        TEST(broken_packets_end_it),
        TEST(the_largest_packet_passes),
        TEST(too_many_descriptors_end_it_and_none_leaks),
        TEST(waiting_descriptors_are_closed_with_it),
        TEST(kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
