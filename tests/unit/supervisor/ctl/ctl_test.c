/* sluicectl's commands against stand-ins of the supervisor and its workers. */
#define print_error ctl_print_error /* cmocka has one, too */
#include "supervisor/ctl/control_client.c"
#include "supervisor/ctl/fetch.c"
#include "supervisor/ctl/locate.c"
#include "supervisor/ctl/print.c"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

/* The commands' private names overlap in a few places. */
#define add_number status_add_number
#include "supervisor/ctl/status.c"
#undef ANSWER_MS
#undef add_number
#include "supervisor/ctl/order.c"
#define ask health_ask
#include "supervisor/ctl/health.c"
#undef ANSWER_MS
#undef ask
#include "supervisor/ctl/send.c"

#include "common/base/fdio.h"

static char directory[64];
static char *output_path;
static int saved_stdout, saved_stderr;
static pid_t server;

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/ctl_test.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    char *health = xasprintf("%s/health", directory);
    int rc = fdio_make_dirs(health, 0700);
    free(health);
    output_path = xasprintf("%s/output", directory);
    server = -1;
    return rc;
}

static int tear_down(void **state)
{
    (void)state;
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    char *command = xasprintf("rm -rf '%s'", directory);
    int rc = system(command);
    free(command);
    free(output_path);
    return rc;
}

/* Reads to the end of a line: who asks may write in parts, and must not find us gone. */
static bool read_request(int fd)
{
    char request[8192];
    ssize_t n = read(fd, request, sizeof(request));
    while (n > 0 && !memchr(request, '\n', (size_t)n))
        n = read(fd, request, sizeof(request));
    return n > 0;
}

/* Serves one connection on a listening socket: reads what is asked, writes the answer, closes. */
static void serve(int listener, const char *answer)
{
    server = fork();
    if (server != 0) {
        close(listener);
        return;
    }
    fcntl(listener, F_SETFL, 0);
    int fd = accept(listener, NULL, NULL);
    if (fd < 0 || !read_request(fd))
        _exit(1);
    _exit(fdio_write_all(fd, answer, strlen(answer)) ? 1 : 0);
}

static void serve_unix(const char *name, const char *answer)
{
    char *path = xasprintf("%s/%s", directory, name);
    int listener = unix_socket_listen(path, 0600);
    assert_true(listener >= 0);
    serve(listener, answer);
    free(path);
}

