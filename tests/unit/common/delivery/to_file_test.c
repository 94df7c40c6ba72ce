#include "tests/unit/common/delivery/attempts.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/fdio.h"

static struct event_base *base;
static char dir[] = "/tmp/to-file-XXXXXX";

static struct outcome deliver(const char *path, struct webhook *h)
{
    json_t *conf = json_pack("{s:s,s:s}", "type", "file", "path", path);
    struct destination *d = destination_new(base, "journal", conf, NULL);
    struct outcome out = attempt_once(base, d, h, 2);
    destination_free(d);
    json_decref(conf);
    webhook_free(h);
    return out;
}

static char *path_of(const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static struct buf contents(const char *path)
{
    struct buf b = {0};
    assert_int_equal(fdio_read_file(path, 1 << 22, &b), 0);
    return b;
}

static void a_line_an_event(void **state)
{
    (void)state;
    char *pattern = path_of("deep/er/{source}.jsonl");
    char *path = path_of("deep/er/genesys.jsonl");
    assert_int_equal(deliver(pattern, hook_new("{\"a\": 1.10}", 11)).verdict, DELIVERED);
    assert_int_equal(deliver(pattern, hook_new("\xff\x00\x01", 3)).verdict, DELIVERED);
    assert_int_equal(deliver(pattern, hook_new("", 0)).verdict, DELIVERED);
    struct buf b = contents(path);
    char *line = strtok(b.data, "\n");
    assert_string_equal(line,
                        "{\"trace_id\":\"01TRACE\",\"source\":\"genesys\",\"event_id\":\"event "
                        "1\",\"received_at\":\"2025-11-24T16:00:00.000Z\",\"attempt\":2,"
                        "\"content_type\":\"application/json\",\"schema_version\":\"v2.1\","
                        "\"encoding\":\"raw\",\"body\":\"{\\\"a\\\": 1.10}\"}");
    assert_non_null(strstr(strtok(NULL, "\n"), "\"encoding\":\"base64\",\"body\":\"/wAB\"}"));
    assert_non_null(strstr(strtok(NULL, "\n"), "\"encoding\":\"raw\",\"body\":\"\"}"));
    assert_null(strtok(NULL, "\n"));
    buf_free(&b);
    free(pattern);
    free(path);
}

static void a_source_cannot_leave_the_directory(void **state)
{
    (void)state;
    char *pattern = path_of("out/{source}.jsonl");
    char *path = path_of("out/_.__.._etc_x.jsonl");
    struct webhook *h = hook_new("x", 1);
    free(h->source);
    h->source = xstrdup("../ ../etc/x");
    assert_int_equal(deliver(pattern, h).verdict, DELIVERED);
    assert_int_equal(access(path, F_OK), 0);
    free(pattern);
    free(path);
}

static void an_unwritable_place_is_retried(void **state)
{
    (void)state;
    struct outcome out = deliver("/proc/nowhere/x.jsonl", hook_new("x", 1));
    assert_int_equal(out.verdict, RETRY);
    assert_string_equal(out.class, "destination");
    assert_non_null(strstr(out.error, "cannot open \"/proc/nowhere/x.jsonl\""));
}

/* RLIMIT_FSIZE makes a write short in the middle of the line, as a full disk does. */
/* Nobody could say whether what reads a pipe has got the event for good. */
static void only_a_regular_file_is_written(void **state)
{
    (void)state;
    char *path = path_of("pipe");
    char byte;
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct outcome out = deliver(path, hook_new("x", 1));
    assert_int_equal(out.verdict, RETRY);
    assert_non_null(strstr(out.error, "it is no regular file"));
    assert_int_equal(read(reader, &byte, 1), 0);
    close(reader);
    free(path);
}

static void half_a_line_is_cut_off(void **state)
{
    (void)state;
    char *path = path_of("full.jsonl");
    char body[4000];
    struct rlimit before, small;
    memset(body, 'x', sizeof(body));
    assert_int_equal(deliver(path, hook_new("first", 5)).verdict, DELIVERED);
    struct buf old = contents(path);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){.rlim_cur = old.len + 100, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    struct outcome out = deliver(path, hook_new(body, sizeof(body)));
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(out.verdict, RETRY);
    struct buf now = contents(path);
    assert_int_equal(now.len, old.len);
    assert_memory_equal(now.data, old.data, old.len);
    buf_free(&now);
    buf_free(&old);
    free(path);
}

static void half_a_line_of_somebody_else_is_ended(void **state)
{
    (void)state;
    char *path = path_of("torn.jsonl");
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "{\"half\":", 8), 8);
    close(fd);
    assert_int_equal(deliver(path, hook_new("x", 1)).verdict, DELIVERED);
    struct buf b = contents(path);
    assert_memory_equal(b.data, "{\"half\":\n{\"trace_id\"", 20);
    buf_free(&b);
    free(path);
}

static void unlock(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    (void)fd;
    close(*(int *)arg);
    *(int *)arg = -1;
}

static void another_process_lock_is_waited_for(void **state)
{
    (void)state;
    char *path = path_of("locked.jsonl");
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    const struct timeval soon = {.tv_usec = 100000};
    event_base_once(base, -1, EV_TIMEOUT, unlock, &fd, &soon);
    assert_int_equal(deliver(path, hook_new("x", 1)).verdict, DELIVERED);
    assert_int_equal(fd, -1);
    free(path);
}

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[64];
    event_base_free(base);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_an_event),
        cmocka_unit_test(a_source_cannot_leave_the_directory),
        cmocka_unit_test(an_unwritable_place_is_retried),
        cmocka_unit_test(only_a_regular_file_is_written),
        cmocka_unit_test(half_a_line_is_cut_off),
        cmocka_unit_test(half_a_line_of_somebody_else_is_ended),
        cmocka_unit_test(another_process_lock_is_waited_for),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
