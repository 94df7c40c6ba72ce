/* Our own clients of S3, DynamoDB and the ledger against the store in one process: real HTTP on a
 * Unix socket, real signatures, real turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/aws/dynamodb.h"
#include "common/aws/material.h"
#include "common/aws/s3.h"
#include "common/aws/sigv4.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/unix_socket.h"
#include "common/base/xalloc.h"
#include "common/delivery/ledger.h"
#include "workers/http_server.h"
#include "workers/store/db.h"
#include "workers/store/dynamodb_service.h"
#include "workers/store/intake.h"
#include "workers/store/s3_service.h"
#include "workers/store/turn.h"

struct fixture {
    char dir[64];
    char *socket;
    struct event_base *base;
    struct material *material;
    struct db *db;
    struct s3_service *s3;
    struct dynamodb_service *dynamodb;
    const struct service *services[2];
    struct turn *turn;
    struct http_server *server;
    struct aws_client *client;
    struct aws_endpoint objects;
    struct aws_endpoint items;
    int dropped_answers; /* so many of the next answers get lost */
    /* of the last call */
    bool done;
    enum aws_class class;
    int status;
    char code[64];
    char etag[64];
    char body[4096];
    size_t count;
    bool truncated;
    char token[2048];
    enum ledger_answer answer;
    struct ledger_claim *claim;
    enum ledger_state state;
    int attempts;
    bool attempts_over, key_conflict;
    enum ledger_written written;
};

/* ---- the store */

static int64_t now_ms(void *arg)
{
    (void)arg;
    return clock_wall_ms();
}

static int on_answer(void *arg, struct turn_asker asker, const struct service_answer *answer)
{
    struct fixture *f = arg;
    struct http_reply_header headers[32];
    struct http_reply reply = {.status = answer->status,
                               .headers = headers,
                               .body = answer->body ? answer->body : "",
                               .body_len = answer->body_len};
    for (size_t i = 0; i < answer->header_count; i++)
        headers[reply.header_count++] =
            (struct http_reply_header){answer->headers[i].name, answer->headers[i].value};
    if (f->dropped_answers > 0) {
        /* The client sees an answer that it must take for a lost one. */
        f->dropped_answers--;
        reply = (struct http_reply){.status = 500, .body = "", .body_len = 0};
    }
    return http_server_reply(asker.server, asker.ticket, &reply);
}

static void on_broken(void *arg, const char *why)
{
    (void)arg;
    fail_msg("%s", why);
}

static const struct turn_callbacks callbacks = {on_answer, on_broken, now_ms};

static void on_request(void *arg, const struct http_request *request, struct http_ticket ticket)
{
    struct fixture *f = arg;
    struct turn_asker asker = {f->server, ticket};
    struct service_answer answer = {0};
    struct service_call call = {0};
    const struct service *service = NULL;
    if (intake_take(f->services, 2, f->material, request, &service, &call, &answer))
        turn_add(f->turn, asker, service, &call);
    else
        turn_add_answer(f->turn, asker, &answer);
}

/* ---- fixture */