/* Runs a command with everything that it prints caught. */
static char *run(ctl_command *command, const struct ctl *ctl, int count, char **args, int *status)
{
    fflush(NULL);
    saved_stdout = dup(1);
    saved_stderr = dup(2);
    int fd = open(output_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    *status = command(ctl, count, args);
    fflush(NULL);
    dup2(saved_stdout, 1);
    dup2(saved_stderr, 2);
    close(saved_stdout);
    close(saved_stderr);
    struct buf text = {0};
    assert_int_equal(fdio_read_fd(fd, 1 << 20, &text), 0);
    close(fd);
    return buf_steal(&text);
}

static void expect(ctl_command *command, bool json, int count, char **args, int status,
                   const char *part)
{
    struct ctl ctl = {.conf_path = "/nonexistent", .run_dir = directory, .json = json};
    int got;
    char *text = run(command, &ctl, count, args, &got);
    if (got != status || !strstr(text, part))
        fail_msg("status %d, printed: %s", got, text);
    free(text);
}

static const char *const status_answer =
    "{\"ok\":true,\"pid\":5,\"version\":\"0.1.0\",\"generation\":3,\"config\":\"/etc/x\","
    "\"state_dir\":\"/v\\u001b[2J\\u009b\\u007f\",\"uptime_s\":4000,"
    "\"listeners\":[{\"role\":\"ingest\",\"address\":\"127.0.0.1:8080\"}],"
    "\"notes\":[\"idempotent on this host only\"],"
    "\"workers\":[{\"name\":\"consumer-0\",\"pid\":77,\"state\":\"UP\",\"generation\":1,"
    "\"restarts\":2,\"uptime_s\":90061,\"beat\":{\"in_flight\":4,"
    "\"waiting\":[\"queue q: away\"],\"last_error\":\"late\"}}]}\n";

static void status_prints_a_table(void **state)
{
    (void)state;
    serve_unix("control.sock", status_answer);
    expect(command_status, false, 0, NULL, EX_OK,
           "sluiced    0.1.0, pid 5, up 1h 6m, configuration generation 3\n"
           "config     /etc/x\n"
           "state      /v[2J\n"
           "listening  127.0.0.1:8080 ingest\n"
           "note       idempotent on this host only\n"
           "\n"
           "WORKER      STATE  PID  UP     GENERATION  RESTARTS  IN FLIGHT\n"
           "consumer-0  UP     77   1d 1h  1           2         4\n"
           "           consumer-0 waits: queue q: away\n"
           "last error consumer-0: late\n");
}

static void status_prints_json(void **state)
{
    (void)state;
    serve_unix("control.sock", status_answer);
    expect(command_status, true, 0, NULL, EX_OK, "\"state_dir\": \"/v\\u001B[2J\\u009B\\u007f\"");
}

static void nobody_there(void **state)
{
    (void)state;
    expect(command_status, false, 0, NULL, EX_UNAVAILABLE, "is sluiced running?");
    expect(command_reload, false, 0, NULL, EX_UNAVAILABLE, "is sluiced running?");
    expect(command_stop, false, 0, NULL, EX_UNAVAILABLE, "is sluiced running?");
    expect(command_health, false, 0, NULL, EX_UNAVAILABLE, "no health socket");
}

static void broken_answers(void **state)
{
    (void)state;
    serve_unix("control.sock", "");
    expect(command_status, false, 0, NULL, EX_UNAVAILABLE, "it closed the connection");
    waitpid(server, NULL, 0);
    serve_unix("control.sock", "nonsense\n");
    expect(command_status, false, 0, NULL, EX_UNAVAILABLE, "not JSON");
    waitpid(server, NULL, 0);
    serve_unix("control.sock", "{\"ok\":false,\"error\":\"busy\"}\n");
    expect(command_status, false, 0, NULL, 1, "busy");
}

static void reload_says_how_it_went(void **state)
{
    (void)state;
    serve_unix("control.sock", "{\"ok\":true,\"generation\":4}\n");
    expect(command_reload, false, 0, NULL, EX_OK, "reloaded: configuration generation 4\n");
    waitpid(server, NULL, 0);
    serve_unix("control.sock", "{\"ok\":false,\"error\":\"1 error\",\"errors\":[{\"path\":\"a.b\","
                               "\"message\":\"bad\"}]}\n");
    expect(command_reload, false, 0, NULL, EX_CONFIG, "sluicectl: a.b: bad\n");
    waitpid(server, NULL, 0);
    serve_unix("control.sock", "{\"ok\":false,\"error\":\"store.max_mib needs a restart\"}\n");
    expect(command_reload, false, 0, NULL, 1, "needs a restart");
}

static void stop_returns_at_the_end(void **state)
{
    (void)state;
    serve_unix("control.sock", "{\"ok\":true}\n");
    expect(command_stop, false, 0, NULL, EX_OK, "stopped\n");
    int status;
    assert_int_equal(waitpid(server, &status, 0), server);
    server = -1;
}

static char *http(int status, const char *body)
{
    return xasprintf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\nSluice-Trace: 01T\r\n\r\n%s", status,
                     strlen(body), body);
}

static void health_of(int http_status, const char *body, int status, const char *part)
{
    char *answer = http(http_status, body);
    char *args[] = {"retry"};
    serve_unix("health/retry.sock", answer);
    expect(command_health, false, 1, args, status, part);
    waitpid(server, NULL, 0);
    server = -1;
    free(answer);
}

static void health_asks_the_worker(void **state)
{
    (void)state;
    const char *body = "{\"state\":\"ready\",\"pid\":9,\"in_flight\":1,\"reason\":\"\"}";
    health_of(200, body, EX_OK, "retry   yes      ready  9    1          -\n");
    health_of(503, "{\"reason\":\"no queue\"}", 1, "no queue");
    health_of(200, "text", EX_OK, "not JSON");
    /* Its socket is there, but nobody listens any more. */
    expect(command_health, false, 0, NULL, 1, "retry   no ");
    char *args[] = {"store"};
    expect(command_health, false, 1, args, EX_UNAVAILABLE, "no health socket of store");
}

