#include "tests/unit/common/delivery/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/delivery/check.h"
#include "common/delivery/delivery_ids.h"
#include "common/delivery/standard_webhooks.h"
#include "tests/unit/common/fake_http.h"

#define STEPS(list) list, sizeof(list) / sizeof((list)[0])
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

struct world {
    struct event_base *base;
    struct fake_http *server;
    json_t *conf;
    struct destination *to;
};

static json_t *conf_new(const char *url)
{
    json_t *conf = json_pack(
        "{s:s,s:s,s:s,s:{},s:[],s:i,s:i,s:i,s:i,s:i,s:[s],s:s,s:s,s:s,s:s}", "type", "http", "url",
        url, "method", "POST", "headers", "secrets", "timeout_s", 2, "connect_timeout_s", 2,
        "max_running", 4, "max_response_bytes", 1024, "retry_after_cap_s", 300, "allow_networks",
        "127.0.0.0/8", "ca_file", "", "cert_file", "", "key_file", "", "oauth", "");
    assert_non_null(conf);
    return conf;
}

static struct world world_new(const struct fake_step *steps, size_t count)
{
    struct world w = {.base = event_base_new()};
    w.server = fake_tcp(w.base, steps, count);
    char *url = xasprintf("%s/in?x=1", w.server->url);
    w.conf = conf_new(url);
    free(url);
    return w;
}

static void world_open(struct world *w)
{
    w->to = destination_new(w->base, "crm", w->conf, NULL);
    assert_non_null(w->to);
}

static void world_free(struct world *w)
{
    destination_free(w->to);
    json_decref(w->conf);
    fake_free(w->server);
    event_base_free(w->base);
}

struct result {
    int ended;
    enum verdict verdict;
    char class[32];
    char error[256];
    int status;
    int retry_after_s;
};

static void take(void *arg, const struct delivery_outcome *o)
{
    struct result *r = arg;
    r->ended++;
    r->verdict = o->verdict;
    snprintf(r->class, sizeof(r->class), "%s", o->class);
    snprintf(r->error, sizeof(r->error), "%s", o->error);
    r->status = o->status;
    r->retry_after_s = o->retry_after_s;
}

static struct result deliver(struct world *w, struct webhook *h, int attempt,
                             const struct delivery_record *record)
{
    struct result r = {0};
    delivery_start(w->to, h, attempt, record, take, &r);
    assert_int_equal(r.ended, 0);
    run_until(w->base, &r.ended, 1);
    webhook_free(h);
    return r;
}

/* One attempt against one step. */
static struct result against(struct fake_step step)
{
    struct world w = world_new(&step, 1);
    world_open(&w);
    struct result r = deliver(&w, hook_new("{}", 2), 1, NULL);
    world_free(&w);
    return r;
}

static void expect_header(const struct world *w, size_t n, const char *name, const char *expected)
{
    char *value = fake_header(w->server, n, name);
    assert_string_equal(value ? value : "(none)", expected ? expected : "(none)");
    free(value);
}

static void the_request(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{202, "thanks", NULL, NULL, false}};
    struct world w = world_new(STEPS(steps));
    json_object_set_new(json_object_get(w.conf, "headers"), "X-Api-Key", json_string("k 1"));
    world_open(&w);
    struct webhook *h = hook_new("{\"a\": 1.10} ", 12);
    free(h->event_id);
    h->event_id = xstrdup("e\r\nX-Evil: \xc3\xbc");
    char key[DELIVERY_IDS_KEY_BYTES], traceparent[DELIVERY_IDS_TRACEPARENT_BYTES];
    char *id = xasprintf("crm|genesys|%s", h->event_id);
    delivery_ids_key(id, 0, key);
    delivery_ids_traceparent("01TRACE", 3, traceparent);
    struct result r = deliver(&w, h, 3, NULL);
    assert_int_equal(r.verdict, DELIVERED);
    assert_int_equal(r.status, 202);
    assert_string_equal(r.error, "");
    assert_memory_equal(w.server->requests[0], "POST /in?x=1 HTTP/1.1\r\n", 23);
    assert_string_equal(fake_body(w.server, 0), "{\"a\": 1.10} ");
    expect_header(&w, 0, "Content-Type", "application/json");
    expect_header(&w, 0, "Content-Length", "12");
    expect_header(&w, 0, "Idempotency-Key", key);
    expect_header(&w, 0, "Sluice-Attempt", "3");
    expect_header(&w, 0, "Sluice-Trace", "01TRACE");
    expect_header(&w, 0, "Sluice-Source", "genesys");
    expect_header(&w, 0, "Sluice-Event-Id", "e%0D%0AX-Evil: %C3%BC");
    expect_header(&w, 0, "Sluice-Schema-Version", "v2.1");
    expect_header(&w, 0, "traceparent", traceparent);
    expect_header(&w, 0, "X-Api-Key", "k 1");
    expect_header(&w, 0, "X-Evil", NULL);
    expect_header(&w, 0, "webhook-id", NULL);
    expect_header(&w, 0, "webhook-signature", NULL);
    expect_header(&w, 0, "Expect", NULL);
    free(id);
    world_free(&w);
}

