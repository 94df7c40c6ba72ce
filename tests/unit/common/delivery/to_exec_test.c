#include "tests/unit/common/delivery/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/fdio.h"

static struct event_base *base;
static char dir[] = "/tmp/to-exec-XXXXXX";

static json_t *conf_new(const char *script, int timeout_s, int max_running)
{
    return json_pack("{s:s,s:[s,s,s],s:i,s:i,s:i,s:{s:s,s:s}}", "type", "exec", "argv", "/bin/sh",
                     "-c", script, "timeout_s", timeout_s, "max_running", max_running,
                     "max_output_bytes", 1024, "env", "DIR", dir, "EXTRA", "a b");
}

static struct outcome run_script(const char *script, const void *body, size_t len, int timeout_s)
{
    json_t *conf = conf_new(script, timeout_s, 4);
    struct destination *d = destination_new(base, "trial", conf, NULL);
    struct webhook *h = hook_new(body, len);
    struct outcome out = attempt_once(base, d, h, 3);
    webhook_free(h);
    destination_free(d);
    json_decref(conf);
    return out;
}

static struct buf read_dir_file(const char *name)
{
    char path[256];
    struct buf b = {0};
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int failed = fdio_read_file(path, 8 << 20, &b);
    (void)failed;
    return b;
}

static void exit_status_is_the_verdict(void **state)
{
    (void)state;
    for (int status = 0; status < 256; status++) {
        if (status > 5 && status % 13 != 0) /* 65 and 78 among them */
            continue;
        char script[32];
        snprintf(script, sizeof(script), "exit %d", status);
        struct outcome out = run_script(script, "x", 1, 5);
        assert_int_equal(out.verdict, status == 0 ? DELIVERED : status == 65 ? DEAD : RETRY);
        assert_int_equal(out.status, status);
        assert_string_equal(out.class, status == 0    ? ""
                                       : status == 65 ? "rejected"
                                                      : "destination");
    }
    struct outcome killed = run_script("kill -9 $$", "x", 1, 5);
    assert_int_equal(killed.verdict, RETRY);
    assert_string_equal(killed.error, "ended by signal 9");
}

