/* sluicectl's commands for dead letters against a stand-in of the retry worker. */
#define print_error ctl_print_error /* cmocka has one, too */
#include "supervisor/ctl/fetch.c"
#include "supervisor/ctl/locate.c"
#include "supervisor/ctl/print.c"

#include "supervisor/ctl/api.c"
#include "supervisor/ctl/dlq.c"
#undef PAGE_MAX
#define text_of redrive_text_of
#include "supervisor/ctl/redrive.c"
#undef text_of
#include "supervisor/ctl/trace.c"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fdio.h"
#include "common/base/unix_socket.h"

static char directory[64];
static pid_t server;

static char *in_directory(const char *name)
{
    return xasprintf("%s/%s", directory, name);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/dlq_test.XXXXXX");
    server = -1;
    return mkdtemp(directory) ? 0 : -1;
}

static void stop_server(void)
{
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    server = -1;
}

static int tear_down(void **state)
{
    (void)state;
    stop_server();
    char *command = xasprintf("rm -rf '%s'", directory);
    int rc = system(command);
    free(command);
    return rc;
}

struct scripted {
    int status;
    const char *body;
};

/* Reads a whole request; its first line and its body, a line each, are added to the log. */
static void take_request(int fd, int log)
{
    struct buf request = {0};
    char chunk[4096];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n <= 0)
            _exit(1);
        buf_append(&request, chunk, (size_t)n);
        char *end = strstr(request.data, "\r\n\r\n");
        const char *length = strcasestr(request.data, "Content-Length: ");
        size_t body = length ? (size_t)atol(length + strlen("Content-Length: ")) : 0;
        if (!end || request.len < (size_t)(end - request.data) + 4 + body)
            continue;
        const char *line_end = strstr(request.data, " HTTP/1.1");
        if (!line_end)
            _exit(1);
        dprintf(log, "%.*s%s%s\n", (int)(line_end - request.data), request.data, body ? " " : "",
                end + 4);
        break;
    }
    buf_free(&request);
}

/* Answers one connection after the other with what is scripted. */
static void serve(const struct scripted *answers, size_t count)
{
    char *path = in_directory("retry.sock");
    char *log_path = in_directory("requests");
    int listener = unix_socket_listen(path, 0600);
    int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    free(path);
    free(log_path);
    assert_true(listener >= 0 && log >= 0);
    stop_server();
    server = fork();
    if (server == 0) {
        fcntl(listener, F_SETFL, 0);
        for (size_t i = 0; i < count; i++) {
            int fd = accept(listener, NULL, NULL);
            if (fd < 0)
                _exit(1);
            take_request(fd, log);
            char *text = xasprintf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\n"
                                   "Connection: close\r\n\r\n%s",
                                   answers[i].status, strlen(answers[i].body), answers[i].body);
            int rc = fdio_write_all(fd, text, strlen(text));
            free(text);
            close(fd);
            if (rc)
                _exit(1);
        }
        _exit(0);
    }
    close(listener);
    close(log);
}

#define SERVE(...)                                                                                 \
    do {                                                                                           \
        const struct scripted answers_[] = {__VA_ARGS__};                                          \
        serve(answers_, sizeof(answers_) / sizeof(answers_[0]));                                   \
    } while (0)

/* What was asked since `serve`, a line each. */
static char *requests(void)
{
    char *path = in_directory("requests");
    struct buf text = {0};
    assert_int_equal(fdio_read_file(path, 1 << 20, &text), 0);
    free(path);
    return buf_steal(&text);
}

static void expect_requests(const char *expected)
{
    char *text = requests();
    assert_string_equal(text, expected);
    free(text);
}

/* Runs a command with everything that it prints caught. */
static char *run(ctl_command *command, const struct ctl *ctl, int count, char **args, int *status)
{
    char *path = in_directory("output");
    fflush(NULL);
    int saved_stdout = dup(1), saved_stderr = dup(2);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
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
    free(path);
    return buf_steal(&text);
}

