#include "supervisor/tables.h"

#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ipc/channel.h"
#include "common/ipc/inflight_table.h"
#include "supervisor/orphans.h"

/* Three consumers, the other ends of whose channels are the test's. */
enum { CONSUMERS = 3 };

static struct {
    struct event_base *base;
    struct plan plan;
    struct process_list list;
    struct process processes[CONSUMERS];
    int ends[CONSUMERS];
    struct tables *tables;
    struct inflight_table *maps[CONSUMERS]; /* as the consumer sees its own */
} t;

static void on_message(void *arg, const json_t *msg, int fd)
{
    (void)arg, (void)msg, (void)fd;
}

static void on_closed(void *arg, const char *why)
{
    (void)arg, (void)why;
}

static void start(int i)
{
    int fd = tables_open(t.tables, &t.processes[i]);
    assert_true(fd >= 0);
    inflight_table_unmap(t.maps[i]);
    t.maps[i] = inflight_table_map(fd);
    assert_non_null(t.maps[i]);
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    static const struct channel_callbacks callbacks = {on_message, on_closed};
    static char *names[CONSUMERS] = {"consumer-0", "consumer-1", "consumer-2"};
    memset(&t, 0, sizeof t);
    TAILQ_INIT(&t.list);
    t.base = event_base_new();
    t.plan.role = ROLE_CONSUMER;
    t.plan.slice = json_loads("{\"consumer\":{\"in_flight\":40},\"sources\":{\"a\":{}}}", 0, NULL);
    t.tables = tables_new(&t.list);
    for (int i = 0; i < CONSUMERS; i++) {
        struct process *p = &t.processes[i];
        int pair[2];
        assert_int_equal(channel_pair(pair), 0);
        p->plan = &t.plan;
        p->name = names[i];
        p->slot.state = SLOT_UP;
        p->channel = channel_new(t.base, pair[0], &callbacks, NULL);
        t.ends[i] = pair[1];
        TAILQ_INSERT_TAIL(&t.list, p, link);
        start(i);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tables_free(t.tables);
    for (int i = 0; i < CONSUMERS; i++) {
        inflight_table_unmap(t.maps[i]);
        channel_free(t.processes[i].channel);
        close(t.ends[i]);
    }
    json_decref(t.plan.slice);
    event_base_free(t.base);
    return 0;
}

static void die(int i, bool asked)
{
    tables_died(t.tables, &t.processes[i], asked, true);
    t.processes[i].slot.state = SLOT_BACKOFF;
    tables_progress(t.tables);
}

/* The number of the table that a consumer has been sent, 0: none. Its handle in slot 0 goes to
 * handle_out. */
static long long given(int i, char handle_out[INFLIGHT_HANDLE_BYTES])
{
    char text[CHANNEL_PACKET_BYTES];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {text, sizeof text};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(t.ends[i], &header, MSG_DONTWAIT);
    if (n <= 0)
        return 0;
    json_t *msg = json_loadb(text, (size_t)n, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(msg, "t")), "settle");
    long long number = json_integer_value(json_object_get(msg, "table"));
    json_decref(msg);
    int fd;
    assert_non_null(CMSG_FIRSTHDR(&header));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof fd);
    struct inflight_table *table = inflight_table_map(fd);
    struct inflight_entry entry;
    handle_out[0] = '\0';
    if (inflight_table_read(table, 0, &entry))
        strcpy(handle_out, entry.handle);
    inflight_table_unmap(table);
    close(fd);
    return number;
}

static void nobody_has_any(void)
{
    char handle[INFLIGHT_HANDLE_BYTES];
    for (int i = 0; i < CONSUMERS; i++)
        assert_int_equal(given(i, handle), 0);
}

static void the_ready_one_with_the_fewest_is_chosen(void **state)
{
    (void)state;
    assert_int_equal(tables_choose(NULL, 0), -1);
    const struct tables_candidate none[] = {{false, 0}, {false, 1}};
    assert_int_equal(tables_choose(none, 2), -1);
    const struct tables_candidate some[] = {{false, 0}, {true, 2}, {true, 1}, {true, 1}};
    assert_int_equal(tables_choose(some, 4), 2);
    assert_int_equal(tables_choose(some, 2), 1);
}

static void only_consumers_have_a_table(void **state)
{
    (void)state;
    struct plan plan = {.role = ROLE_INGEST};
    struct process p = {.plan = &plan};
    struct stat st;
    int fd = tables_open(t.tables, &p);
    assert_true(fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode));
    close(fd);
    tables_died(t.tables, &p, false, true);
    assert_true(inflight_table_slots(t.maps[0]) > 40);
}

static void what_left_nothing_is_not_settled(void **state)
{
    (void)state;
    inflight_table_leave(t.maps[0], inflight_table_enter(t.maps[0], "q", "h"));
    die(0, false);
    nobody_has_any();
}

static void what_is_left_goes_to_a_ready_one_until_it_is_settled(void **state)
{
    (void)state;
    char handle[INFLIGHT_HANDLE_BYTES];
    inflight_table_enter(t.maps[0], "q", "mine");
    die(0, false);
    long long number = given(1, handle);
    assert_true(number > 0);
    assert_string_equal(handle, "mine");
    tables_progress(t.tables);
    nobody_has_any();
    tables_settled(t.tables, &t.processes[1], number);
    tables_settled(t.tables, &t.processes[1], number); /* twice, and one that never was */
    tables_settled(t.tables, &t.processes[1], 999);
    die(1, false);
    nobody_has_any();
}

