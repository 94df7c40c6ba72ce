#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/aws/material.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/fdio.h"
#include "common/base/log.h"
#include "common/base/unix_socket.h"
#include "common/base/xalloc.h"
#include "common/ipc/message.h"
#include "workers/worker.h"

/* The skeleton with a role of the test's own, in a child process; the test is its supervisor. */

#define PATIENCE_MS 10000

/* ---- the child's role ---- */

struct role {
    struct worker *worker;
    struct event *later;
    json_int_t messages;
};

static char behaviour[16]; /* of the next child */

static bool is(const char *word)
{
    return strcmp(behaviour, word) == 0;
}

static void *role_start(struct worker *w)
{
    if (is("fails"))
        return NULL;
    struct role *r = xcalloc(1, sizeof(*r));
    r->worker = w;
    assert_int_equal(json_integer_value(json_object_get(worker_conf(w), "mine")), 42);
    assert_int_equal(worker_listener_count(w), 1);
    assert_string_equal(worker_listener_at(w, 0).address, "127.0.0.1:1");
    if (!is("slow"))
        worker_ready(w);
    if (is("troubled"))
        worker_trouble(w, "destination \"%s\": %d", "d", 7);
    return r;
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    worker_drained(((struct role *)arg)->worker);
}

static void role_drain(void *state, int64_t deadline_mono_ms)
{
    struct role *r = state;
    json_t *note = message_new("test-drain");
    json_object_set_new(note, "left_ms", json_integer(deadline_mono_ms - clock_mono_ms()));
    worker_send(r->worker, note);
    if (is("never"))
        return;
    r->later = event_new(worker_base(r->worker), -1, 0, on_later, r);
    struct timeval soon = {.tv_usec = 50000};
    event_add(r->later, &soon);
}

static void role_beat(void *state, json_t *beat)
{
    const struct role *r = state;
    struct rlimit core;
    struct sigaction interrupt;
    getrlimit(RLIMIT_CORE, &core);
    sigaction(SIGINT, NULL, &interrupt);
    mode_t mask = umask(0);
    umask(mask);
    json_object_set_new(beat, "in_flight", json_integer(3));
    json_object_set_new(
        beat, "counters",
        json_pack("{s:I,s:I,s:i,s:i,s:i,s:i,s:i}", "messages", r->messages, "core",
                  (json_int_t)core.rlim_cur, "int_ignored", interrupt.sa_handler == SIG_IGN, "mask",
                  (int)mask, "fault", (int)fault_point("test.point"), "has_key",
                  material_signing_key(worker_material(r->worker), "embedded", "local", "sqs",
                                       "20260101") != NULL,
                  "channel_cloexec", (fcntl(WORKER_FD_CHANNEL, F_GETFD) & FD_CLOEXEC) != 0));
    if (!is("waiting"))
        return;
    json_t *waiting = json_array();
    char text[1000];
    memset(text, 'x', sizeof(text));
    memcpy(text + 318, "\xe2\x82\xac", 3); /* a character across the cut */
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 100; i++)
        json_array_append_new(waiting, json_string(text));
    json_object_set_new(beat, "waiting", waiting);
}

static bool role_healthy(void *state, char *reason, size_t reason_size)
{
    (void)state;
    snprintf(reason, reason_size, "%s", is("sick") ? "queue \"q\" is away" : "");
    return !is("sick");
}

static void role_message(void *state, const json_t *msg)
{
    struct role *r = state;
    (void)msg;
    r->messages++;
}

static const struct worker_role role = {.name = "ingest",
                                        .start = role_start,
                                        .drain = role_drain,
                                        .beat = role_beat,
                                        .healthy = role_healthy,
                                        .message = role_message};

/* ---- the supervisor's side ---- */

struct child {
    pid_t pid;
    int channel;
    char dir[64];
    char health[96];
    char log[96];
};

static int free_fd(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 40);
}

/* In the child: puts the descriptors where message.h says. */
static void run(int channel, int snapshot, int health)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fds[] = {free_fd(channel), free_fd(snapshot), free_fd(null), free_fd(health),
                 free_fd(null)};
    for (int i = 0; i < 5; i++)
        dup2(fds[i], WORKER_FD_CHANNEL + i);
    for (int i = 8; i < 64; i++)
        close(i);
    char *argv[] = {(char *)(uintptr_t) "sluice-test", NULL};
    exit(worker_main(1, argv, &role));
}