static void body_and_facts_arrive(void **state)
{
    (void)state;
    enum { BIG = 1 << 20 };
    char *big = malloc(BIG);
    for (int i = 0; i < BIG; i++)
        big[i] = (char)(i * 7);
    struct outcome out =
        run_script("cat > $DIR/body; env | sort > $DIR/env; pwd > $DIR/pwd", big, BIG, 10);
    assert_int_equal(out.verdict, DELIVERED);
    struct buf body = read_dir_file("body");
    assert_int_equal(body.len, BIG);
    assert_memory_equal(body.data, big, BIG);
    struct buf env = read_dir_file("env");
    static const char *const lines[] = {"SLUICE_TRACE=01TRACE\n",
                                        "SLUICE_SOURCE=genesys\n",
                                        "SLUICE_EVENT_ID=event 1\n",
                                        "SLUICE_ATTEMPT=3\n",
                                        "SLUICE_CONTENT_TYPE=application/json\n",
                                        "SLUICE_RECEIVED_AT=2025-11-24T16:00:00.000Z\n",
                                        "SLUICE_SCHEMA_VERSION=v2.1\n",
                                        "SLUICE_DESTINATION=trial\n",
                                        "EXTRA=a b\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_non_null(strstr(env.data, lines[i]));
    assert_null(strstr(env.data, "LEAK_ME"));
    buf_free(&body);
    buf_free(&env);
    free(big);
}

static void an_empty_body_is_an_empty_input(void **state)
{
    (void)state;
    struct outcome out = run_script("test \"$(wc -c)\" -eq 0", "", 0, 5);
    assert_int_equal(out.verdict, DELIVERED);
}

static void a_program_need_not_read(void **state)
{
    (void)state;
    enum { BIG = 1 << 20 };
    char *big = calloc(1, BIG);
    assert_int_equal(run_script("exec 0<&-; exit 0", big, BIG, 5).verdict, DELIVERED);
    assert_int_equal(run_script("exit 65", big, BIG, 5).verdict, DEAD);
    free(big);
}

static void last_line_of_stderr_is_the_error(void **state)
{
    (void)state;
    struct outcome out = run_script(
        "echo out; echo one >&2; printf 'the \\033 reason\\n\\n' >&2; exit 1", "x", 1, 5);
    assert_string_equal(out.error, "the ? reason");
    out = run_script("i=0; while [ $i -lt 3000 ]; do echo 'a line of noise' >&2; i=$((i+1)); done; "
                     "echo last >&2; exit 1",
                     "x", 1, 10);
    assert_string_equal(out.error, "last");
    out = run_script("head -c 300000 /dev/zero | tr '\\0' x; exit 75", "x", 1, 10);
    assert_string_equal(out.error, "exit status 75");
}

static void a_missing_program_is_retried(void **state)
{
    (void)state;
    json_t *conf =
        json_pack("{s:s,s:[s],s:i,s:i,s:i,s:{}}", "type", "exec", "argv", "/nonexistent/program",
                  "timeout_s", 5, "max_running", 1, "max_output_bytes", 100, "env");
    struct destination *d = destination_new(base, "trial", conf, NULL);
    struct webhook *h = hook_new("x", 1);
    struct outcome out = attempt_once(base, d, h, 1);
    assert_int_equal(out.verdict, RETRY);
    assert_int_equal(out.status, 127);
    assert_string_equal(out.error,
                        "cannot execute /nonexistent/program: No such file or directory");
    webhook_free(h);
    destination_free(d);
    json_decref(conf);
}

/* The process whose id a script left in a file: ESRCH within the deadline. */
static bool is_gone(const char *file)
{
    struct buf b = read_dir_file(file);
    pid_t pid = (pid_t)atoi(b.data ? b.data : "0");
    buf_free(&b);
    assert_true(pid > 1);
    int64_t until = clock_mono_ms() + 30000;
    while (kill(pid, 0) == 0 && clock_mono_ms() < until) {
        char path[64];
        struct buf stat = {0};
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        int failed = fdio_read_file(path, 4096, &stat);
        bool zombie = !failed && strstr(stat.data, ") Z") != NULL;
        buf_free(&stat);
        if (zombie)
            return true;
    }
    return kill(pid, 0) == -1;
}

static void a_timeout_ends_the_whole_group(void **state)
{
    (void)state;
    int64_t before = clock_mono_ms();
    struct outcome out =
        run_script("sleep 60 & echo $! > $DIR/child; echo partial >&2; wait", "x", 1, 1);
    assert_int_equal(out.verdict, RETRY);
    assert_string_equal(out.class, "timeout");
    assert_string_equal(out.error, "ran longer than 1 s");
    assert_in_range(clock_mono_ms() - before, 900, 20000);
    assert_true(is_gone("child"));
    before = clock_mono_ms();
    out = run_script("trap '' TERM; while :; do sleep 1; done", "x", 1, 1);
    assert_string_equal(out.class, "timeout");
    assert_in_range(clock_mono_ms() - before, 2900, 30000);
}

static void stragglers_do_not_outlive_the_attempt(void **state)
{
    (void)state;
    struct outcome out = run_script("sleep 60 & echo $! > $DIR/straggler; exit 0", "x", 1, 30);
    assert_int_equal(out.verdict, DELIVERED);
    assert_true(is_gone("straggler"));
}

static void at_most_max_running_run_at_once(void **state)
{
    (void)state;
    enum { COUNT = 12, MAX = 3 };
    json_t *conf = conf_new("mkdir $DIR/run.$$; ls -d $DIR/run.* | wc -l >> $DIR/seen; sleep 0.05; "
                            "rmdir $DIR/run.$$",
                            5, MAX);
    struct destination *d = destination_new(base, "trial", conf, NULL);
    struct webhook *h = hook_new("x", 1);
    struct outcome outs[COUNT];
    struct delivery *deliveries[COUNT];
    int left = COUNT;
    for (int i = 0; i < COUNT; i++) {
        outs[i] = (struct outcome){.left = &left, .base = base};
        deliveries[i] = delivery_start(d, h, 1, NULL, on_end, &outs[i]);
    }
    assert_true(delivery_waiting(deliveries[COUNT - 1]));
    event_base_dispatch(base);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(outs[i].verdict, DELIVERED);
    struct buf seen = read_dir_file("seen");
    int most = 0;
    for (char *line = strtok(seen.data, "\n"); line; line = strtok(NULL, "\n"))
        most = atoi(line) > most ? atoi(line) : most;
    assert_in_range(most, 2, MAX);
    buf_free(&seen);
    webhook_free(h);
    destination_free(d);
    json_decref(conf);
}

static void break_loop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

static void turn(int ms)
{
    const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_base_once(base, -1, EV_TIMEOUT, break_loop, base, &tv);
    event_base_dispatch(base);
}

static void a_cancelled_attempt_is_killed_and_silent(void **state)
{
    (void)state;
    json_t *conf = conf_new("echo $$ > $DIR/cancelled; trap '' TERM; sleep 60", 30, 1);
    struct destination *d = destination_new(base, "trial", conf, NULL);
    struct webhook *h = hook_new("x", 1);
    int left = 3;
    struct outcome out[3];
    struct delivery *deliveries[3];
    for (int i = 0; i < 3; i++) {
        out[i] = (struct outcome){.left = &left, .base = base};
        deliveries[i] = delivery_start(d, h, 1, NULL, on_end, &out[i]);
    }
    struct buf pid = {0};
    for (int64_t until = clock_mono_ms() + 30000; pid.len == 0 && clock_mono_ms() < until;) {
        turn(10);
        buf_free(&pid);
        pid = read_dir_file("cancelled");
    }
    buf_free(&pid);
    assert_false(delivery_waiting(deliveries[0]));
    assert_true(delivery_waiting(deliveries[1]));
    delivery_cancel(deliveries[2]); /* waits */
    delivery_cancel(deliveries[0]); /* runs */
    delivery_cancel(deliveries[1]);
    webhook_free(h);
    assert_true(is_gone("cancelled"));
    turn(50);
    for (int i = 0; i < 3; i++)
        assert_false(out[i].ended);
    destination_free(d);
    json_decref(conf);
}

static _Atomic pid_t *first_place(void *arg)
{
    return arg;
}

static void its_group_is_noted_until_it_is_reaped(void **state)
{
    (void)state;
    _Atomic pid_t place = 0;
    const struct delivery_groups groups = {first_place, &place};
    int left = 1;
    struct outcome out = {.left = &left, .base = base};
    json_t *conf = conf_new("echo $$ > $DIR/leader; sleep 60", 30, 1);
    struct destination *d = destination_new(base, "trial", conf, NULL);
    struct webhook *h = hook_new("", 0);
    destination_note_groups(d, &groups);
    struct delivery *delivery = delivery_start(d, h, 1, NULL, on_end, &out);
    struct buf leader = {0};
    for (int64_t until = clock_mono_ms() + 20000; leader.len == 0 && clock_mono_ms() < until;) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        buf_free(&leader);
        leader = read_dir_file("leader");
    }
    assert_int_equal(place, atoi(leader.data));
    delivery_cancel(delivery);
    assert_int_not_equal(place, 0); /* killed, not reaped */
    while (place != 0)
        event_base_loop(base, EVLOOP_ONCE);
    buf_free(&leader);
    webhook_free(h);
    destination_free(d);
    json_decref(conf);
}

