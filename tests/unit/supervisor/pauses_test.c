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

static char dir[64], file[96];

static int start(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/pauses-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/paused.json", dir);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    unlink(file);
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
        struct pauses *p = pauses_new(file);
        expect(p, "[]");
        set(p, "[\"a\"]", true);
        pauses_free(p);
        p = pauses_new(file);
        expect(p, "[\"a\"]");
        pauses_free(p);
    }
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
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_not_changed, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
