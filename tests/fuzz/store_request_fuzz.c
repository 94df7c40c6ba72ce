/* libFuzzer target: any operation with any JSON input against the SQS service on a real database,
 * and any Authorization header against the signature check. No input may fail the database, leave a
 * savepoint behind or make an answer that is not JSON; nothing unsigned may pass. */
#include <assert.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/aws/material.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/store/db.h"
#include "workers/store/sqs_service.h"
#include "workers/store/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const operations[] = {
    "SendMessage",
    "SendMessageBatch",
    "ReceiveMessage",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "CreateQueue",
    "SetQueueAttributes",
    "ChangeMessageVisibilityBatch",
    "GetQueueAttributes",
    "ListQueues",
    "GetQueueUrl",
    "PurgeQueue",
    "Unknown",
};

static struct {
    struct db *db;
    struct sqs_service *sqs;
    struct material *material;
    int64_t now_ms;
} world;

static void run(const char *operation, json_t *input)
{
    const struct service *s = sqs_service_table(world.sqs);
    struct service_context context = {.db = world.db, .now_ms = world.now_ms += 1000};
    struct service_call call = {.operation = xstrdup(operation), .input = input};
    struct service_answer answer = {0};
    bool wrote;
    int rc = db_begin(world.db) | db_savepoint(world.db);
    enum service_verdict verdict = s->run(s->state, &context, &call, &answer);
    rc |= db_release(world.db) | db_commit(world.db, &wrote);
    assert(rc == 0 && verdict != SERVICE_FAILED && db_state(world.db) == DB_FINE);
    s->committed(s->state);
    if (verdict == SERVICE_ANSWERED) {
        json_t *body = json_loads(answer.body, 0, NULL);
        assert(json_is_object(body));
        assert(answer.status == 200 || json_string_value(json_object_get(body, "__type")));
        json_decref(body);
    }
    service_answer_clear(&answer);
    service_call_clear(&call);
}

static char dir[] = "/tmp/sluice-fuzz-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void tear_down(void)
{
    sqs_service_free(world.sqs);
    material_free(world.material);
    db_close(world.db);
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void set_up(void)
{
    log_setup(LOG_LEVEL_ERROR, false);
    if (!mkdtemp(dir))
        abort();
    atexit(tear_down);
    struct db_options options = {.dir = dir, .lock_fd = -1, .max_mib = 512};
    world.db = db_open(&options);
    world.sqs = sqs_service_new();
    world.material = material_new();
    world.now_ms = 1800000000000;
    run("CreateQueue", json_pack("{s:s}", "QueueName", "dlq"));
    run("CreateQueue",
        json_pack("{s:s, s:{s:s}}", "QueueName", "q", "Attributes", "RedrivePolicy",
                  "{\"deadLetterTargetArn\":\"arn:aws:sqs:local:000000000000:dlq\"}"));
}

static void check_signature(const uint8_t *data, size_t size)
{
    char *text = xmalloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    struct sigv4_header headers[] = {
        {"Host", "x"}, {"X-Amz-Date", "20270115T080000Z"}, {"Authorization", text}};
    struct verify_input in = {"POST", "/", "", headers, 3, "", 0};
    struct verify_result out;
    bool good = verify_request(world.material, "local", "sqs", &in, 1800000000000, &out);
    assert(!good && out.status >= 400 && out.code[0] && out.message[0]);
    free(text);
}

/* Layout: a byte that chooses, then JSON text or the header's value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = sizeof(operations) / sizeof(operations[0]);
    if (!world.db)
        set_up();
    if (size < 1)
        return 0;
    if (data[0] >= 0x80) {
        check_signature(data + 1, size - 1);
        return 0;
    }
    json_t *input = json_loadb((const char *)data + 1, size - 1, 0, NULL);
    if (!json_is_object(input))
        json_decref(input);
    else
        run(operations[data[0] % count], input);
    return 0;
}
