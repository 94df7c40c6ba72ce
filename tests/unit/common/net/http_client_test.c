#include "common/net/http_client.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/base/fdio.h"
#include "tests/unit/common/fake_http.h"

#define STEPS(list) list, sizeof(list) / sizeof((list)[0])

struct seen { /* what a callback was given, and what it does then */
    int calls;
    enum http_outcome outcome;
    int status;
    char body[256];
    char header[64];
    char error[256];
    int64_t first_byte;
    struct http_client *client;
    uint64_t cancel_id;
    const struct http_call *next; /* started from inside the callback */
};

static void see(void *arg, const struct http_answer *answer)
{
    struct seen *seen = arg;
    seen->calls++;
    seen->outcome = answer->outcome;
    seen->status = answer->status;
    snprintf(seen->body, sizeof(seen->body), "%s", answer->body);
    snprintf(seen->error, sizeof(seen->error), "%s", answer->error);
    const char *header = http_answer_header(answer, "x-Test");
    snprintf(seen->header, sizeof(seen->header), "%s", header ? header : "(none)");
    seen->first_byte = answer->first_byte_mono_ms;
    assert_int_equal(strlen(answer->body), answer->body_len);
    if (seen->cancel_id)
        http_client_cancel(seen->client, seen->cancel_id);
    if (seen->next) {
        const struct http_call *next = seen->next;
        seen->next = NULL;
        http_client_send(seen->client, next, see, seen);
    }
}

static struct http_call get(const char *url)
{
    return (struct http_call){
        .method = "GET", .url = url, .timeout_ms = 3000, .response_cap_bytes = 1000};
}

/* One call against one script. */
static struct seen ask(const struct fake_step *steps, size_t count, struct http_call call)
{
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_tcp(base, steps, count);
    struct http_client *client = http_client_new(base, 0);
    struct seen seen = {0};
    call.url = server->url;
    http_client_send(client, &call, see, &seen);
    assert_int_equal(seen.calls, 0);
    run_until(base, &seen.calls, 1);
    run_ms(base, 20);
    assert_int_equal(seen.calls, 1);
    http_client_free(client);
    fake_free(server);
    event_base_free(base);
    return seen;
}

static void gives_the_whole_answer(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{201, "hello", "X-Test:  a b \r\n", NULL, false}};
    int64_t before = clock_mono_ms();
    struct seen seen = ask(STEPS(steps), get(NULL));
    assert_int_equal(seen.outcome, HTTP_ANSWERED);
    assert_int_equal(seen.status, 201);
    assert_string_equal(seen.body, "hello");
    assert_string_equal(seen.header, "a b");
    assert_string_equal(seen.error, "");
    assert_true(seen.first_byte >= before && seen.first_byte <= clock_mono_ms());
}

static void sends_what_it_is_given(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    static const struct fake_step steps[] = {{200, "", NULL, NULL, false}};
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_tcp(base, STEPS(steps));
    struct http_client *client = http_client_new(base, 0);
    struct seen seen = {0};
    const struct http_header headers[] = {
        {"Host", "elsewhere:99"}, {"X-One", "1"}, {"X-Empty", ""}};
    char *url = xasprintf("%s/a/../b/./c//d?q=%%2f", server->url);
    struct http_call call = {.method = "PUT",
                             .url = url,
                             .headers = headers,
                             .header_count = 3,
                             .body = "body",
                             .body_len = 4,
                             .timeout_ms = 3000,
                             .response_cap_bytes = 1000};
    http_client_send(client, &call, see, &seen);
    run_until(base, &seen.calls, 1);
    assert_int_equal(seen.status, 200);
    assert_ptr_equal(strstr(server->requests[0], "PUT /a/../b/./c//d?q=%2f HTTP/1.1\r\n"),
                     server->requests[0]);
    assert_string_equal(fake_body(server, 0), "body");
    static const char *const EXPECTED[][2] = {{"host", "elsewhere:99"},
                                              {"x-one", "1"},
                                              {"x-empty", ""},
                                              {"content-length", "4"},
                                              {"expect", NULL},
                                              {"content-type", NULL},
                                              {"proxy-connection", NULL},
                                              {"transfer-encoding", NULL}};
    for (size_t i = 0; i < sizeof(EXPECTED) / sizeof(EXPECTED[0]); i++) {
        char *value = fake_header(server, 0, EXPECTED[i][0]);
        assert_string_equal(value ? value : "(none)", EXPECTED[i][1] ? EXPECTED[i][1] : "(none)");
        free(value);
    }
    unsetenv("http_proxy");
    free(url);
    http_client_free(client);
    fake_free(server);
    event_base_free(base);
}