static void put_key(struct material *m, const char *service, const char *secret)
{
    unsigned char key[SIGV4_KEY_BYTES];
    char hex[65];
    char date[CLOCK_TEXT_BYTES];
    clock_amz_date(clock_wall_ms(), date);
    date[8] = '\0';
    sigv4_derive_key(secret, date, "local", service, key);
    for (int i = 0; i < SIGV4_KEY_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", key[i]);
    json_t *msg =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "t", "material", "kind",
                  "sigv4", "identity", "embedded", "region", "local", "service", service, "date",
                  date, "access_key_id", "AKID", "key", hex, "token", "", "version", 1);
    assert_int_equal(material_put(m, msg), 0);
    json_decref(msg);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    static const struct http_server_options options = {.max_headers_bytes = 16384,
                                                       .max_body_bytes = 8 << 20,
                                                       .max_connections = 64,
                                                       .max_pending = 64,
                                                       .max_held_bytes = 64 << 20,
                                                       .request_deadline_ms = 30000,
                                                       .idle_timeout_s = 60,
                                                       .retry_after_s = 1};
    struct fixture *f = xcalloc(1, sizeof(*f));
    log_setup(LOG_LEVEL_ERROR, false);
    strcpy(f->dir, "/tmp/sluice-own-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->socket = xasprintf("%s/store.sock", f->dir);
    f->base = event_base_new();
    f->material = material_new();
    put_key(f->material, "s3", "secret");
    put_key(f->material, "dynamodb", "secret");
    struct db_options db_options = {.dir = f->dir, .lock_fd = -1};
    f->db = db_open(&db_options);
    assert_non_null(f->db);
    f->s3 = s3_service_new();
    f->dynamodb = dynamodb_service_new();
    f->services[0] = s3_service_table(f->s3);
    f->services[1] = dynamodb_service_table(f->dynamodb);
    f->turn = turn_new(f->base, f->db, &callbacks, f);
    f->server = http_server_new(f->base, &options, on_request, f);
    assert_int_equal(
        http_server_listen(f->server, unix_socket_listen(f->socket, 0600), "unix:store"), 0);
    f->client = aws_client_new(f->base, f->material);
    f->objects = (struct aws_endpoint){.identity = "embedded",
                                       .region = "local",
                                       .service = "s3",
                                       .url = "http://store.local",
                                       .unix_socket = f->socket};
    f->items = f->objects;
    f->items.service = "dynamodb";
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    aws_client_free(f->client);
    http_server_free(f->server);
    turn_free(f->turn);
    s3_service_free(f->s3);
    dynamodb_service_free(f->dynamodb);
    db_close(f->db);
    material_free(f->material);
    event_base_free(f->base);
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f->socket);
    free(f);
    return 0;
}

static void wait_done(struct fixture *f)
{
    int64_t end = clock_mono_ms() + 20000;
    while (!f->done) {
        assert_true(clock_mono_ms() < end);
        event_base_loop(f->base, EVLOOP_ONCE);
    }
    f->done = false;
}

static void take_reply(struct fixture *f, const struct aws_reply *reply)
{
    f->done = true;
    f->class = reply->class;
    f->status = reply->status;
    snprintf(f->code, sizeof(f->code), "%s", reply->code);
    f->etag[0] = f->body[0] = '\0';
}

static void on_plain(void *arg, const struct aws_reply *reply)
{
    take_reply(arg, reply);
    snprintf(((struct fixture *)arg)->body, sizeof(((struct fixture *)arg)->body), "%.*s",
             (int)reply->body_len, reply->body_len ? reply->body : "");
}

/* ---- S3 */

static const struct s3_options limits = {
    .timeout_ms = 5000, .deadline_ms = 10000, .max_attempts = 1};

static void on_put(void *arg, const struct aws_reply *reply, const char *etag)
{
    struct fixture *f = arg;
    take_reply(f, reply);
    snprintf(f->etag, sizeof(f->etag), "%s", etag ? etag : "");
}

static void on_get(void *arg, const struct aws_reply *reply, const struct s3_got *got)
{
    struct fixture *f = arg;
    take_reply(f, reply);
    if (!got)
        return;
    snprintf(f->etag, sizeof(f->etag), "%s", got->etag);
    snprintf(f->body, sizeof(f->body), "%.*s", (int)got->body_len, (const char *)got->body);
}

static void on_list(void *arg, const struct aws_reply *reply, const struct s3_page *page)
{
    struct fixture *f = arg;
    const struct s3_listed *objects = page->objects;
    take_reply(f, reply);
    f->count = page->count;
    f->truncated = page->truncated;
    snprintf(f->token, sizeof(f->token), "%s", page->token);
    for (size_t i = 0; i < page->count; i++) {
        size_t len = strlen(f->body);
        assert_true(objects[i].size == 4 && objects[i].etag[0] == '"');
        assert_true(llabs(objects[i].modified_ms - clock_wall_ms()) < 60000);
        snprintf(f->body + len, sizeof(f->body) - len, "%s ", objects[i].key);
    }
}

