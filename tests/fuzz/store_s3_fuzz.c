/* libFuzzer target: any method, target, header fields and body against the S3 service on a real
 * database. No input may fail the database, and every refusal is S3's XML. */
#include <assert.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/aws/sigv4.h"
#include "common/aws/xml.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/store/db.h"
#include "workers/store/s3_request.h"
#include "workers/store/s3_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct db *db;
    struct s3_service *s3;
    int64_t now_ms;
} world;

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
    s3_service_free(world.s3);
    db_close(world.db);
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void check_answer(const struct service_answer *a)
{
    assert(a->status >= 200 && a->status < 600);
    if (a->status < 400)
        return;
    char *code = xml_first_text(a->body, a->body_len, "Code");
    assert(code && *code);
    free(code);
}

static void run(const char *method, const char *target, const struct sigv4_header *headers,
                size_t header_count, const char *body)
{
    const struct service *s = s3_service_table(world.s3);
    struct service_context context = {.db = world.db, .now_ms = world.now_ms += 1000};
    char *path = xstrdup(target);
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    struct service_call call = {.operation = xstrdup(method),
                                .s3 = s3_request_new(method, path, query ? query : "", headers,
                                                     header_count, body, strlen(body))};
    struct service_answer answer = {.xml = true};
    bool wrote;
    int rc = db_begin(world.db) | db_savepoint(world.db);
    enum service_verdict verdict = s->run(s->state, &context, &call, &answer);
    rc |= db_release(world.db) | db_commit(world.db, &wrote);
    assert(rc == 0 && verdict == SERVICE_ANSWERED && db_state(world.db) == DB_FINE);
    s->committed(s->state);
    check_answer(&answer);
    service_answer_clear(&answer);
    service_call_clear(&call);
    free(path);
}

static void set_up(void)
{
    log_setup(LOG_LEVEL_ERROR, false);
    if (!mkdtemp(dir))
        abort();
    atexit(tear_down);
    struct db_options options = {.dir = dir, .lock_fd = -1, .max_mib = 512};
    world.db = db_open(&options);
    world.s3 = s3_service_new();
    world.now_ms = 1800000000000;
    run("PUT", "/bkt", NULL, 0, "");
    run("PUT", "/bkt/a/b", NULL, 0, "one");
    run("PUT", "/bkt/a/c", NULL, 0, "two");
    run("PUT", "/bkt/d", NULL, 0, "three");
}

/* Layout: a byte for the method, then lines: the target, "name: value" each, an empty line, the
 * body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "PUT", "DELETE", "HEAD", "POST"};
    struct sigv4_header headers[8];
    size_t count = 0;
    if (!world.db)
        set_up();
    if (size < 1)
        return 0;
    char *text = xmalloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    char *rest = text;
    const char *target = strsep(&rest, "\n");
    while (rest && *rest != '\n') {
        char *line = strsep(&rest, "\n");
        char *colon = strstr(line, ": ");
        if (!colon || count == 8)
            break;
        *colon = '\0';
        headers[count++] = (struct sigv4_header){line, colon + 2};
    }
    run(methods[data[0] % 5], target, headers, count, rest && *rest == '\n' ? rest + 1 : "");
    free(text);
    return 0;
}