static void methods_carry_the_right_length(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, NULL, NULL, NULL, false}};
    static const struct {
        const char *method, *body, *length;
    } CASES[] = {
        {"GET", "", NULL}, {"HEAD", "", NULL}, {"DELETE", "", NULL},
        {"POST", "", "0"}, {"PUT", "", "0"},   {"POST", "abc", "3"},
    };
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_tcp(base, STEPS(steps));
    struct http_client *client = http_client_new(base, 0);
    struct seen seen = {0};
    for (int i = 0; i < (int)(sizeof(CASES) / sizeof(CASES[0])); i++) {
        struct http_call call = get(server->url);
        call.method = CASES[i].method;
        call.body = CASES[i].body;
        call.body_len = strlen(CASES[i].body);
        http_client_send(client, &call, see, &seen);
        run_until(base, &seen.calls, i + 1);
        assert_int_equal(seen.outcome, HTTP_ANSWERED);
        assert_int_equal(strncmp(server->requests[i], call.method, strlen(call.method)), 0);
        char *length = fake_header(server, (size_t)i, "content-length");
        assert_string_equal(length ? length : "(none)",
                            CASES[i].length ? CASES[i].length : "(none)");
        free(length);
    }
    assert_int_equal(server->connection_count, 1); /* kept alive and used again */
    http_client_free(client);
    fake_free(server);
    event_base_free(base);
}

static void each_way_of_failing_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct fake_step step;
        enum http_outcome outcome;
    } CASES[] = {
        {"silence", {0, NULL, NULL, NULL, false}, HTTP_TIMEOUT},
        {"half an answer, then silence",
         {0, NULL, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false},
         HTTP_TIMEOUT},
        {"closed without an answer", {0, NULL, NULL, NULL, true}, HTTP_BROKEN},
        {"cut body",
         {0, NULL, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true},
         HTTP_BROKEN},
        {"cut chunk",
         {0, NULL, NULL, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", true},
         HTTP_BROKEN},
        {"cut head", {0, NULL, NULL, "HTTP/1.1 200 OK\r\nConte", true}, HTTP_BROKEN},
        {"garbage", {0, NULL, NULL, "\x16\x03\x01 what is this\r\n\r\n", true}, HTTP_BROKEN},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct http_call call = get(NULL);
        call.timeout_ms = 150;
        struct seen seen = ask(&CASES[i].step, 1, call);
        if (seen.outcome != CASES[i].outcome || seen.status != 0 || !*seen.error)
            fail_msg("%s: outcome %d, status %d, error \"%s\"", CASES[i].name, (int)seen.outcome,
                     seen.status, seen.error);
    }
}

static void large_answers_are_cut_off(void **state)
{
    (void)state;
    char big[2002];
    memset(big, 'x', 2001);
    big[2001] = '\0';
    struct fake_step step = {200, big + 1001, NULL, NULL, false};
    assert_int_equal(ask(&step, 1, get(NULL)).outcome, HTTP_ANSWERED);
    step.body = big + 1000;
    assert_int_equal(ask(&step, 1, get(NULL)).outcome, HTTP_TOO_LARGE);
    char *lines = xcalloc(1, 100001), *p = lines;
    for (int i = 0; i < 6000; i++)
        p += sprintf(p, "X-A: 01234567\r\n");
    struct fake_step many = {200, "", lines, NULL, false};
    assert_int_equal(ask(&many, 1, get(NULL)).outcome, HTTP_TOO_LARGE);
    free(lines);
}

