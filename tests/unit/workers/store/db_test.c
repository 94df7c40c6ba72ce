/* The database under its own rules: durable after db_commit whatever kills the process, damaged
 * files moved aside, quota, versions, permissions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "workers/store/db.h"

static char dir[64];
static const char insert_queue[] =
    "INSERT INTO queues (name, visibility_s, delay_s, wait_s, max_bytes, created_at, modified_at) "
    "VALUES (?1, 30, 0, 0, 1048576, 0, 0)";
static const char insert_message[] =
    "INSERT INTO messages (queue, visible_at, sent_at, id, sender, body_md5) "
    "VALUES (1, ?1, 0, ?2, '', '')";
static const char count_messages[] = "SELECT count(*), coalesce(max(visible_at), 0) FROM messages";
static const char count_queues[] = "SELECT count(*) FROM queues";

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_ERROR, false);
    strcpy(dir, "/tmp/sluice-db-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct db *open_with(int ballast_mib, int max_mib)
{
    struct db_options options = {
        .dir = dir, .lock_fd = -1, .ballast_mib = ballast_mib, .max_mib = max_mib};
    return db_open(&options);
}

static int64_t number(struct db *db, const char *sql, int column)
{
    sqlite3_stmt *st = db_query(db, sql, "");
    assert_int_equal(db_step(db, st), 1);
    int64_t value = sqlite3_column_int64(st, column);
    sqlite3_reset(st);
    return value;
}

static void path_in(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", dir, name);
}

static bool exists(const char *name)
{
    char path[128];
    path_in(path, name);
    return access(path, F_OK) == 0;
}

static void add_queue(struct db *db, const char *name)
{
    bool wrote;
    assert_int_equal(db_begin(db), 0);
    assert_int_equal(db_run(db, insert_queue, "s", name), 0);
    assert_int_equal(db_commit(db, &wrote), 0);
    assert_true(wrote);
}

static void files_are_private_and_locked(void **state)
{
    (void)state;
    struct stat st;
    char path[128];
    struct db *db = open_with(1, 0);
    assert_non_null(db);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    path_in(path, "sluice.db");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    path_in(path, "ballast");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 1024 * 1024);
    assert_null(open_with(1, 0)); /* the lock */
    db_close(db);
    db = open_with(1, 0);
    assert_non_null(db);
    db_close(db);
}

static void settings_are_durable(void **state)
{
    (void)state;
    static const char journal[] = "PRAGMA journal_mode";
    static const char sync[] = "PRAGMA synchronous";
    static const char keys[] = "PRAGMA foreign_keys";
    static const char mmap_size[] = "PRAGMA mmap_size";
    struct db *db = open_with(0, 0);
    sqlite3_stmt *st = db_query(db, journal, "");
    assert_int_equal(db_step(db, st), 1);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "wal");
    sqlite3_reset(st);
    assert_int_equal(number(db, sync, 0), 2);
    assert_int_equal(number(db, keys, 0), 1);
    assert_int_equal(number(db, mmap_size, 0), 0);
    db_close(db);
}

static void savepoints_undo_one_request(void **state)
{
    (void)state;
    bool wrote;
    struct db *db = open_with(0, 0);
    assert_int_equal(db_begin(db), 0);
    assert_int_equal(db_savepoint(db), 0);
    assert_int_equal(db_run(db, insert_queue, "s", "kept"), 0);
    assert_int_equal(db_release(db), 0);
    assert_int_equal(db_savepoint(db), 0);
    assert_int_equal(db_run(db, insert_queue, "s", "gone"), 0);
    assert_int_equal(db_run(db, insert_queue, "s", "kept"), -1); /* UNIQUE */
    assert_int_equal(db_state(db), DB_FAILED);
    assert_true(db_forgive(db));
    assert_int_equal(db_rollback_to(db), 0);
    assert_int_equal(db_commit(db, &wrote), 0);
    assert_int_equal(number(db, count_queues, 0), 1);
    assert_int_equal(db_begin(db), 0);
    assert_int_equal(db_commit(db, &wrote), 0);
    assert_false(wrote);
    db_close(db);
}

static void a_failed_commit_leaves_nothing(void **state)
{
    (void)state;
    bool wrote;
    struct db *db = open_with(0, 0); /* SLUICE_FAULT in main: the third commit of the process */
    for (int i = 0; i < 2; i++) {
        char name[8];
        snprintf(name, sizeof(name), "q%d", i);
        assert_int_equal(db_begin(db), 0);
        assert_int_equal(db_run(db, insert_queue, "s", name), 0);
        assert_int_equal(db_commit(db, &wrote), i == 0 ? -1 : 0);
    }
    assert_int_equal(number(db, count_queues, 0), 1);
    db_close(db);
}

static void damage_is_moved_aside(void **state)
{
    (void)state;
    char path[128];
    struct db *db = open_with(0, 0);
    add_queue(db, "q");
    db_close(db);
    path_in(path, "sluice.db");
    int fd = open(path, O_WRONLY);
    char junk[8192];
    memset(junk, 0xa5, sizeof(junk));
    assert_int_equal(pwrite(fd, junk, sizeof(junk), 0), sizeof(junk));
    close(fd);
    db = open_with(0, 0);
    assert_non_null(db);
    assert_int_equal(number(db, count_queues, 0), 0);
    db_close(db);
    DIR *d = opendir(dir);
    int found = 0;
    for (struct dirent *e; (e = readdir(d));)
        found += strncmp(e->d_name, "damaged-", 8) == 0;
    closedir(d);
    assert_int_equal(found, 1);
}