static void expect(ctl_command *command, struct ctl ctl, int count, char **args, int status,
                   const char *part)
{
    ctl.conf_path = "/nonexistent";
    ctl.run_dir = directory;
    int got;
    char *text = run(command, &ctl, count, args, &got);
    if (got != status || !strstr(text, part))
        fail_msg("status %d, printed: %s", got, text);
    free(text);
}

#define EVENT(key, more)                                                                           \
    "{\"key\":\"" key "\",\"source\":\"g\",\"event_id\":\"e\\u001b[2J1\","                         \
    "\"error_class\":\"exhausted\",\"error\":\"exit status 1\",\"retry_count\":6,"                 \
    "\"failed_at\":\"2026-11-22T01:00:00.000Z\"" more "}"

static void list_prints_a_table(void **state)
{
    (void)state;
    SERVE({200, "{\"events\":[" EVENT("dlq/a.json", "") "," EVENT(
                    "dlq/bb.json", ",\"parked\":true") "],\"next_token\":\"\"}"});
    expect(
        command_dlq_list, (struct ctl){0}, 0, NULL, EX_OK,
        "KEY          SOURCE  EVENT  CLASS      RETRIES  FAILED AT                 ERROR\n"
        "dlq/a.json   g       e[2J1  exhausted  6        2026-11-22T01:00:00.000Z  exit status 1\n"
        "dlq/bb.json  g       e[2J1  exhausted  6        2026-11-22T01:00:00.000Z  (parked) exit "
        "status 1\n");
    expect_requests("GET /api/v1/dlq/events?limit=20\n");
    SERVE({200, "{\"events\":[],\"next_token\":\"\"}"});
    expect(command_dlq_list, (struct ctl){0}, 0, NULL, EX_OK, "no dead letters\n");
    SERVE({200, "{\"events\":[" EVENT("k", "") "],\"next_token\":\"t\"}"});
    expect(command_dlq_list, (struct ctl){.limit = "1"}, 0, NULL, EX_OK, "there are more");
    expect_requests("GET /api/v1/dlq/events?limit=1\n");
}

static void cells_are_cut_between_characters(void **state)
{
    (void)state;
    char text[80];
    memset(text, 'a', sizeof(text));
    text[79] = '\0';
    assert_int_equal(cell_bytes(text), 60);
    memcpy(text + 58, "\xe2\x82\xac", 3);
    assert_int_equal(cell_bytes(text), 58);
    memcpy(text + 57,
           "\xe2\x82\xac"
           "b",
           4);
    assert_int_equal(cell_bytes(text), 60);
    assert_int_equal(cell_bytes("\xe2\x82\xac"), 3);
    assert_int_equal(cell_bytes(""), 0);
}