static void framing_is_understood(void **state)
{
    (void)state;
    static const struct fake_step chunked = {0, NULL, NULL,
                                             "HTTP/1.1 100 Continue\r\nX-Test: interim\r\n\r\n"
                                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                             "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Test: trailer\r\n\r\n",
                                             false};
    struct seen seen = ask(&chunked, 1, get(NULL));
    assert_int_equal(seen.outcome, HTTP_ANSWERED);
    assert_string_equal(seen.body, "abcde");
    assert_string_equal(seen.header, "(none)");
    static const struct fake_step redirect = {302, "", "Location: /x\r\n", NULL, false};
    assert_int_equal(ask(&redirect, 1, get(NULL)).status, 302);
}

static void unreachable_means_not_sent(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct http_client *client = http_client_new(base, 0);
    struct seen seen = {0};
    char long_path[300];
    memset(long_path, 'd', sizeof(long_path));
    memcpy(long_path, "/nowhere/", 9);
    strcpy(long_path + 280, "/s.sock");
    const struct http_call calls[] = {
        {.method = "GET",
         .url = "http://127.0.0.1:1/",
         .timeout_ms = 2000,
         .response_cap_bytes = 1},
        {.method = "GET",
         .url = "http://store.local/",
         .unix_socket = "/nowhere/s.sock",
         .timeout_ms = 2000,
         .response_cap_bytes = 1},
        {.method = "GET",
         .url = "http://store.local/",
         .unix_socket = long_path,
         .timeout_ms = 2000,
         .response_cap_bytes = 1},
        {.method = "GET", .url = "ftp://127.0.0.1/", .timeout_ms = 2000, .response_cap_bytes = 1},
        {.method = "GET", .url = "file:///etc/passwd", .timeout_ms = 2000, .response_cap_bytes = 1},
    };
    for (int i = 0; i < (int)(sizeof(calls) / sizeof(calls[0])); i++) {
        http_client_send(client, &calls[i], see, &seen);
        assert_int_equal(seen.calls, i);
        run_until(base, &seen.calls, i + 1);
        assert_int_equal(seen.outcome, HTTP_UNREACHABLE);
        assert_true(*seen.error);
    }
    http_client_free(client);
    event_base_free(base);
}

/* A client certificate and its key behind a pass phrase, in one file; its name (free()). */
static char *locked_certificate(void)
{
    char *path = xstrdup("/tmp/sluice-unit-XXXXXX");
    FILE *file = fdopen(mkstemp(path), "w");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_true(PEM_write_X509(file, certificate));
    assert_true(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), (const unsigned char *)"phrase",
                                     6, NULL, NULL));
    X509_free(certificate);
    EVP_PKEY_free(key);
    fclose(file);
    return path;
}

/* A process of its own has a terminal, on which OpenSSL could ask; the outcome is its status. */
static void call_at_a_terminal(const char *url, const char *cert_file)
{
    setsid();
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (grantpt(master) || unlockpt(master) || open(ptsname(master), O_RDWR) < 0)
        _exit(99);
    struct event_base *base = event_base_new();
    struct http_client *client = http_client_new(base, 0);
    struct seen seen = {0};
    struct http_call call = get(url);
    call.tls.cert_file = cert_file;
    http_client_send(client, &call, see, &seen);
    while (seen.calls == 0)
        event_base_loop(base, EVLOOP_ONCE);
    _exit(strstr(seen.error, "pass phrase") ? (int)seen.outcome : 98);
}

