#include "supervisor/pauses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/log.h"

static char dir[64], file[96], log_file[96];

static int start(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/pauses-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/paused.json", dir);
    snprintf(log_file, sizeof(log_file), "%s/log", dir);
    return log_open(log_file);
}

static int stop(void **state)
{
    (void)state;
    unlink(file);
    unlink(log_file);
    rmdir(dir);
    return 0;
}

static void set(struct pauses *p, const char *names, bool paused)
{
    json_t *list = json_loads(names, 0, NULL);
    int rc = paused ? pauses_add(p, list, "2026-11-22T03:00:00Z", names) : pauses_remove(p, list);
    assert_int_equal(rc, 0);
    json_decref(list);
}

static void expect(const struct pauses *p, const char *names)
{
    json_t *list = json_array();
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)(uintptr_t)pauses_list(p), i, entry)
    {
        json_array_append(list, json_object_get(entry, "source"));
    }
    char *text = json_dumps(list, JSON_COMPACT);
    assert_string_equal(text, names);
    free(text);
    json_decref(list);
}

static void expect_by(const struct pauses *p, size_t i, const char *by)
{
    const json_t *entry = json_array_get(pauses_list(p), i);
    assert_string_equal(json_string_value(json_object_get(entry, "by")), by);
    assert_string_equal(json_string_value(json_object_get(entry, "at")), "2026-11-22T03:00:00Z");
}

static void they_are_kept(void **state)
{
    (void)state;
    struct pauses *p = pauses_new(file);
    expect(p, "[]");
    set(p, "[\"a\",\"b\"]", true);
    set(p, "[\"b\",\"c\"]", true);
    expect(p, "[\"a\",\"b\",\"c\"]");
    set(p, "[\"b\",\"x\"]", false);
    assert_true(pauses_has(p, "a"));
    assert_false(pauses_has(p, "b"));
    pauses_free(p);
    p = pauses_new(file);
    expect(p, "[\"a\",\"c\"]");
    expect_by(p, 0, "[\"a\",\"b\"]"); /* the first to do so */
    expect_by(p, 1, "[\"b\",\"c\"]");
    pauses_free(p);
}

static void truncate_log(void)
{
    assert_int_equal(truncate(log_file, 0), 0);
}

static bool is_told(void)
{
    struct stat st;
    assert_int_equal(stat(log_file, &st), 0);
    return st.st_size > 0;
}

static void a_damaged_file_is_an_empty_set(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{", "[]", "{\"paused\":7}",
                                        "{\"paused\":[7,{\"source\":\"b\",\"at\":\"\"},{}]}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        FILE *out = fopen(file, "w");
        assert_non_null(out);
        fputs(texts[i], out);
        fclose(out);
        truncate_log();
        struct pauses *p = pauses_new(file);
        expect(p, "[]");
        assert_true(is_told());
        set(p, "[\"a\"]", true);
        pauses_free(p);
        truncate_log();
        p = pauses_new(file);
        expect(p, "[\"a\"]");
        assert_false(is_told());
        pauses_free(p);
    }
}

static void what_is_good_in_a_damaged_file_stays(void **state)
{
    (void)state;
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs("{\"paused\":[{\"source\":\"a\",\"at\":\"\",\"by\":\"\"},\"b\"]}", out);
    fclose(out);
    struct pauses *p = pauses_new(file);
    expect(p, "[\"a\"]");
    assert_true(is_told());
    pauses_free(p);
}

static void what_cannot_be_written_is_not_changed(void **state)
{
    (void)state;
    struct pauses *p = pauses_new(file);
    json_t *list = json_pack("[s]", "a");
    set(p, "[\"a\"]", true);
    unlink(file);
    assert_int_equal(mkdir(file, 0700), 0); /* no file can take its place */
    assert_int_equal(pauses_remove(p, list), -1);
    expect(p, "[\"a\"]");
    rmdir(file);
    json_decref(list);
    pauses_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(they_are_kept, start, stop),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_an_empty_set, start, stop),
        cmocka_unit_test_setup_teardown(what_is_good_in_a_damaged_file_stays, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_not_changed, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