static void list_asks_for_what_is_wanted(void **state)
{
    (void)state;
    SERVE({200, "{\"events\":[" EVENT("k", "") "],\"next_token\":\"a=\"}"},
          {200, "{\"events\":[],\"next_token\":\"b\"}"},
          {200, "{\"events\":[" EVENT("l", "") "],\"next_token\":\"\"}"});
    expect(command_dlq_list,
           (struct ctl){.all = true,
                        .json = true,
                        .source = "a b",
                        .error_class = "x&y",
                        .from = "2026-11-22T01:00:00+01:00",
                        .to = "2026-11-22T01:00:00Z"},
           0, NULL, EX_OK, "\"key\": \"l\"");
#define FILTER                                                                                     \
    "&source=a%20b&error_class=x%26y&from=2026-11-22T01%3A00%3A00%2B01%3A00"                       \
    "&to=2026-11-22T01%3A00%3A00Z"
    expect_requests("GET /api/v1/dlq/events?limit=100" FILTER "\n"
                    "GET /api/v1/dlq/events?limit=100" FILTER "&next_token=a%3D\n"
                    "GET /api/v1/dlq/events?limit=100" FILTER "&next_token=b\n");
    /* More than a page: the rest is asked for with what is left. */
    SERVE({200, "{\"events\":[" EVENT("k", "") "],\"next_token\":\"a\"}"},
          {200, "{\"events\":[" EVENT("l", "") "],\"next_token\":\"b\"}"});
    expect(command_dlq_list, (struct ctl){.limit = "2"}, 0, NULL, EX_OK, "there are more");
    expect_requests("GET /api/v1/dlq/events?limit=2\n"
                    "GET /api/v1/dlq/events?limit=1&next_token=a\n");
    /* A token that does not move ends it. */
    SERVE({200, "{\"events\":[],\"next_token\":\"a\"}"},
          {200, "{\"events\":[],\"next_token\":\"a\"}"});
    expect(command_dlq_list, (struct ctl){.all = true}, 0, NULL, EX_OK, "no dead letters");
    static const char *const bad[] = {"0", "-1", "x", "", "1x", "99999999999999999999"};
    for (size_t i = 0; i < 6; i++)
        expect(command_dlq_list, (struct ctl){.limit = bad[i]}, 0, NULL, EX_USAGE,
               "takes a number");
    expect(command_dlq_list, (struct ctl){.limit = "1", .all = true}, 0, NULL, EX_USAGE,
           "exclude each other");
}

static void what_was_had_is_printed(void **state)
{
    (void)state;
    SERVE({200, "{\"events\":[" EVENT("k", "") "],\"next_token\":\"a\"}"},
          {503, "{\"error\":\"no bucket\"}"});
    expect(command_dlq_list, (struct ctl){.all = true}, 0, NULL, EX_TEMPFAIL, "exhausted");
    SERVE({503, "{\"error\":\"no\\u001b bucket\"}"});
    expect(command_dlq_list, (struct ctl){.json = true}, 0, NULL, EX_TEMPFAIL,
           "sluicectl: no bucket\n");
}

static void answers_that_are_no(void **state)
{
    (void)state;
    static const struct {
        int http, status;
    } cases[] = {
        {400, EX_USAGE},
        {401, EX_NOPERM},
        {403, EX_NOPERM},
        {404, 1},
        {409, 1},
        {429, EX_TEMPFAIL},
        {503, EX_TEMPFAIL},
        {500, EX_UNAVAILABLE},
        {502, EX_UNAVAILABLE},
    };
    char *args[] = {"k"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SERVE({cases[i].http, "{\"error\":\"its own words\"}"});
        expect(command_dlq_show, (struct ctl){0}, 1, args, cases[i].status,
               "sluicectl: its own words\n");
    }
    SERVE({404, "plain"});
    expect(command_dlq_show, (struct ctl){0}, 1, args, 1, "answered with status 404");
    SERVE({200, "plain"});
    expect(command_dlq_show, (struct ctl){0}, 1, args, EX_UNAVAILABLE, "is not JSON");
    stop_server();
    expect(command_dlq_show, (struct ctl){0}, 1, args, EX_UNAVAILABLE, "is sluiced running");
    struct ctl lost = {.conf_path = "/nonexistent"};
    int status;
    char *text = run(command_dlq_list, &lost, 0, NULL, &status);
    assert_int_equal(status, EX_CONFIG);
    assert_non_null(strstr(text, "--run-dir"));
    free(text);
}

#define KEY "dlq/year=2026/month=11/day=22/hour=01/01T.json"
#define KEY_ENCODED "dlq%2Fyear%3D2026%2Fmonth%3D11%2Fday%3D22%2Fhour%3D01%2F01T.json"