static void nobody_is_asked_for_a_pass_phrase(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_tcp(base, NULL, 0);
    char *cert_file = locked_certificate();
    char *url = xasprintf("https%s", server->url + strlen("http"));
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        call_at_a_terminal(url, cert_file);
    struct pollfd ended = {.fd = pidfd_open(child, 0), .events = POLLIN};
    poll(&ended, 1, 10000);
    kill(child, SIGKILL);
    close(ended.fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status)); /* else it waited for an answer */
    assert_int_equal(WEXITSTATUS(status), HTTP_UNREACHABLE);
    unlink(cert_file);
    free(cert_file);
    free(url);
    fake_free(server);
    event_base_free(base);
}

static void unix_sockets_of_any_length(void **state)
{
    (void)state;
    char root[] = "/tmp/sluice-unit-XXXXXX";
    assert_non_null(mkdtemp(root));
    char *middle = xasprintf("%s/a directory with blanks that goes on and on for far more than "
                             "sockaddr_un has room for",
                             root);
    char *dir = xasprintf("%s/and then one more level because two hundred characters is what is "
                          "asked for in the end",
                          middle);
    assert_int_equal(fdio_make_dirs(dir, 0700), 0);
    char *path = xasprintf("%s/store.sock", dir);
    assert_true(strlen(path) > 200);
    static const struct fake_step steps[] = {{200, "long", NULL, NULL, true}};
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_unix(base, path, STEPS(steps));
    struct http_client *client = http_client_new(base, 0);
    struct seen seen = {0};
    struct http_call call = get("http://store.local/x");
    call.unix_socket = path;
    for (int i = 1; i <= 3; i++) {
        http_client_send(client, &call, see, &seen);
        run_until(base, &seen.calls, i);
        assert_int_equal(seen.outcome, HTTP_ANSWERED);
        assert_string_equal(seen.body, "long");
    }
    char *host = fake_header(server, 0, "host");
    assert_string_equal(host, "store.local");
    free(host);
    http_client_free(client);
    fake_free(server);
    event_base_free(base);
    assert_int_equal(unlink(path) | rmdir(dir) | rmdir(middle) | rmdir(root), 0);
    free(path);
    free(dir);
    free(middle);
}

static void cancelled_calls_are_silent(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "a", NULL, NULL, false}};
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_tcp(base, STEPS(steps));
    struct http_client *client = http_client_new(base, 0);
    struct seen first = {0}, second = {0}, third = {0};
    struct http_call call = get(server->url);
    first.client = client;
    http_client_send(client, &call, see, &first);
    first.cancel_id = http_client_send(client, &call, see, &second);
    http_client_cancel(client, http_client_send(client, &call, see, &third));
    http_client_cancel(client, 4711);
    run_until(base, &first.calls, 1);
    run_ms(base, 50);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 0);
    assert_int_equal(third.calls, 0);
    http_client_free(client);
    fake_free(server);
    event_base_free(base);
}

/* What was on its way still comes; a call that was not sent yet is cancelled, and silent. */
static void hanging_up_lets_the_answer_come(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "a", NULL, NULL, false},
                                             {0, NULL, NULL, NULL, false}};
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_tcp(base, STEPS(steps));
    struct http_client *client = http_client_new(base, 0);
    struct seen answered = {0}, ended = {0}, unsent = {0};
    struct http_call call = get(server->url);
    call.method = "POST";
    call.body = "what is posted";
    call.body_len = strlen(call.body);
    uint64_t id = http_client_send(client, &call, see, &answered);
    while (server->request_count == 0)
        event_base_loop(base, EVLOOP_ONCE);
    assert_true(http_client_hang_up(client, id));
    run_until(base, &answered.calls, 1);
    assert_int_equal(answered.status, 200);
    id = http_client_send(client, &call, see, &ended);
    while (server->request_count == 1)
        event_base_loop(base, EVLOOP_ONCE);
    assert_true(http_client_hang_up(client, id));
    assert_false(http_client_hang_up(client, http_client_send(client, &call, see, &unsent)));
    assert_false(http_client_hang_up(client, 4711));
    run_until(base, &ended.calls, 1);
    assert_int_not_equal(ended.outcome, HTTP_ANSWERED);
    run_ms(base, 50);
    assert_int_equal(unsent.calls, 0);
    assert_int_equal(server->request_count, 2);
    http_client_free(client);
    fake_free(server);
    event_base_free(base);
}