static void the_next_follows_one_that_dies_drains_or_is_silent(void **state)
{
    (void)state;
    char handle[INFLIGHT_HANDLE_BYTES];
    inflight_table_enter(t.maps[0], "q", "mine");
    die(0, false);
    long long number = given(1, handle);
    die(1, false);
    assert_int_equal(given(2, handle), number);
    t.processes[0].slot.state = SLOT_UP;
    t.processes[2].slot.state = SLOT_DRAINING;
    tables_progress(t.tables);
    assert_int_equal(given(0, handle), number);
    assert_string_equal(handle, "mine");
    t.processes[1].slot.state = SLOT_UP;
    t.processes[0].silent_ticks = 4; /* a beat or two may be late */
    tables_progress(t.tables);
    nobody_has_any();
    t.processes[0].silent_ticks = 5;
    tables_progress(t.tables);
    assert_int_equal(given(1, handle), number);
}

static void with_nobody_ready_it_waits(void **state)
{
    (void)state;
    char handle[INFLIGHT_HANDLE_BYTES];
    t.processes[1].slot.state = SLOT_STARTING;
    t.processes[2].slot.state = SLOT_DRAINING;
    inflight_table_enter(t.maps[0], "q", "mine");
    die(0, false);
    nobody_has_any();
    start(0);
    t.processes[0].slot.state = SLOT_UP;
    tables_progress(t.tables);
    assert_true(given(0, handle) > 0);
    assert_string_equal(handle, "mine");
}

static void tables_are_spread(void **state)
{
    (void)state;
    char handle[INFLIGHT_HANDLE_BYTES];
    inflight_table_enter(t.maps[0], "q", "first");
    die(0, false);
    start(0);
    inflight_table_enter(t.maps[0], "q", "second");
    die(0, false);
    assert_true(given(1, handle) > 0);
    assert_string_equal(handle, "first");
    assert_true(given(2, handle) > 0);
    assert_string_equal(handle, "second");
}

static void only_an_unasked_death_is_a_messages_fault(void **state)
{
    (void)state;
    char handle[INFLIGHT_HANDLE_BYTES];
    inflight_table_begin(t.maps[0], "q", "m-1");
    inflight_table_begin(t.maps[1], "q", "m-2");
    die(0, true);
    nobody_has_any();
    die(1, false);
    assert_true(given(2, handle) > 0);
}

static void what_is_not_kept_is_dropped(void **state)
{
    (void)state;
    inflight_table_enter(t.maps[0], "q", "mine");
    tables_died(t.tables, &t.processes[0], true, false);
    tables_progress(t.tables);
    nobody_has_any();
}

static void only_so_many_wait(void **state)
{
    (void)state;
    char handle[INFLIGHT_HANDLE_BYTES];
    t.processes[1].slot.state = t.processes[2].slot.state = SLOT_BACKOFF;
    for (int i = 0; i < TABLES_WAITING_MAX + 5; i++) {
        inflight_table_enter(t.maps[0], "q", "mine");
        die(0, false);
        start(0);
    }
    t.processes[1].slot.state = SLOT_UP;
    tables_progress(t.tables);
    int count = 0;
    while (given(1, handle) > 0)
        count++;
    assert_int_equal(count, TABLES_WAITING_MAX);
}

/* A process in a group of its own, as a worker's program that has come to us. */
static pid_t program(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        for (;;)
            pause();
    }
    setpgid(pid, pid);
    return pid;
}

static void programs_of_the_dead_are_killed(void **state)
{
    (void)state;
    int status;
    pid_t mine = program(), others = program();
    atomic_store(inflight_table_group_place(t.maps[0]), mine);
    atomic_store(inflight_table_group_place(t.maps[1]), others);
    assert_true(tables_has_group(t.tables, mine));
    die(0, false);
    assert_int_equal(waitpid(mine, &status, 0), mine);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_false(tables_has_group(t.tables, mine));
    assert_int_equal(waitpid(others, &status, WNOHANG), 0);
    tables_died(t.tables, &t.processes[1], true, false); /* in a stop of the service, too */
    assert_int_equal(waitpid(others, &status, 0), others);
}

/* The table's word is not enough: neither we, nor everybody, nor a stranger's group. */
static void only_groups_of_our_children_are_killed(void **state)
{
    (void)state;
    int fds[2], status;
    assert_int_equal(pipe(fds), 0);
    pid_t parent = fork();
    if (parent == 0) { /* whose child is in a group that is none of ours */
        pid_t stranger = program();
        if (write(fds[1], &stranger, sizeof stranger) != sizeof stranger)
            _exit(1);
        waitpid(stranger, NULL, 0);
        _exit(0);
    }
    pid_t stranger;
    assert_int_equal(read(fds[0], &stranger, sizeof stranger), sizeof stranger);
    const pid_t claimed[] = {getpgrp(), -1, 1, INT32_MAX, -getpgrp(), stranger};
    for (size_t i = 0; i < sizeof claimed / sizeof claimed[0]; i++)
        atomic_store(inflight_table_group_place(t.maps[0]), claimed[i]);
    die(0, false);
    assert_int_equal(kill(stranger, 0), 0);
    assert_int_equal(waitpid(parent, &status, WNOHANG), 0);
    kill(stranger, SIGKILL);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ready_one_with_the_fewest_is_chosen),
        TEST(only_consumers_have_a_table),
        TEST(what_left_nothing_is_not_settled),
        TEST(what_is_left_goes_to_a_ready_one_until_it_is_settled),
        TEST(the_next_follows_one_that_dies_drains_or_is_silent),
        TEST(with_nobody_ready_it_waits),
        TEST(tables_are_spread),
        TEST(only_an_unasked_death_is_a_messages_fault),
        TEST(what_is_not_kept_is_dropped),
        TEST(only_so_many_wait),
        TEST(programs_of_the_dead_are_killed),
        TEST(only_groups_of_our_children_are_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