static void put(struct fixture *f, const char *key, const char *body, bool once,
                const char *if_match)
{
    const struct http_header metadata[] = {{"event_id", "e-1"}, {"retry_count", "3"}};
    struct s3_put p = {.key = key,
                       .body = body,
                       .body_len = strlen(body),
                       .content_type = "application/json",
                       .metadata = metadata,
                       .metadata_count = 2,
                       .create_once = once,
                       .if_match = if_match};
    s3_put_object(f->client, &f->objects, "dead", &p, &limits, on_put, f);
    wait_done(f);
}

static void get(struct fixture *f, const char *key)
{
    s3_get_object(f->client, &f->objects, "dead", key, &limits, on_get, f);
    wait_done(f);
}

/* The first test: main makes the process's second COMMIT fail. */
static void test_failed_commit(void **state)
{
    struct fixture *f = *state;
    s3_create_bucket(f->client, &f->objects, "dead", &limits, on_plain, f);
    wait_done(f);
    assert_int_equal(f->class, AWS_OK);
    put(f, "dlq/a", "body", true, NULL);
    assert_int_equal(f->class, AWS_TRANSIENT);
    assert_int_equal(f->status, 500);
    assert_string_equal(f->code, "InternalError"); /* S3's XML */
    get(f, "dlq/a");
    assert_int_equal(f->class, AWS_MISSING);
    assert_int_equal(s3_service_counts(f->s3).objects_put, 0);
    put(f, "dlq/a", "body", true, NULL);
    assert_int_equal(f->class, AWS_OK);
}

static void test_objects(void **state)
{
    struct fixture *f = *state;
    static const char key[] = "dlq/year=2026/a b+c/\xc3\xa4.json";
    char first[64];
    put(f, key, "body", true, NULL);
    assert_int_equal(f->class, AWS_MISSING);
    assert_string_equal(f->code, "NoSuchBucket");
    s3_head_bucket(f->client, &f->objects, "dead", &limits, on_plain, f);
    wait_done(f);
    assert_int_equal(f->class, AWS_MISSING);
    for (int i = 0; i < 2; i++) { /* ours already: fine */
        s3_create_bucket(f->client, &f->objects, "dead", &limits, on_plain, f);
        wait_done(f);
        assert_int_equal(f->class, AWS_OK);
    }
    s3_head_bucket(f->client, &f->objects, "dead", &limits, on_plain, f);
    wait_done(f);
    assert_int_equal(f->class, AWS_OK);

    get(f, key);
    assert_int_equal(f->class, AWS_MISSING);
    put(f, key, "body", true, NULL);
    assert_int_equal(f->class, AWS_OK);
    strcpy(first, f->etag);
    assert_int_equal(strlen(first), 34);
    put(f, key, "body", true, NULL);
    assert_int_equal(f->class, AWS_CONFLICT);
    get(f, key);
    assert_int_equal(f->class, AWS_OK);
    assert_string_equal(f->body, "body");
    assert_string_equal(f->etag, first);
    put(f, key, "next", false, first);
    assert_int_equal(f->class, AWS_OK);
    put(f, key, "late", false, first);
    assert_int_equal(f->class, AWS_CONFLICT);
    put(f, "dlq/none", "late", false, first);
    assert_int_equal(f->class, AWS_MISSING);

    s3_delete_object(f->client, &f->objects, "dead", key, first, &limits, on_plain, f);
    wait_done(f);
    assert_int_equal(f->class, AWS_CONFLICT);
    for (int i = 0; i < 2; i++) {
        s3_delete_object(f->client, &f->objects, "dead", key, NULL, &limits, on_plain, f);
        wait_done(f);
        assert_int_equal(f->class, AWS_OK);
    }
}

static void list(struct fixture *f, const char *prefix, const char *after, int max,
                 const char *expected, bool truncated)
{
    const struct s3_range range = {prefix, after, "", max};
    s3_list_objects(f->client, &f->objects, "dead", &range, &limits, on_list, f);
    wait_done(f);
    assert_int_equal(f->class, AWS_OK);
    assert_string_equal(f->body, expected);
    assert_int_equal(f->truncated, truncated);
}