static void show_prints_it_all(void **state)
{
    (void)state;
    const char *event =
        "{\"key\":\"" KEY "\",\"trace_id\":\"01T\",\"source\":\"g\",\"event_id\":\"e\","
        "\"schema_version\":\"\",\"error_class\":\"rejected\",\"error\":\"no\\u009b\","
        "\"retry_count\":2,\"parked\":false,\"claimed_by\":null,"
        "\"attempts\":[{\"at\":\"T1\",\"attempt\":1,\"error\":\"late\",\"status\":75,\"ms\":12}],"
        "\"original_encoding\":\"raw\",\"original_body\":\"{\\\"a\\\":\\n100.10}\\u0007\"}";
    char *args[] = {KEY};
    SERVE({200, event}, {200, event});
    expect(command_dlq_show, (struct ctl){0}, 1, args, EX_OK,
           "key             " KEY "\n"
           "trace_id        01T\n"
           "source          g\n"
           "event_id        e\n"
           "error_class     rejected\n"
           "error           no\n"
           "retry_count     2\n"
           "parked          false\n"
           "\n"
           "AT  ATTEMPT  STATUS  MS  ERROR\n"
           "T1  1        75      12  late\n"
           "\n"
           "original body:\n"
           "{\"a\":\n"
           "100.10}\n");
    expect(command_dlq_show, (struct ctl){.json = true}, 1, args, EX_OK, "\"retry_count\": 2");
    expect_requests("GET /api/v1/dlq/events/" KEY_ENCODED "\n"
                    "GET /api/v1/dlq/events/" KEY_ENCODED "\n");
    SERVE({200, "{\"original_encoding\":\"base64\",\"original_body\":\"/w==\"}"});
    expect(command_dlq_show, (struct ctl){0}, 1, args, EX_OK, "base64 body:\n/w==\n");
}

static void drop_deletes_each(void **state)
{
    (void)state;
    char *args[] = {KEY, "b", "c\x1b"};
    SERVE({204, ""}, {404, "{\"error\":\"not there\"}"}, {200, "{}"});
    expect(command_dlq_drop, (struct ctl){0}, 3, args, 1, "sluicectl: not there\n");
    expect_requests("DELETE /api/v1/dlq/events/" KEY_ENCODED "\n"
                    "DELETE /api/v1/dlq/events/b\n"
                    "DELETE /api/v1/dlq/events/c%1B\n");
    SERVE({204, ""}, {204, ""}, {204, ""});
    expect(command_dlq_drop, (struct ctl){0}, 3, args, EX_OK, "dropped b\ndropped c\n");
    SERVE({204, ""}, {403, "{\"error\":\"admins only\"}"});
    expect(command_dlq_drop, (struct ctl){.json = true}, 3, args, EX_NOPERM, "\"dropped\": [");
    expect_requests("DELETE /api/v1/dlq/events/" KEY_ENCODED "\n"
                    "DELETE /api/v1/dlq/events/b\n");
}

#define DONE(key, note) "{\"key\":\"" key "\",\"trace_id\":\"t\",\"event_id\":\"e\"" note "}"
#define FAILED(key)                                                                                \
    "{\"key\":\"" key "\",\"trace_id\":\"t\",\"event_id\":\"f\",\"error\":\"no\\u0000t\","         \
    "\"class\":\"rejected\",\"retry_count\":7}"

static void retry_tries_a_page(void **state)
{
    (void)state;
    SERVE(
        {200, "{\"processed\":[" DONE("a", "") "," DONE(
                  "b", ",\"note\":\"already delivered\"") "],\"failed\":[],\"next_token\":\"\"}"});
    expect(command_dlq_retry, (struct ctl){0}, 0, NULL, EX_OK,
           "OUTCOME    KEY  EVENT  REASON\n"
           "processed  a    e      -\n"
           "processed  b    e      already delivered\n"
           "2 processed, 0 failed\n");
    expect_requests("POST /api/v1/dlq/retry {\"limit\":20}\n");
    SERVE({200, "{\"processed\":[],\"failed\":[],\"next_token\":\"\"}"});
    expect(command_dlq_retry, (struct ctl){0}, 0, NULL, EX_OK, "0 processed, 0 failed\n");
    SERVE({200, "{\"processed\":[" DONE("a", "") "],\"failed\":[],\"next_token\":\"\"}"});
    expect(command_dlq_retry, (struct ctl){.dry_run = true, .force = true, .source = "g"}, 0, NULL,
           EX_OK, "would try  a    e      -\n1 would be tried, 0 failed\n");
    expect_requests("POST /api/v1/dlq/retry "
                    "{\"limit\":20,\"source\":\"g\",\"dry_run\":true,\"force\":true}\n");
}