static void no_descriptor_and_no_signal_mask_leaks(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0); /* not close-on-exec */
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    struct outcome out =
        run_script("ls /proc/self/fd | wc -l > $DIR/fds; grep -E 'Sig(Blk|Ign)' /proc/self/status "
                   "> $DIR/signals; cat /proc/self/oom_score_adj > $DIR/oom",
                   "x", 1, 5);
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(out.verdict, DELIVERED);
    struct buf b = read_dir_file("fds");
    assert_int_equal(atoi(b.data), 4); /* 0, 1, 2 and the directory that ls reads */
    buf_free(&b);
    b = read_dir_file("signals");
    assert_non_null(strstr(b.data, "SigBlk:\t0000000000000000"));
    /* 32 and 33 are the C library's own: a posix_spawn above us (make's) leaves them ignored, and
     * nobody may reset them. */
    char *ignored = strstr(b.data, "SigIgn:\t");
    assert_non_null(ignored);
    assert_int_equal(strtoull(ignored + strlen("SigIgn:\t"), NULL, 16) & ~0x180000000ULL, 0);
    buf_free(&b);
    b = read_dir_file("oom");
    assert_int_equal(atoi(b.data), 500);
    buf_free(&b);
}

static int set_up(void **state)
{
    (void)state;
    setenv("LEAK_ME", "1", 1);
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
        cmocka_unit_test(exit_status_is_the_verdict),
        cmocka_unit_test(body_and_facts_arrive),
        cmocka_unit_test(an_empty_body_is_an_empty_input),
        cmocka_unit_test(a_program_need_not_read),
        cmocka_unit_test(last_line_of_stderr_is_the_error),
        cmocka_unit_test(a_missing_program_is_retried),
        cmocka_unit_test(a_timeout_ends_the_whole_group),
        cmocka_unit_test(stragglers_do_not_outlive_the_attempt),
        cmocka_unit_test(at_most_max_running_run_at_once),
        cmocka_unit_test(a_cancelled_attempt_is_killed_and_silent),
        cmocka_unit_test(its_group_is_noted_until_it_is_reaped),
        cmocka_unit_test(no_descriptor_and_no_signal_mask_leaks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