static void an_empty_body_without_type(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, NULL, NULL, NULL, false}};
    struct world w = world_new(STEPS(steps));
    json_object_set_new(w.conf, "method", json_string("PUT"));
    world_open(&w);
    struct webhook *h = hook_new("", 0);
    h->content_type[0] = '\0';
    assert_int_equal(deliver(&w, h, 1, NULL).verdict, DELIVERED);
    assert_memory_equal(w.server->requests[0], "PUT /in", 7);
    expect_header(&w, 0, "Content-Length", "0");
    expect_header(&w, 0, "Content-Type", NULL);
    world_free(&w);
}

static void the_signature(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, NULL, NULL, NULL, false}};
    struct world w = world_new(STEPS(steps));
    json_array_append_new(json_object_get(w.conf, "secrets"), json_string(SECRET));
    json_array_append_new(json_object_get(w.conf, "secrets"), json_string("another, plain one"));
    world_open(&w);
    int64_t before = clock_wall_ms() / 1000;
    assert_int_equal(deliver(&w, hook_new("body", 4), 1, NULL).verdict, DELIVERED);
    char *id = fake_header(w.server, 0, "webhook-id");
    char *key = fake_header(w.server, 0, "idempotency-key");
    char *timestamp = fake_header(w.server, 0, "webhook-timestamp");
    assert_string_equal(id, key);
    assert_in_range(atoll(timestamp), before, before + 5);
    struct buf keys[2] = {{0}, {0}}, expected = {0};
    assert_int_equal(standard_webhooks_key(SECRET, &keys[0]), 0);
    assert_int_equal(standard_webhooks_key("another, plain one", &keys[1]), 0);
    standard_webhooks_sign(keys, 2, id, atoll(timestamp), "body", 4, &expected);
    expect_header(&w, 0, "webhook-signature", expected.data);
    buf_free(&keys[0]);
    buf_free(&keys[1]);
    buf_free(&expected);
    free(id);
    free(key);
    free(timestamp);
    world_free(&w);
}

static void repeats_have_one_key(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, NULL, NULL, NULL, false}};
    const struct delivery_record other = {.ledger_id = "crm|genesys|event 1#hash"};
    const struct delivery_record corrected = {.ledger_id = "crm|genesys|event 1", .revision = 1};
    struct world w = world_new(STEPS(steps));
    world_open(&w);
    deliver(&w, hook_new("x", 1), 1, NULL);
    deliver(&w, hook_new("x", 1), 2, NULL);
    deliver(&w, hook_new("y", 1), 1, &other);
    deliver(&w, hook_new("z", 1), 3, &corrected);
    char *keys[4];
    for (size_t i = 0; i < 4; i++)
        keys[i] = fake_header(w.server, i, "Idempotency-Key");
    assert_string_equal(keys[0], keys[1]);
    assert_string_not_equal(keys[0], keys[2]);
    assert_string_not_equal(keys[0], keys[3]);
    assert_string_not_equal(keys[2], keys[3]);
    for (size_t i = 0; i < 4; i++)
        free(keys[i]);
    world_free(&w);
}