static void list_behind(struct fixture *f, const char *token, const char *expected)
{
    const struct s3_range range = {"dlq/", "", token, 1000};
    s3_list_objects(f->client, &f->objects, "dead", &range, &limits, on_list, f);
    wait_done(f);
    assert_int_equal(f->class, AWS_OK);
    assert_string_equal(f->body, expected);
}

static void test_listing(void **state)
{
    struct fixture *f = *state;
    s3_create_bucket(f->client, &f->objects, "dead", &limits, on_plain, f);
    wait_done(f);
    put(f, "dlq/b c", "four", false, NULL);
    put(f, "dlq/a&<", "four", false, NULL);
    put(f, "dlq/c+", "four", false, NULL);
    put(f, "other", "four", false, NULL);
    list(f, "dlq/", "", 1000, "dlq/a&< dlq/b c dlq/c+ ", false);
    list(f, "dlq/", "", 2, "dlq/a&< dlq/b c ", true);
    char *token = xstrdup(f->token);
    list_behind(f, token, "dlq/c+ ");
    free(token);
    list(f, "dlq/", "dlq/b c", 2, "dlq/c+ ", false);
    list(f, "", "dlq/c+", 10, "other ", false);
    list(f, "none/", "", 10, "", false);
}

/* ---- the ledger */

static const struct dynamodb_options item_limits = {
    .timeout_ms = 5000, .deadline_ms = 10000, .max_attempts = 1};

static void create_table(struct fixture *f)
{
    json_t *in =
        json_pack("{s:s, s:[{s:s, s:s}], s:[{s:s, s:s}], s:s}", "TableName", "ledger", "KeySchema",
                  "AttributeName", "id", "KeyType", "HASH", "AttributeDefinitions", "AttributeName",
                  "id", "AttributeType", "S", "BillingMode", "PAY_PER_REQUEST");
    dynamodb_call(f->client, &f->items, "CreateTable", in, &item_limits, on_plain, f);
    wait_done(f);
    assert_int_equal(f->class, AWS_OK);
}

static void on_claimed(void *arg, const struct ledger_result *result)
{
    struct fixture *f = arg;
    f->done = true;
    f->answer = result->answer;
    f->claim = result->claim;
    f->attempts_over = result->attempts_over;
    f->key_conflict = result->key_conflict;
    if (result->record) {
        f->state = result->record->state;
        f->attempts = result->record->attempts;
    }
    if (result->answer == LEDGER_UNREACHABLE)
        print_error("%s\n", result->error);
}

static void on_written(void *arg, enum ledger_written written, const char *error)
{
    struct fixture *f = arg;
    f->done = true;
    f->written = written;
    if (written == LEDGER_FAILED)
        print_error("%s\n", error);
}

static struct ledger *ledger_of(struct fixture *f)
{
    static const struct ledger_config config = {
        .table = "ledger", .claim_ms = 30000, .retention_s = 3600, .role = "consumer"};
    return ledger_new(f->client, &f->items, &config);
}

static void claim(struct fixture *f, struct ledger *l, const char *payload, int max_attempts)
{
    const struct ledger_key key = {"dest", "source", "event", payload};
    ledger_claim(l, &key, "trace", max_attempts, on_claimed, f);
    wait_done(f);
}

static void write_state(struct fixture *f, struct ledger_claim *c, enum ledger_state state)
{
    struct ledger_record *next = ledger_record_copy(ledger_claim_record(c));
    next->state = state;
    ledger_write(c, next, true, on_written, f);
    ledger_record_free(next);
    wait_done(f);
    assert_int_equal(f->written, LEDGER_WRITTEN);
    ledger_claim_free(c);
}

