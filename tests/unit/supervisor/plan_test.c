/* Which listening sockets the workers of a role get under a configuration. */
#include "supervisor/plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fdio.h"
#include "common/base/unix_socket.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"

static char directory[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/plan_test.XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf '%s'", directory);
    int rc = system(command);
    free(command);
    return rc;
}

static json_t *configuration(const char *retry)
{
    char *path = xasprintf("%s/sluice.json", directory);
    char *text = xasprintf("{\"run_dir\": \".\", \"ingest\": {\"listen\": [\"127.0.0.1:0\"]},"
                           " \"retry\": {\"listen\": [\"127.0.0.1:0\"]%s}}",
                           retry);
    assert_int_equal(fdio_replace_file(path, text, strlen(text), 0600), 0);
    struct conf_errors errors;
    json_t *conf = conf_load(path, NULL, &errors);
    assert_non_null(conf);
    conf_errors_free(&errors);
    free(text);
    free(path);
    return conf;
}

static char *socket_address(const json_t *conf, const char *name)
{
    return xasprintf("unix:%s/%s", conf_str(conf, "run_dir"), name);
}

static struct plan *plan_of(struct listen_pool *pool, enum role role, const json_t *conf)
{
    json_t *errors = json_array();
    struct plan *plan = plan_new(pool, role, conf, 1, errors);
    assert_non_null(plan);
    json_decref(errors);
    return plan;
}

static void retry_has_a_socket_of_its_own(void **state)
{
    (void)state;
    struct listen_pool *pool = listen_pool_new();
    json_t *conf = configuration("");
    char *address = socket_address(conf, "retry.sock");
    const char *path = address + strlen("unix:");
    struct plan *plan = plan_of(pool, ROLE_RETRY, conf);
    assert_int_equal(plan->listener_count, 2);
    assert_null(strstr(listener_address(plan->listeners[0]), "unix:"));
    assert_string_equal(listener_address(plan->listeners[1]), address);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0660);
    int fd = unix_socket_connect(path);
    assert_true(fd >= 0);
    close(fd);

    /* The next generation shares the socket; it goes with its last user. */
    json_t *later = configuration(", \"max_connections\": 7");
    struct plan *next = plan_of(pool, ROLE_RETRY, later);
    assert_ptr_equal(next->listeners[1], plan->listeners[1]);
    plan_unref(plan);
    assert_int_equal(stat(path, &st), 0);
    plan_unref(next);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(errno, ENOENT);
    free(address);
    json_decref(later);
    json_decref(conf);
    listen_pool_free(pool);
}

static void retry_does_without_where_told_so(void **state)
{
    (void)state;
    struct listen_pool *pool = listen_pool_new();
    json_t *conf = configuration(", \"unix_socket\": false");
    struct plan *plan = plan_of(pool, ROLE_RETRY, conf);
    assert_int_equal(plan->listener_count, 1);
    plan_unref(plan);
    json_decref(conf);
    listen_pool_free(pool);
}

static void the_others(void **state)
{
    (void)state;
    struct listen_pool *pool = listen_pool_new();
    json_t *conf = configuration("");
    char *address = socket_address(conf, "store.sock");
    struct plan *store = plan_of(pool, ROLE_STORE, conf);
    assert_int_equal(store->listener_count, 1);
    assert_string_equal(listener_address(store->listeners[0]), address);
    struct plan *ingest = plan_of(pool, ROLE_INGEST, conf);
    assert_int_equal(ingest->listener_count, 1);
    struct plan *consumer = plan_of(pool, ROLE_CONSUMER, conf);
    assert_int_equal(consumer->listener_count, 0);
    plan_unref(consumer);
    plan_unref(ingest);
    plan_unref(store);
    free(address);
    json_decref(conf);
    listen_pool_free(pool);
}

static void a_socket_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    struct listen_pool *pool = listen_pool_new();
    json_t *conf = configuration("");
    json_object_set_new(conf, "run_dir", json_string("/nonexistent"));
    json_t *errors = json_array();
    assert_null(plan_new(pool, ROLE_RETRY, conf, 1, errors));
    assert_int_equal(json_array_size(errors), 1);
    const json_t *error = json_array_get(errors, 0);
    assert_string_equal(json_string_value(json_object_get(error, "path")), "run_dir");
    assert_non_null(
        strstr(json_string_value(json_object_get(error, "message")), "/nonexistent/retry.sock"));
    json_decref(errors);
    json_decref(conf);
    listen_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(retry_has_a_socket_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retry_does_without_where_told_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_socket_that_cannot_be_made_is_an_error, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
