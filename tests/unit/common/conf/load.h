#ifndef TESTS_UNIT_COMMON_CONF_LOAD_H
#define TESTS_UNIT_COMMON_CONF_LOAD_H

/* What the tests of conf_load share: a directory of their own, loading a text as a file in it, and
 * looking for errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fdio.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"

static char directory[64];
static struct conf_errors errors;

static inline int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/conf_test.XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static inline int remove_directory(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf '%s'", directory);
    int rc = system(command);
    free(command);
    return rc;
}

static inline int forget_errors(void **state)
{
    (void)state;
    conf_errors_free(&errors);
    return 0;
}

static inline void write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", directory, name);
    assert_int_equal(fdio_replace_file(path, text, strlen(text), 0600), 0);
    free(path);
}

static inline json_t *load(const char *text)
{
    conf_errors_free(&errors);
    write_file("sluice.json", text);
    char *path = xasprintf("%s/sluice.json", directory);
    json_t *conf = conf_load(path, NULL, &errors);
    free(path);
    assert_int_equal(conf == NULL, errors.count > 0);
    return conf;
}

static inline json_t *load_good(const char *text)
{
    json_t *conf = load(text);
    for (size_t i = 0; i < errors.count; i++)
        print_error("%s: %s\n", errors.list[i].path, errors.list[i].message);
    assert_non_null(conf);
    return conf;
}

static inline void expect_in(const struct conf_error *list, size_t count, const char *path,
                             const char *part)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].path, path) == 0 && strstr(list[i].message, part))
            return;
    for (size_t i = 0; i < count; i++)
        print_error("found %s: %s\n", list[i].path, list[i].message);
    fail_msg("expected %s: ...%s...", path, part);
}

/* Loading gives exactly this one error. */
static inline void expect_one(const char *text, const char *path, const char *part)
{
    assert_null(load(text));
    expect_in(errors.list, errors.count, path, part);
    if (errors.count != 1)
        for (size_t i = 0; i < errors.count; i++)
            print_error("%s: %s\n", errors.list[i].path, errors.list[i].message);
    assert_int_equal(errors.count, 1);
}

/* A file with one exec destination "d" and these sources. */
static inline char *with_sources(const char *sources)
{
    return xasprintf("{\"destinations\": {\"d\": {\"type\": \"exec\", \"argv\": [\"/bin/true\"]}},"
                     " \"sources\": {%s}}",
                     sources);
}

static inline void expect_source_error(const char *sources, const char *path, const char *part)
{
    char *text = with_sources(sources);
    expect_one(text, path, part);
    free(text);
}

#define SOURCE(more)                                                                               \
    "\"a\": {\"path\": \"/a\", \"verify\": {\"type\": \"none\"}, \"destination\": \"d\"" more "}"

#define TEST(f) cmocka_unit_test_teardown(f, forget_errors)

#endif