static void test_ledger(void **state)
{
    struct fixture *f = *state;
    struct ledger *l = ledger_of(f);
    create_table(f);
    claim(f, l, "p1", 3);
    assert_int_equal(f->answer, LEDGER_CLAIMED);
    assert_int_equal(f->state, LEDGER_OPEN);
    assert_int_equal(f->attempts, 1);
    struct ledger_claim *mine = f->claim;
    claim(f, l, "p1", 3);
    assert_int_equal(f->answer, LEDGER_BUSY);
    ledger_extend(mine, on_written, f);
    wait_done(f);
    assert_int_equal(f->written, LEDGER_WRITTEN);
    write_state(f, mine, LEDGER_OPEN); /* to be tried again at once */
    claim(f, l, "p1", 2);
    assert_int_equal(f->answer, LEDGER_CLAIMED);
    assert_int_equal(f->attempts, 2);
    assert_false(f->attempts_over);
    write_state(f, f->claim, LEDGER_OPEN);
    claim(f, l, "p1", 2);
    assert_int_equal(f->answer, LEDGER_CLAIMED);
    assert_true(f->attempts_over);
    assert_int_equal(f->attempts, 2);
    write_state(f, f->claim, LEDGER_DEAD);

    /* Another payload under the same key. */
    claim(f, l, "p2", 3);
    assert_int_equal(f->answer, LEDGER_CLAIMED);
    assert_true(f->key_conflict);
    assert_int_equal(f->attempts, 1);
    write_state(f, f->claim, LEDGER_DELIVERED);
    claim(f, l, "p2", 3);
    assert_int_equal(f->answer, LEDGER_CLAIMED);
    assert_int_equal(f->state, LEDGER_DELIVERED);
    assert_null(f->claim);

    /* A redrive of the dead one. */
    ledger_claim_redrive(l, "dest|source|event", "p1", "trace", false, on_claimed, f);
    wait_done(f);
    assert_int_equal(f->answer, LEDGER_CLAIMED);
    assert_int_equal(f->state, LEDGER_DEAD);
    mine = f->claim;
    ledger_claim_redrive(l, "dest|source|event", "p1", "trace", false, on_claimed, f);
    wait_done(f);
    assert_int_equal(f->answer, LEDGER_BUSY);
    write_state(f, mine, LEDGER_DELIVERED);
    ledger_claim_redrive(l, "dest|source|event", "p1", "trace", false, on_claimed, f);
    wait_done(f);
    assert_int_equal(f->answer, LEDGER_CLAIMED);
    assert_int_equal(f->state, LEDGER_DELIVERED);
    assert_null(f->claim);
    ledger_free(l);
}

/* A request whose answer got lost is repeated and recognised as one's own. */
static void test_lost_answers(void **state)
{
    struct fixture *f = *state;
    struct ledger *l = ledger_of(f);
    create_table(f);
    f->dropped_answers = 1;
    claim(f, l, "p1", 3);
    assert_int_equal(f->answer, LEDGER_CLAIMED);
    assert_int_equal(f->attempts, 1);
    f->dropped_answers = 1;
    write_state(f, f->claim, LEDGER_DELIVERED);
    claim(f, l, "p1", 3);
    assert_int_equal(f->state, LEDGER_DELIVERED);
    ledger_free(l);
}

static void test_unsigned_is_refused(void **state)
{
    struct fixture *f = *state;
    struct material *wrong = material_new();
    aws_client_free(f->client);
    put_key(wrong, "s3", "another secret");
    f->client = aws_client_new(f->base, wrong);
    s3_create_bucket(f->client, &f->objects, "dead", &limits, on_plain, f);
    wait_done(f);
    assert_int_equal(f->class, AWS_DENIED);
    assert_string_equal(f->code, "SignatureDoesNotMatch");
    aws_client_free(f->client);
    f->client = aws_client_new(f->base, f->material);
    material_free(wrong);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_failed_commit), TEST(test_objects),      TEST(test_listing),
        TEST(test_ledger),        TEST(test_lost_answers), TEST(test_unsigned_is_refused),
    };
    setenv("SLUICE_FAULT", "store.commit:2:fail", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