static void retry_goes_on_until_it_is_done(void **state)
{
    (void)state;
    SERVE({200, "{\"processed\":[" DONE("a", "") "],\"failed\":[],\"next_token\":\"t1\"}"},
          {200, "{\"processed\":[],\"failed\":[],\"next_token\":\"t2\"}"},
          {200, "{\"processed\":[],\"failed\":[{\"key\":\"b\",\"event_id\":\"f\","
                "\"error\":\"exit 1\"}],\"errors\":[\"a page is missing\"],"
                "\"next_token\":\"\"}"});
    expect(command_dlq_retry,
           (struct ctl){.all = true, .error_class = "exhausted", .from = "A", .to = "B"}, 0, NULL,
           1, "failed  b  f  exit 1\nsluicectl: a page is missing\n1 processed, 1 failed\n");
#define REST "\"error_class\":\"exhausted\",\"from\":\"A\",\"to\":\"B\"}\n"
    expect_requests("POST /api/v1/dlq/retry {\"limit\":100," REST
                    "POST /api/v1/dlq/retry {\"limit\":100,\"next_token\":\"t1\"," REST
                    "POST /api/v1/dlq/retry {\"limit\":100,\"next_token\":\"t2\"," REST);
    /* Fewer than wanted, because its time was over: it goes on with what is left. */
    SERVE({200, "{\"processed\":[" DONE("a", "") "],\"failed\":[],\"next_token\":\"t1\"}"},
          {200, "{\"processed\":[" DONE("b", "") "],\"failed\":[],\"next_token\":\"t2\"}"});
    expect(command_dlq_retry, (struct ctl){.limit = "2", .json = true}, 0, NULL, EX_OK,
           "\"next_token\": \"t2\"");
    expect_requests("POST /api/v1/dlq/retry {\"limit\":2}\n"
                    "POST /api/v1/dlq/retry {\"limit\":1,\"next_token\":\"t1\"}\n");
}

static void retry_says_what_was_done_before_it_broke(void **state)
{
    (void)state;
    SERVE({200, "{\"processed\":[" DONE("a", "") "],\"failed\":[],\"next_token\":\"t1\"}"},
          {503, "{\"error\":\"the bucket is away\"}"});
    expect(command_dlq_retry, (struct ctl){.all = true}, 0, NULL, EX_TEMPFAIL,
           "sluicectl: the bucket is away\n1 processed, 0 failed; there are more");
    SERVE({503, "{\"error\":\"the bucket is away\"}"});
    expect(command_dlq_retry, (struct ctl){.all = true}, 0, NULL, EX_TEMPFAIL, "away\n");
    /* Nothing moves: it stops rather than ask for ever. */
    SERVE({200, "{\"processed\":[],\"failed\":[],\"next_token\":\"t\"}"},
          {200, "{\"processed\":[],\"failed\":[],\"next_token\":\"t\"}"});
    expect(command_dlq_retry, (struct ctl){.all = true}, 0, NULL, EX_OK, "there are more");
}