/* A configuration whose ingest listener is where `serve` answers. */
static char *configuration(int port)
{
    char *path = xasprintf("%s/c.json", directory);
    char *text =
        xasprintf("{\"ingest\": {\"listen\": [\"127.0.0.1:%d\"]},"
                  "\"destinations\": {\"d\": {\"type\": \"file\", \"path\": \"x\"}},"
                  "\"sources\": {"
                  "\"a\": {\"path\": \"/a\", \"destination\": \"d\","
                  " \"verify\": {\"type\": \"bearer\", \"secrets\": [\"s\"]}},"
                  "\"b\": {\"path\": \"/b\", \"destination\": \"d\","
                  " \"verify\": {\"type\": \"bearer\", \"secrets\": [\"${CTL_UNSET}\"]}}}}",
                  port);
    assert_int_equal(fdio_replace_file(path, text, strlen(text), 0600), 0);
    free(text);
    return path;
}

static void send_to(const char *conf_path, const char *source, const char *header, int status,
                    const char *part)
{
    struct ctl ctl = {.conf_path = conf_path, .headers = {header}, .header_count = header != NULL};
    char *args[] = {(char *)source, "LICENSE"};
    int got;
    char *text = run(command_send, &ctl, 2, args, &got);
    if (got != status || !strstr(text, part))
        fail_msg("status %d, printed: %s", got, text);
    free(text);
}

static void send_posts_a_file(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    char *path = configuration(ntohs(address.sin_port));
    int again = dup(listener);
    char *answer = http(200, "{\"status\":\"accepted\"}");
    serve(listener, answer);
    send_to(path, "a", "X-A: 1", EX_OK, "200 01T {\"status\":\"accepted\"}\n");
    waitpid(server, NULL, 0);
    free(answer);
    answer = http(413, "too\nlarge");
    serve(again, answer);
    send_to(path, "a", NULL, 1, "413 01T toolarge\n");
    waitpid(server, NULL, 0);
    server = -1;
    free(answer);
    send_to(path, "a", NULL, EX_UNAVAILABLE, "is sluiced running?");
    send_to(path, "c", NULL, EX_USAGE, "there are: a, b");
    send_to(path, "b", NULL, EX_CONFIG, "CTL_UNSET is not set");
    send_to(path, "a", "no colon", EX_USAGE, "-H takes");
    send_to(path, "a", "a b: c", EX_USAGE, "not the name of an HTTP header");
    send_to("/nonexistent", "a", NULL, EX_CONFIG, "cannot read");
    free(path);
}

static void headers_are_the_verifiers(void **state)
{
    (void)state;
    struct headers h = {0};
    json_t *source = json_pack("{s:{s:s, s:s, s:[s, s]}}", "verify", "type", "shared-header",
                               "header", "X-Key", "secrets", "one", "two");
    headers_sign(&h, source);
    assert_int_equal(h.count, 2);
    assert_string_equal(h.list[0].name, "X-Key");
    assert_string_equal(h.list[0].value, "one");
    assert_string_equal(h.list[1].name, "Content-Type");
    headers_free(&h);
    h = (struct headers){0};
    assert_true(headers_parse(&h, "x-key:  mine"));
    assert_true(headers_parse(&h, "content-type: text/xml"));
    headers_sign(&h, source);
    assert_int_equal(h.count, 2);
    assert_string_equal(h.list[0].value, "mine");
    headers_free(&h);
    json_decref(source);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(status_prints_a_table),
        TEST(status_prints_json),
        TEST(nobody_there),
        TEST(broken_answers),
        TEST(reload_says_how_it_went),
        TEST(stop_returns_at_the_end),
        TEST(health_asks_the_worker),
        TEST(send_posts_a_file),
        TEST(headers_are_the_verifiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
