#include "common/ipc/inflight_table.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define SLOTS 4
#define URL "http://store.local/000000000000/q"

static struct inflight_table *table;
static int fd;

static int set_up(void **state)
{
    (void)state;
    fd = inflight_table_create(SLOTS);
    assert_true(fd >= 0);
    table = inflight_table_map(fd);
    assert_non_null(table);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    inflight_table_unmap(table);
    close(fd);
    return 0;
}

static void is_empty_and_named(void **state)
{
    (void)state;
    char token[INFLIGHT_TOKEN_BYTES], other_token[INFLIGHT_TOKEN_BYTES];
    struct inflight_entry entry;
    struct inflight_current current;
    int other = inflight_table_create(SLOTS);
    struct inflight_table *second = inflight_table_map(other);
    assert_int_equal(inflight_table_slots(table), SLOTS);
    assert_true(inflight_table_is_clear(table));
    assert_false(inflight_table_read(table, 0, &entry));
    assert_false(inflight_table_read_current(table, &current));
    for (size_t i = 0; i < inflight_table_group_count(table); i++)
        assert_int_equal(inflight_table_group_at(table, i), 0);
    inflight_table_token(table, token);
    inflight_table_token(second, other_token);
    assert_int_equal(strlen(token), INFLIGHT_TOKEN_BYTES - 1);
    assert_string_not_equal(token, other_token);
    inflight_table_unmap(second);
    close(other);
}

static void keeps_what_a_message_needs(void **state)
{
    (void)state;
    struct inflight_entry entry;
    int slot = inflight_table_enter(table, URL, "handle");
    assert_true(slot >= 0);
    assert_true(inflight_table_read(table, (size_t)slot, &entry));
    assert_string_equal(entry.queue_url, URL);
    assert_string_equal(entry.handle, "handle");
    assert_false(entry.is_claimed);
    inflight_table_claim(table, slot, "d|s|caf\xc3\xa9", "owner");
    assert_true(inflight_table_read(table, (size_t)slot, &entry));
    assert_true(entry.is_claimed);
    assert_string_equal(entry.ledger_id, "d|s|caf\xc3\xa9");
    assert_string_equal(entry.owner, "owner");
    assert_false(inflight_table_is_clear(table));
    inflight_table_leave(table, slot);
    assert_false(inflight_table_read(table, (size_t)slot, &entry));
    assert_true(inflight_table_is_clear(table));
}

static void a_slot_used_again_has_no_old_claim(void **state)
{
    (void)state;
    struct inflight_entry entry;
    for (int n = 0; n < 3 * SLOTS; n++) {
        int slot = inflight_table_enter(table, URL, "handle");
        assert_true(inflight_table_read(table, (size_t)slot, &entry));
        assert_false(entry.is_claimed);
        inflight_table_claim(table, slot, "id", "owner");
        inflight_table_leave(table, slot);
    }
}

static void is_full_with_as_many_as_it_has_slots(void **state)
{
    (void)state;
    for (int i = 0; i < SLOTS; i++)
        assert_true(inflight_table_enter(table, URL, "h") >= 0);
    assert_int_equal(inflight_table_enter(table, URL, "h"), -1);
    inflight_table_claim(table, -1, "id", "owner"); /* of a message that found no room */
    inflight_table_leave(table, -1);
    inflight_table_leave(table, 2);
    assert_int_equal(inflight_table_enter(table, URL, "h"), 2);
}

static void what_is_too_long_is_absent(void **state)
{
    (void)state;
    char text[INFLIGHT_HANDLE_BYTES + 1];
    struct inflight_entry entry;
    struct inflight_current current;
    memset(text, 'x', sizeof(text));
    text[INFLIGHT_HANDLE_BYTES] = '\0';
    assert_int_equal(inflight_table_enter(table, URL, text), -1);
    assert_int_equal(inflight_table_enter(table, text, "h"), -1);
    inflight_table_begin(table, URL, text);
    assert_false(inflight_table_read_current(table, &current));
    text[INFLIGHT_HANDLE_BYTES - 1] = '\0';
    int slot = inflight_table_enter(table, URL, text);
    assert_true(slot >= 0);
    inflight_table_claim(table, slot, text, "owner");
    assert_true(inflight_table_read(table, (size_t)slot, &entry));
    assert_false(entry.is_claimed);
}

static void tells_the_current_one(void **state)
{
    (void)state;
    struct inflight_current current;
    inflight_table_begin(table, URL, "m-1");
    assert_true(inflight_table_read_current(table, &current));
    assert_string_equal(current.queue_url, URL);
    assert_string_equal(current.message_id, "m-1");
    assert_false(inflight_table_is_clear(table));
    inflight_table_end(table);
    assert_false(inflight_table_read_current(table, &current));
    assert_true(inflight_table_is_clear(table));
}