static struct child begin(const char *how)
{
    struct child c = {.dir = "/tmp/worker_test.XXXXXX"};
    int pair[2];
    assert_non_null(mkdtemp(c.dir));
    snprintf(c.health, sizeof(c.health), "%s/h.sock", c.dir);
    snprintf(c.log, sizeof(c.log), "%s/log", c.dir);
    snprintf(behaviour, sizeof(behaviour), "%s", how);
    int health = unix_socket_listen(c.health, 0600);
    assert_true(health >= 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    char *text = xasprintf(
        "{\"process\":{\"role\":\"ingest\",\"slot\":0,\"name\":\"ingest\",\"generation\":4,"
        "\"supervisor_pid\":1,\"lock_fd\":-1,\"listeners\":[{\"fd\":7,\"address\":\"127.0.0.1:1\"}]"
        "},\"conf\":{\"mine\":42,\"drain_s\":%d,\"log\":{\"file\":\"%s\",\"format\":\"text\","
        "\"level\":\"info\"}}}",
        strcmp(how, "never") == 0 ? 1 : 9, c.log);
    int snapshot = fdio_sealed_memfd("snapshot", text, strlen(text));
    assert_true(snapshot >= 0);
    free(text);
    c.pid = fork();
    if (c.pid == 0)
        run(pair[1], snapshot, health);
    close(pair[1]);
    close(snapshot);
    close(health);
    c.channel = pair[0];
    return c;
}

static json_t *receive(const struct child *c)
{
    char packet[20000];
    struct pollfd readable = {.fd = c->channel, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
    ssize_t n = recv(c->channel, packet, sizeof(packet), 0);
    return n > 0 ? json_loadb(packet, (size_t)n, 0, NULL) : NULL;
}

/* The next message of that kind; beats in between are passed over. */
static json_t *expect(const struct child *c, const char *kind)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (clock_mono_ms() < until) {
        json_t *msg = receive(c);
        if (!msg)
            break;
        if (strcmp(message_kind(msg), kind) == 0)
            return msg;
        json_decref(msg);
    }
    fail_msg("no %s came", kind);
    return NULL;
}

static void drop(const struct child *c, const char *kind)
{
    json_decref(expect(c, kind));
}

static void tell(const struct child *c, const char *text)
{
    assert_int_equal(send(c->channel, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Exit status, or 1000 + signal. */
static int finish(struct child *c)
{
    int status = 0;
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (waitpid(c->pid, &status, WNOHANG) == 0) {
        if (clock_mono_ms() > until) {
            kill(c->pid, SIGKILL);
            fail_msg("the worker did not end");
        }
        poll(NULL, 0, 2);
    }
    close(c->channel);
    unlink(c->health);
    unlink(c->log);
    char *rotated = xasprintf("%s.1", c->log);
    unlink(rotated);
    free(rotated);
    rmdir(c->dir);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static json_int_t counter(const json_t *beat, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(beat, "counters"), name));
}

static void hello_ready_beat_pong(void **state)
{
    (void)state;
    struct child c = begin("plain");
    json_t *hello = receive(&c);
    assert_string_equal(message_kind(hello), "hello");
    assert_int_equal(json_integer_value(json_object_get(hello, "proto")), MESSAGE_PROTO);
    assert_string_equal(json_string_value(json_object_get(hello, "role")), "ingest");
    assert_int_equal(json_integer_value(json_object_get(hello, "pid")), c.pid);
    assert_int_equal(json_integer_value(json_object_get(hello, "generation")), 4);
    json_decref(hello);
    drop(&c, "ready");
    tell(&c, "{\"t\":\"ping\",\"seq\":77}");
    json_t *pong = expect(&c, "pong");
    assert_int_equal(json_integer_value(json_object_get(pong, "seq")), 77);
    json_decref(pong);
    json_t *beat = expect(&c, "beat");
    assert_string_equal(json_string_value(json_object_get(beat, "state")), "ready");
    assert_int_equal(json_integer_value(json_object_get(beat, "in_flight")), 3);
    assert_true(json_is_object(json_object_get(beat, "gauges")));
    assert_true(json_is_array(json_object_get(beat, "waiting")));
    assert_string_equal(json_string_value(json_object_get(beat, "last_error")), "");
    assert_int_equal(counter(beat, "core"), 0);
    assert_int_equal(counter(beat, "int_ignored"), 1);
    assert_int_equal(counter(beat, "mask"), 027);
    assert_int_equal(counter(beat, "channel_cloexec"), 1);
    json_decref(beat);
    kill(c.pid, SIGINT);
    kill(c.pid, SIGPIPE);
    drop(&c, "beat");
    tell(&c, "{\"t\":\"drain\",\"deadline_ms\":5000}");
    json_t *note = expect(&c, "test-drain");
    assert_in_range(json_integer_value(json_object_get(note, "left_ms")), 1000, 5000);
    json_decref(note);
    assert_int_equal(finish(&c), 0);
}

static void material_and_other_messages(void **state)
{
    (void)state;
    struct child c = begin("plain");
    drop(&c, "ready");
    tell(&c,
         "{\"t\":\"material\",\"kind\":\"sigv4\",\"identity\":\"embedded\",\"region\":\"local\","
         "\"service\":\"sqs\",\"date\":\"20260101\",\"access_key_id\":\"SLUICEABCDEFGHIJKLMN\","
         "\"key\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
         "\"token\":\"\",\"version\":1}");
    tell(&c, "{\"t\":\"material\",\"kind\":\"sigv4\"}"); /* malformed: left out */
    tell(&c, "{\"t\":\"something else\"}");
    tell(&c, "{\"no kind\":1}");
    for (;;) {
        json_t *beat = expect(&c, "beat");
        json_int_t messages = counter(beat, "messages");
        json_int_t has_key = counter(beat, "has_key");
        json_decref(beat);
        if (messages == 2 && has_key == 1)
            break;
        assert_true(messages < 2);
    }
    close(c.channel);
    assert_int_equal(finish(&c), 0);
}

static void every_way_to_drain(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct child c = begin("plain");
        drop(&c, "ready");
        if (way == 0)
            tell(&c, "{\"t\":\"drain\"}"); /* without a deadline: drain_s */
        else if (way == 1)
            kill(c.pid, SIGTERM);
        else
            shutdown(c.channel, SHUT_WR);
        if (way < 2) {
            json_t *note = expect(&c, "test-drain");
            assert_in_range(json_integer_value(json_object_get(note, "left_ms")), 5001, 9000);
            json_decref(note);
        }
        assert_int_equal(finish(&c), 0);
    }
}

static void the_deadline_ends_it(void **state)
{
    (void)state;
    struct child c = begin("never");
    drop(&c, "ready");
    int64_t began = clock_mono_ms();
    tell(&c, "{\"t\":\"drain\",\"deadline_ms\":60000}");
    drop(&c, "test-drain");
    tell(&c, "{\"t\":\"drain\",\"deadline_ms\":300}"); /* shortens it, and drains only once */
    tell(&c, "{\"t\":\"drain\",\"deadline_ms\":50000}");
    json_t *msg = NULL;
    while ((msg = receive(&c))) {
        assert_string_not_equal(message_kind(msg), "test-drain");
        json_decref(msg);
    }
    assert_int_equal(finish(&c), 0);
    assert_in_range(clock_mono_ms() - began, 290, 2000);
}

static void failed_starts(void **state)
{
    (void)state;
    struct child c = begin("fails");
    assert_int_equal(finish(&c), 78);
    char *argv[] = {(char *)(uintptr_t) "sluice-ingest", NULL};
    pid_t pid = fork();
    if (pid == 0) {
        close(WORKER_FD_CHANNEL);
        exit(worker_main(1, argv, &role));
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 64);
}

static void bounded_beats_and_trouble(void **state)
{
    (void)state;
    struct child c = begin("waiting");
    json_t *beat = expect(&c, "beat");
    const json_t *waiting = json_object_get(beat, "waiting");
    assert_int_equal(json_array_size(waiting), 16);
    assert_int_equal(json_string_length(json_array_get(waiting, 0)), 318);
    json_decref(beat);
    close(c.channel);
    assert_int_equal(finish(&c), 0);
    c = begin("troubled");
    beat = expect(&c, "beat");
    assert_string_equal(json_string_value(json_object_get(beat, "last_error")),
                        "destination \"d\": 7");
    json_decref(beat);
    close(c.channel);
    assert_int_equal(finish(&c), 0);
}

/* The status; the body in text. */
static int ask_health(const struct child *c, const char *request, char *text, size_t size)
{
    int fd = unix_socket_connect(c->health);
    assert_true(fd >= 0);
    assert_int_equal(fdio_write_all(fd, request, strlen(request)), 0);
    size_t len = 0;
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    for (;;) {
        assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
        ssize_t n = recv(fd, text + len, size - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    close(fd);
    return atoi(text + 9);
}

#define CLOSING " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void health_answers(void **state)
{
    (void)state;
    char text[8192];
    struct child c = begin("plain");
    drop(&c, "ready");
    assert_int_equal(ask_health(&c, "GET /healthz" CLOSING, text, sizeof(text)), 200);
    json_t *body = json_loads(strstr(text, "\r\n\r\n") + 4, 0, NULL);
    assert_non_null(body);
    static const char *const members[] = {"worker", "role",     "slot",    "pid",
                                          "state",  "healthy",  "reason",  "in_flight",
                                          "gauges", "counters", "waiting", "last_error"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (!json_object_get(body, members[i]))
            fail_msg("no %s", members[i]);
    }
    assert_true(json_is_true(json_object_get(body, "healthy")));
    json_decref(body);
    assert_int_equal(ask_health(&c, "GET /" CLOSING, text, sizeof(text)), 404);
    assert_int_equal(ask_health(&c, "POST /healthz" CLOSING, text, sizeof(text)), 405);
    assert_non_null(strstr(text, "\r\nAllow: GET, HEAD\r\n"));
    close(c.channel);
    assert_int_equal(finish(&c), 0);

    c = begin("sick");
    drop(&c, "ready");
    assert_int_equal(ask_health(&c, "GET /healthz" CLOSING, text, sizeof(text)), 503);
    assert_non_null(strstr(text, "queue \\\"q\\\" is away"));
    close(c.channel);
    assert_int_equal(finish(&c), 0);

    c = begin("slow");
    drop(&c, "hello");
    assert_int_equal(ask_health(&c, "GET /healthz" CLOSING, text, sizeof(text)), 503);
    assert_non_null(strstr(text, "\"starting\""));
    close(c.channel);
    assert_int_equal(finish(&c), 0);
}

static void the_log_is_opened_again(void **state)
{
    (void)state;
    struct child c = begin("plain");
    struct stat st;
    drop(&c, "ready");
    char *rotated = xasprintf("%s.1", c.log);
    assert_int_equal(rename(c.log, rotated), 0);
    kill(c.pid, SIGUSR1);
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (stat(c.log, &st) != 0) {
        assert_true(clock_mono_ms() < until);
        poll(NULL, 0, 2);
    }
    assert_int_equal(st.st_mode & 0777, 0640);
    free(rotated);
    close(c.channel);
    assert_int_equal(finish(&c), 0);
}

static void faults_for_one_role(void **state)
{
    (void)state;
    setenv("SLUICE_FAULT", "test.point:1:always", 1);
    static const struct {
        const char *only;
        json_int_t fails;
    } rows[] = {{NULL, 1}, {"ingest", 1}, {"store", 0}};
    for (size_t i = 0; i < 3; i++) {
        if (rows[i].only)
            setenv("SLUICE_FAULT_ROLE", rows[i].only, 1);
        struct child c = begin("plain");
        json_t *beat = expect(&c, "beat");
        assert_int_equal(counter(beat, "fault"), rows[i].fails);
        json_decref(beat);
        close(c.channel);
        assert_int_equal(finish(&c), 0);
    }
    unsetenv("SLUICE_FAULT");
    unsetenv("SLUICE_FAULT_ROLE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_ready_beat_pong), cmocka_unit_test(material_and_other_messages),
        cmocka_unit_test(every_way_to_drain),    cmocka_unit_test(the_deadline_ends_it),
        cmocka_unit_test(failed_starts),         cmocka_unit_test(bounded_beats_and_trouble),
        cmocka_unit_test(health_answers),        cmocka_unit_test(the_log_is_opened_again),
        cmocka_unit_test(faults_for_one_role),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