/* Both answers are there before either callback runs, and the first callback cancels the other. */
static void a_finished_call_can_be_cancelled(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "a", NULL, NULL, false}};
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_tcp(base, STEPS(steps));
    struct http_client *client = http_client_new(base, 0);
    struct seen one = {.client = client}, two = {.client = client};
    struct http_call call = get(server->url);
    two.cancel_id = http_client_send(client, &call, see, &one);
    one.cancel_id = http_client_send(client, &call, see, &two);
    run_ms(base, 100);
    assert_int_equal(one.calls + two.calls, 1);
    http_client_free(client);
    fake_free(server);
    event_base_free(base);
}

static void callbacks_may_start_calls(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "a", NULL, NULL, false},
                                             {202, "b", NULL, NULL, false}};
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_tcp(base, STEPS(steps));
    struct http_client *client = http_client_new(base, 0);
    struct http_call call = get(server->url);
    struct seen seen = {.client = client, .next = &call};
    http_client_send(client, &call, see, &seen);
    run_until(base, &seen.calls, 2);
    assert_int_equal(seen.status, 202);
    http_client_free(client);
    fake_free(server);
    event_base_free(base);
}

/* libcurl itself never times a call that waits for a connection. */
static void queued_calls_end_in_time(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{0, NULL, NULL, NULL, false}};
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_tcp(base, STEPS(steps));
    struct http_client *client = http_client_new(base, 1);
    struct seen parked = {0}, queued = {0};
    struct http_call call = get(server->url);
    http_client_send(client, &call, see, &parked);
    call.timeout_ms = 100;
    http_client_send(client, &call, see, &queued);
    run_until(base, &queued.calls, 1);
    assert_int_equal(queued.outcome, HTTP_UNREACHABLE);
    assert_int_equal(parked.calls, 0);
    http_client_free(client); /* with a call under way: silent, nothing leaks */
    assert_int_equal(parked.calls, 0);
    fake_free(server);
    event_base_free(base);
}

/* A kept connection that the server gave up is not an error. */
static void dead_connections_are_replaced(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "a", NULL, NULL, true}};
    struct event_base *base = event_base_new();
    struct fake_http *server = fake_tcp(base, STEPS(steps));
    struct http_client *client = http_client_new(base, 0);
    struct seen seen = {0};
    struct http_call call = get(server->url);
    for (int i = 1; i <= 5; i++) {
        http_client_send(client, &call, see, &seen);
        run_until(base, &seen.calls, i);
        assert_int_equal(seen.outcome, HTTP_ANSWERED);
    }
    http_client_free(client);
    fake_free(server);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_whole_answer),
        cmocka_unit_test(sends_what_it_is_given),
        cmocka_unit_test(methods_carry_the_right_length),
        cmocka_unit_test(each_way_of_failing_is_told),
        cmocka_unit_test(large_answers_are_cut_off),
        cmocka_unit_test(framing_is_understood),
        cmocka_unit_test(unreachable_means_not_sent),
        cmocka_unit_test(nobody_is_asked_for_a_pass_phrase),
        cmocka_unit_test(unix_sockets_of_any_length),
        cmocka_unit_test(cancelled_calls_are_silent),
        cmocka_unit_test(hanging_up_lets_the_answer_come),
        cmocka_unit_test(a_finished_call_can_be_cancelled),
        cmocka_unit_test(callbacks_may_start_calls),
        cmocka_unit_test(queued_calls_end_in_time),
        cmocka_unit_test(dead_connections_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