static void gives_places_for_groups(void **state)
{
    (void)state;
    size_t count = inflight_table_group_count(table);
    assert_true(count >= SLOTS);
    for (size_t i = 0; i < count; i++) {
        _Atomic pid_t *place = inflight_table_group_place(table);
        assert_non_null(place);
        atomic_store(place, (pid_t)(100 + i));
    }
    assert_null(inflight_table_group_place(table));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(inflight_table_group_at(table, i), 100 + i);
}

static void another_process_sees_it_and_its_death_leaves_it(void **state)
{
    (void)state;
    struct inflight_entry entry;
    pid_t pid = fork();
    if (pid == 0) {
        struct inflight_table *mine = inflight_table_map(fd);
        int slot = inflight_table_enter(mine, URL, "of the child");
        inflight_table_claim(mine, slot, "id", "owner");
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(inflight_table_read(table, 0, &entry));
    assert_string_equal(entry.handle, "of the child");
    assert_true(entry.is_claimed);
}

/* Whatever bytes a worker that ran wild left: what is read is bounded text, or absent. */
static void content_is_not_trusted(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    unsigned char *raw = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(raw != MAP_FAILED);
    static const unsigned char fills[] = {0xff, 'A', 0x01, '\n', 0x7f};
    for (size_t f = 0; f < sizeof(fills) + 200; f++) {
        for (size_t i = 8; i < (size_t)st.st_size; i++)
            raw[i] = f < sizeof(fills) ? fills[f] : (unsigned char)rand();
        struct inflight_entry entry;
        struct inflight_current current;
        char token[INFLIGHT_TOKEN_BYTES];
        for (size_t i = 0; i < inflight_table_slots(table); i++) {
            if (!inflight_table_read(table, i, &entry))
                continue;
            assert_true(strlen(entry.queue_url) < sizeof(entry.queue_url));
            assert_true(strlen(entry.handle) < sizeof(entry.handle));
            for (const char *c = entry.handle; *c; c++)
                assert_true(*c >= 0x20 && *c < 0x7f);
        }
        inflight_table_read_current(table, &current);
        inflight_table_token(table, token);
        assert_true(strlen(token) < sizeof(token));
        (void)inflight_table_is_clear(table);
        (void)inflight_table_group_place(table);
    }
    munmap(raw, (size_t)st.st_size);
}

/* Text that fills its field to the last byte has no end. */
static void text_without_an_end_is_absent(void **state)
{
    (void)state;
    struct inflight_entry entry;
    struct stat st;
    int slot = inflight_table_enter(table, URL, "find-me");
    assert_int_equal(fstat(fd, &st), 0);
    char *raw = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *handle = memmem(raw, (size_t)st.st_size, "find-me", 7);
    assert_non_null(handle);
    memset(handle, 'x', INFLIGHT_HANDLE_BYTES - 1);
    assert_true(inflight_table_read(table, (size_t)slot, &entry));
    memset(handle, 'x', INFLIGHT_HANDLE_BYTES);
    assert_false(inflight_table_read(table, (size_t)slot, &entry));
    munmap(raw, (size_t)st.st_size);
}

static void what_is_no_table_is_not_mapped(void **state)
{
    (void)state;
    int null_fd = open("/dev/null", O_RDWR);
    assert_null(inflight_table_map(null_fd));
    close(null_fd);
    assert_null(inflight_table_map(-1));
    int bare = memfd_create("bare", MFD_ALLOW_SEALING); /* could shrink under the reader */
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(ftruncate(bare, st.st_size), 0);
    assert_null(inflight_table_map(bare));
    assert_int_equal(fcntl(bare, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_null(inflight_table_map(bare)); /* its first bytes are not ours */
    assert_int_equal(ftruncate(bare, st.st_size + 1), 0);
    assert_null(inflight_table_map(bare));
    close(bare);
    assert_int_equal(ftruncate(fd, 10), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(is_empty_and_named),
        TEST(keeps_what_a_message_needs),
        TEST(a_slot_used_again_has_no_old_claim),
        TEST(is_full_with_as_many_as_it_has_slots),
        TEST(what_is_too_long_is_absent),
        TEST(tells_the_current_one),
        TEST(gives_places_for_groups),
        TEST(another_process_sees_it_and_its_death_leaves_it),
        TEST(content_is_not_trusted),
        TEST(text_without_an_end_is_absent),
        TEST(what_is_no_table_is_not_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