static void verdicts(void **state)
{
    (void)state;
    struct result r = against((struct fake_step){500, "oops", NULL, NULL, false});
    assert_int_equal(r.verdict, RETRY);
    assert_string_equal(r.class, "destination");
    assert_string_equal(r.error, "HTTP status 500");
    assert_int_equal(r.status, 500);
    assert_int_equal(r.retry_after_s, 0);
    r = against(
        (struct fake_step){400, "bad \x01 thing", "Content-Type: text/plain\r\n", NULL, false});
    assert_int_equal(r.verdict, DEAD);
    assert_string_equal(r.class, "rejected");
    assert_string_equal(r.error, "HTTP status 400: bad ? thing");
    r = against((struct fake_step){302, NULL, "Location: http://x/?t=1\r\n", NULL, false});
    assert_int_equal(r.verdict, DEAD);
    assert_non_null(strstr(r.error, "redirects are not followed; it points to http://x/"));
    assert_null(strstr(r.error, "t=1"));
    r = against(
        (struct fake_step){.raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", .close = true});
    assert_int_equal(r.verdict, RETRY);
    assert_string_equal(r.class, "network");
    r = against((struct fake_step){.close = true});
    assert_int_equal(r.verdict, RETRY);
    assert_string_equal(r.class, "network");
    r = against((struct fake_step){0});
    assert_int_equal(r.verdict, RETRY);
    assert_string_equal(r.class, "timeout");
}

static void retry_after_is_passed_on_and_capped(void **state)
{
    (void)state;
    struct result r = against((struct fake_step){429, NULL, "Retry-After: 17\r\n", NULL, false});
    assert_int_equal(r.verdict, RETRY);
    assert_int_equal(r.retry_after_s, 17);
    r = against((struct fake_step){503, NULL, "Retry-After: 86400\r\n", NULL, false});
    assert_int_equal(r.retry_after_s, 300);
    r = against((struct fake_step){503, NULL,
                                   "Date: Sat, 21 Nov 2026 09:30:00 GMT\r\n"
                                   "Retry-After: Sat, 21 Nov 2026 09:30:40 GMT\r\n",
                                   NULL, false});
    assert_int_equal(r.retry_after_s, 40);
    r = against((struct fake_step){400, NULL, "Retry-After: 17\r\n", NULL, false});
    assert_int_equal(r.retry_after_s, 0);
}

static void a_long_answer_counts_by_its_status(void **state)
{
    (void)state;
    char body[5000];
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    assert_int_equal(against((struct fake_step){200, body, NULL, NULL, false}).verdict, DELIVERED);
    assert_int_equal(against((struct fake_step){500, body, NULL, NULL, false}).verdict, RETRY);
    assert_int_equal(against((struct fake_step){404, body, NULL, NULL, false}).verdict, DEAD);
}

static void closed_networks_are_not_called(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, NULL, NULL, NULL, false}};
    static const char *const hosts[] = {"127.0.0.1",  "localhost",  "127.1",
                                        "0x7f000001", "2130706433", "[::ffff:127.0.0.1]"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct world w = world_new(STEPS(steps));
        char *url = xasprintf("http://%s%s/", hosts[i], strrchr(w.server->url, ':'));
        json_object_set_new(w.conf, "url", json_string(url));
        json_array_clear(json_object_get(w.conf, "allow_networks"));
        world_open(&w);
        struct result r = deliver(&w, hook_new("x", 1), 1, NULL);
        assert_int_equal(r.verdict, RETRY);
        assert_string_equal(r.class, "network");
        if (!strstr(r.error, "is a loopback address: add its network to "
                             "destinations.crm.allow_networks"))
            fail_msg("%s: %s", hosts[i], r.error);
        assert_int_equal(w.server->connection_count, 0);
        free(url);
        world_free(&w);
    }
}

static void metadata_is_not_called(void **state)
{
    (void)state;
    struct world w = {.base = event_base_new()};
    w.conf = conf_new("http://169.254.169.254/latest/meta-data/");
    json_array_append_new(json_object_get(w.conf, "allow_networks"), json_string("0.0.0.0/0"));
    world_open(&w);
    struct result r = deliver(&w, hook_new("x", 1), 1, NULL);
    assert_int_equal(r.verdict, RETRY);
    assert_string_equal(r.error, "169.254.169.254 is a cloud's metadata address, which is never "
                                 "called");
    destination_free(w.to);
    json_decref(w.conf);
    event_base_free(w.base);
}

static void so_many_at_once(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{0}, {0}, {200, NULL, NULL, NULL, false}};
    struct world w = world_new(STEPS(steps));
    json_object_set_new(w.conf, "max_running", json_integer(2));
    world_open(&w);
    struct webhook *h = hook_new("x", 1);
    struct result r[4] = {{0}};
    struct delivery *d[4];
    for (int i = 0; i < 4; i++)
        d[i] = delivery_start(w.to, h, 1, NULL, take, &r[i]);
    assert_false(delivery_waiting(d[0]));
    assert_false(delivery_waiting(d[1]));
    assert_true(delivery_waiting(d[2]));
    assert_true(delivery_waiting(d[3]));
    run_ms(w.base, 100);
    assert_int_equal(w.server->request_count, 2);
    delivery_cancel(d[3]); /* one that waits */
    delivery_cancel(d[0]); /* one under way makes room */
    assert_false(delivery_waiting(d[2]));
    run_until(w.base, &r[2].ended, 1);
    assert_int_equal(r[2].verdict, DELIVERED);
    run_until(w.base, &r[1].ended, 1); /* its time is over */
    assert_string_equal(r[1].class, "timeout");
    assert_int_equal(r[0].ended + r[3].ended, 0);
    assert_int_equal(w.server->request_count, 3);
    webhook_free(h);
    world_free(&w);
}