static void newer_versions_are_refused(void **state)
{
    (void)state;
    char path[128];
    sqlite3 *handle;
    db_close(open_with(0, 0));
    path_in(path, "sluice.db");
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, "PRAGMA user_version=999", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    assert_null(open_with(0, 0));
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    sqlite3_exec(handle, "PRAGMA user_version=1; PRAGMA application_id=7", NULL, NULL, NULL);
    sqlite3_close(handle);
    assert_null(open_with(0, 0));
    assert_true(exists("sluice.db"));
}

static void the_quota_says_full_and_deletes_work(void **state)
{
    (void)state;
    static const char delete_all[] = "DELETE FROM messages";
    bool wrote;
    char body[4001];
    memset(body, 'x', 4000);
    body[4000] = '\0';
    struct db *db = open_with(1, 1);
    add_queue(db, "q");
    assert_true(db_has_space(db, NULL));
    int rc = 0;
    int stored = 0;
    while (rc == 0 && stored < 1000) {
        assert_int_equal(db_begin(db), 0);
        rc = db_run(db, insert_message, "is", (int64_t)stored, body);
        if (rc == 0)
            rc = db_commit(db, &wrote);
        if (rc == 0)
            stored++;
    }
    assert_int_equal(db_state(db), DB_FULL);
    db_rollback(db);
    const char *why = NULL;
    assert_false(db_has_space(db, &why));
    assert_non_null(why);
    db_drop_ballast(db);
    assert_false(exists("ballast"));
    assert_int_equal(db_begin(db), 0);
    assert_int_equal(db_state(db), DB_FINE);
    assert_int_equal(number(db, count_messages, 0), stored);
    assert_int_equal(db_run(db, delete_all, ""), 0);
    assert_int_equal(db_commit(db, &wrote), 0);
    assert_true(db_has_space(db, NULL));
    assert_true(exists("ballast")); /* made again */
    db_close(db);
}

static off_t database_bytes(void)
{
    char path[128];
    struct stat st;
    path_in(path, "sluice.db");
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* A ballast that no disk has room for makes the disk full; the limit makes sure that nobody tries.
 */
static void a_drained_database_gives_its_space_back(void **state)
{
    (void)state;
    static const char delete_all[] = "DELETE FROM messages";
    bool wrote;
    char body[4001];
    memset(body, 'x', 4000);
    body[4000] = '\0';
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit low = {.rlim_cur = (rlim_t)64 << 20, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &low);
    struct db *db = open_with(INT_MAX, 0);
    assert_non_null(db);
    add_queue(db, "q");
    assert_int_equal(db_begin(db), 0);
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(db_run(db, insert_message, "is", i, body), 0);
    assert_int_equal(db_commit(db, &wrote), 0);
    db_checkpoint(db);
    assert_in_range(database_bytes(), 4000000, 8000000);
    assert_int_equal(db_begin(db), 0);
    assert_int_equal(db_run(db, delete_all, ""), 0);
    assert_int_equal(db_commit(db, &wrote), 0);
    for (int i = 0; i < 5; i++)
        assert_false(db_has_space(db, NULL));
    assert_int_equal(db_state(db), DB_FINE);
    assert_in_range(database_bytes(), 4096, 200000);
    assert_int_equal(db_begin(db), 0);
    assert_int_equal(db_run(db, insert_message, "is", (int64_t)1, body), 0);
    assert_int_equal(db_commit(db, &wrote), 0);
    db_close(db);
    setrlimit(RLIMIT_FSIZE, &before);
}

/* Commits for ever, telling each commit through the pipe. */
static void write_until_killed(int fd)
{
    bool wrote;
    struct db *db = open_with(0, 0);
    if (!db)
        _exit(1);
    for (int64_t n = number(db, count_messages, 1) + 1;; n++) {
        if (db_begin(db) < 0 || db_run(db, insert_message, "is", n, "body") < 0 ||
            db_run(db, insert_message, "is", n, "body") < 0 || db_commit(db, &wrote) < 0)
            _exit(1);
        if (write(fd, &n, sizeof(n)) != sizeof(n))
            _exit(1);
    }
}

static void kill_loses_nothing(void **state)
{
    (void)state;
    static const char check[] = "PRAGMA quick_check";
    struct db *db = open_with(0, 0);
    add_queue(db, "q");
    db_close(db);
    for (int round = 0; round < 30; round++) {
        int fds[2];
        int64_t told = 0;
        int64_t n;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(fds[0]);
            write_until_killed(fds[1]);
        }
        close(fds[1]);
        for (int i = 0; i < 5 + round && read(fds[0], &n, sizeof(n)) == sizeof(n); i++)
            told = n;
        kill(pid, SIGKILL);
        while (read(fds[0], &n, sizeof(n)) == sizeof(n))
            told = n;
        close(fds[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_true(told > 0);
        db = open_with(0, 0);
        assert_non_null(db);
        int64_t rows = number(db, count_messages, 0);
        int64_t last = number(db, count_messages, 1);
        assert_true(last >= told && last <= told + 1);
        assert_int_equal(rows, last * 2);
        sqlite3_stmt *st = db_query(db, check, "");
        assert_int_equal(db_step(db, st), 1);
        assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
        db_close(db);
    }
}

int main(void)
{
    setenv("SLUICE_FAULT", "store.commit:3:fail", 1);
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(files_are_private_and_locked),
        TEST(settings_are_durable),
        TEST(savepoints_undo_one_request),
        TEST(a_failed_commit_leaves_nothing),
        TEST(damage_is_moved_aside),
        TEST(newer_versions_are_refused),
        TEST(the_quota_says_full_and_deletes_work),
        TEST(a_drained_database_gives_its_space_back),
        TEST(kill_loses_nothing),
    };
    return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