static void retry_takes_keys(void **state)
{
    (void)state;
    char *args[101], names[101][8];
    for (int i = 0; i < 101; i++) {
        snprintf(names[i], sizeof(names[i]), "k%d", i);
        args[i] = names[i];
    }
    SERVE({200, "{\"processed\":[" DONE("k0", "") "],\"failed\":[" FAILED(
                    "k1") "],\"next_token\":\"t\"}"},
          {200, "{\"processed\":[],\"failed\":[],\"next_token\":\"\"}"},
          {200, "{\"processed\":[" DONE("k100", "") "],\"failed\":[],\"next_token\":\"\"}"});
    expect(command_dlq_retry, (struct ctl){.force = true}, 101, args, 1, "2 processed, 1 failed\n");
    char *text = requests();
    assert_non_null(strstr(text, "{\"limit\":100,\"force\":true,\"keys\":[\"k0\",\"k1\","));
    assert_non_null(strstr(text, "{\"limit\":98,\"next_token\":\"t\",\"force\":true,\"keys\":["));
    assert_non_null(strstr(text, "{\"limit\":1,\"force\":true,\"keys\":[\"k100\"]}\n"));
    free(text);
    expect(command_dlq_retry, (struct ctl){.all = true}, 1, args, EX_USAGE, "not both");
    expect(command_dlq_retry, (struct ctl){.limit = "3"}, 1, args, EX_USAGE, "not both");
}

static void trace_shows_both_sides(void **state)
{
    (void)state;
    const char *answer =
        "{\"trace_id\":\"01T\",\"source\":\"g\",\"event_id\":\"\",\"complete\":true,"
        "\"errors\":[\"late\"],\"ledger\":{\"state\":\"dead\",\"attempts\":6,"
        "\"error\":\"\",\"at\":null,\"history\":[{\"at\":\"T1\",\"attempt\":1,\"error\":\"late\","
        "\"status\":75,\"ms\":12}]},\"dead_letter\":{\"key\":\"k\",\"error\":\"late\"}}";
    char *args[] = {"01T/x"};
    SERVE({200, answer}, {200, answer});
    expect(command_trace, (struct ctl){0}, 1, args, EX_OK,
           "trace_id        01T\n"
           "source          g\n"
           "\n"
           "ledger\n"
           "state           dead\n"
           "attempts        6\n"
           "\n"
           "AT  ATTEMPT  STATUS  MS  ERROR\n"
           "T1  1        75      12  late\n"
           "\n"
           "dead letter\n"
           "key             k\n"
           "error           late\n");
    expect(command_trace, (struct ctl){.json = true}, 1, args, EX_OK, "\"trace_id\": \"01T\"");
    expect_requests("GET /api/v1/trace/01T%2Fx\nGET /api/v1/trace/01T%2Fx\n");
    SERVE({200, "{\"complete\":false,\"ledger\":null,\"dead_letter\":null}"},
          {404, "{\"error\":\"no dead letter and no record\",\"events\":[]}"});
    expect(command_trace, (struct ctl){.source = "g", .event_id = "a+b"}, 0, NULL, EX_OK,
           "ledger\nno record\n\ndead letter\nnone among those looked at\n");
    expect(command_trace, (struct ctl){.source = "g", .event_id = "a+b"}, 0, NULL, 1,
           "sluicectl: no dead letter and no record\n");
    expect_requests("GET /api/v1/trace?source=g&event_id=a%2Bb\n"
                    "GET /api/v1/trace?source=g&event_id=a%2Bb\n");
    expect(command_trace, (struct ctl){0}, 0, NULL, EX_USAGE, "usage");
    expect(command_trace, (struct ctl){.source = "g"}, 0, NULL, EX_USAGE, "usage");
    expect(command_trace, (struct ctl){.source = "g"}, 1, args, EX_USAGE, "usage");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(list_prints_a_table),
        TEST(cells_are_cut_between_characters),
        TEST(list_asks_for_what_is_wanted),
        TEST(what_was_had_is_printed),
        TEST(answers_that_are_no),
        TEST(show_prints_it_all),
        TEST(drop_deletes_each),
        TEST(retry_tries_a_page),
        TEST(retry_goes_on_until_it_is_done),
        TEST(retry_says_what_was_done_before_it_broke),
        TEST(retry_takes_keys),
        TEST(trace_shows_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