/* First, so that the marks find it: an attempt's arg is its callback's. */
struct marked {
    struct result result;
    int depth, times;
};

static void mark(void *arg, bool begins)
{
    struct marked *m = arg;
    m->depth += begins ? 1 : -1;
    m->times += begins ? 1 : 0;
    assert_true(m->depth >= 0);
}

/* A request that waits for a place is made when another one ends. */
static void what_is_made_later_is_marked(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, NULL, NULL, NULL, false},
                                             {200, NULL, NULL, NULL, false}};
    const struct delivery_record record = {.handling = mark};
    struct world w = world_new(STEPS(steps));
    json_object_set_new(w.conf, "max_running", json_integer(1));
    world_open(&w);
    struct webhook *h = hook_new("x", 1);
    struct marked m[2] = {{.times = 0}};
    delivery_start(w.to, h, 1, &record, take, &m[0]);
    delivery_start(w.to, h, 1, &record, take, &m[1]);
    assert_int_equal(m[1].times, 0);
    run_until(w.base, &m[1].result.ended, 1);
    for (int i = 0; i < 2; i++) {
        assert_true(m[i].times > 0);
        assert_int_equal(m[i].depth, 0);
    }
    webhook_free(h);
    world_free(&w);
}

/* The delivery begins in the turn in which the check has passed. */
static void what_follows_a_check_is_marked(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "{}", NULL, NULL, false}};
    struct world w = world_new(STEPS(steps));
    bool failed = false;
    char path[] = "/tmp/sluice-check-XXXXXX";
    close(mkstemp(path));
    json_t *file = json_pack("{s:s,s:s}", "type", "file", "path", path);
    json_t *source = json_pack("{s:O}", "check", w.conf);
    struct check *check = check_new(w.base, "genesys", source, NULL, &failed);
    assert_non_null(check);
    w.to = destination_new(w.base, "ledger", file, NULL);
    const struct delivery_record record = {.handling = mark, .check = check};
    struct webhook *h = hook_new("x", 1);
    struct marked m = {.times = 0};
    delivery_start(w.to, h, 1, &record, take, &m);
    assert_int_equal(m.times, 0);
    run_until(w.base, &m.result.ended, 1);
    assert_int_equal(m.result.verdict, DELIVERED);
    assert_int_equal(m.times, 1);
    assert_int_equal(m.depth, 0);
    check_free(check);
    webhook_free(h);
    world_free(&w);
    json_decref(source);
    json_decref(file);
    unlink(path);
}

static void what_cannot_be_opened(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        bool is_list;
    } cases[] = {{"secrets", "whsec_?", true},
                 {"ca_file", "/nowhere/ca.pem", false},
                 {"cert_file", "/nowhere/cert.pem", false},
                 {"key_file", "/nowhere/key.pem", false}};
    struct event_base *base = event_base_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *conf = conf_new("https://crm.example.com/");
        json_t *value = json_string(cases[i].value);
        if (cases[i].is_list)
            json_array_append_new(json_object_get(conf, cases[i].key), value);
        else
            json_object_set_new(conf, cases[i].key, value);
        assert_null(destination_new(base, "crm", conf, NULL));
        json_decref(conf);
    }
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request),
        cmocka_unit_test(an_empty_body_without_type),
        cmocka_unit_test(the_signature),
        cmocka_unit_test(repeats_have_one_key),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(retry_after_is_passed_on_and_capped),
        cmocka_unit_test(a_long_answer_counts_by_its_status),
        cmocka_unit_test(closed_networks_are_not_called),
        cmocka_unit_test(metadata_is_not_called),
        cmocka_unit_test(so_many_at_once),
        cmocka_unit_test(what_is_made_later_is_marked),
        cmocka_unit_test(what_follows_a_check_is_marked),
        cmocka_unit_test(what_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
