#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/fdio.h"
#include "workers/keyring/embedded_key.h"

static char dir[] = "/tmp/embedded_key_test.XXXXXX";
static char path[64];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/embedded-key.json", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void made_once_and_read_again(void **state)
{
    (void)state;
    char reason[512] = "";
    unlink(path);
    struct embedded_key *first = embedded_key_open(path, reason, sizeof(reason));
    assert_non_null(first);
    assert_int_equal(strlen(first->access_key_id), 20);
    assert_memory_equal(first->access_key_id, "SLUICE", 6);
    assert_int_equal(strspn(first->access_key_id + 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 14);
    assert_int_equal(strlen(first->secret), 40);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct embedded_key *second = embedded_key_open(path, reason, sizeof(reason));
    assert_non_null(second);
    assert_string_equal(first->access_key_id, second->access_key_id);
    assert_string_equal(first->secret, second->secret);
    unlink(path);
    struct embedded_key *third = embedded_key_open(path, reason, sizeof(reason));
    assert_string_not_equal(first->secret, third->secret);
    embedded_key_free(first);
    embedded_key_free(second);
    embedded_key_free(third);
    embedded_key_free(NULL);
}

static void damaged_files_stay_as_they_are(void **state)
{
    (void)state;
    static const char *const damaged[] = {
        "",
        "{",
        "[]",
        "{\"access_key_id\": \"SLUICEABCDEFGHIJKLMN\"}",
        "{\"access_key_id\": \"SLUICEABCDEFGHIJKLMN\", \"secret_access_key\": \"\"}",
        "{\"access_key_id\": \"SLUICEABCDEFGHIJKLMN\", \"secret_access_key\": \"short\"}",
        "{\"access_key_id\": \"x\", \"secret_access_key\": \"abcdefghijklmnopqrstuvwxyz\"}",
        "{\"access_key_id\": \"sluiceabcdefghijklmn\", \"secret_access_key\": "
        "\"abcdefghijklmnopqrstuvwxyz\"}",
        "{\"access_key_id\": \"SLUICEABCDEFGHIJKLMN\", \"secret_access_key\": "
        "\"abcdefgh ijklmnopqrstuvwxyz\"}",
        "{\"access_key_id\": 5, \"secret_access_key\": \"abcdefghijklmnopqrstuvwxyz\"}",
    };
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        char reason[512] = "";
        assert_int_equal(fdio_replace_file(path, damaged[i], strlen(damaged[i]), 0600), 0);
        assert_null(embedded_key_open(path, reason, sizeof(reason)));
        assert_non_null(strstr(reason, path));
        assert_non_null(strstr(reason, "damaged: restore it"));
        assert_null(strstr(reason, "abcdefgh"));
        struct buf now = {0};
        assert_int_equal(fdio_read_file(path, 4096, &now), 0);
        assert_string_equal(now.data ? now.data : "", damaged[i]);
        buf_free(&now);
    }
}

static void errors_name_the_file(void **state)
{
    (void)state;
    char reason[512] = "";
    assert_null(embedded_key_open("/proc/none/embedded-key.json", reason, sizeof(reason)));
    assert_non_null(strstr(reason, "/proc/none/embedded-key.json"));
    assert_null(embedded_key_open(dir, reason, sizeof(reason)));
    assert_non_null(strstr(reason, dir));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_once_and_read_again),
        cmocka_unit_test(damaged_files_stay_as_they_are),
        cmocka_unit_test(errors_name_the_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
