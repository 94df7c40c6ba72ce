#ifndef TESTS_UNIT_WORKERS_STORE_SERVICE_WORLD_H
#define TESTS_UNIT_WORKERS_STORE_SERVICE_WORLD_H

/* A database of its own and one call at a time, as the turn makes them but without HTTP, on an
 * injected clock. For the tests of one service. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/store/db.h"
#include "workers/store/service.h"

struct world {
    char dir[64];
    struct db *db;
    const struct service *service;
    int64_t now_ms;
    bool full;
    struct service_answer answer; /* the last one */
};

static int world_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void world_open(struct world *w, const struct service *service)
{
    log_setup(LOG_LEVEL_ERROR, false);
    strcpy(w->dir, "/tmp/sluice-store-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    struct db_options options = {.dir = w->dir, .lock_fd = -1};
    w->db = db_open(&options);
    assert_non_null(w->db);
    w->service = service;
    w->now_ms = 1800000000000;
}

static inline void world_close(struct world *w)
{
    service_answer_clear(&w->answer);
    db_close(w->db);
    nftw(w->dir, world_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* One turn with one call (taken over). */
static inline void world_run(struct world *w, struct service_call *call)
{
    const struct service *s = w->service;
    struct service_context context = {.db = w->db, .now_ms = w->now_ms, .full = w->full};
    bool wrote;
    service_answer_clear(&w->answer);
    w->answer.xml = s->target_prefix == NULL;
    assert_int_equal(db_begin(w->db), 0);
    assert_int_equal(db_savepoint(w->db), 0);
    assert_int_equal(s->run(s->state, &context, call, &w->answer), SERVICE_ANSWERED);
    assert_int_equal(db_release(w->db), 0);
    assert_int_equal(db_commit(w->db, &wrote), 0);
    s->committed(s->state);
    service_call_clear(call);
}

static inline enum service_verdict world_sweep(struct world *w)
{
    const struct service *s = w->service;
    struct service_context context = {.db = w->db, .now_ms = w->now_ms};
    bool wrote;
    assert_int_equal(db_begin(w->db), 0);
    enum service_verdict verdict = s->sweep ? s->sweep(s->state, &context) : SERVICE_ANSWERED;
    assert_int_equal(db_commit(w->db, &wrote), 0);
    s->committed(s->state);
    return verdict;
}

/* Of the last answer; "" where there is none. */
static inline const char *world_header(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->answer.header_count; i++)
        if (strcasecmp(w->answer.headers[i].name, name) == 0)
            return w->answer.headers[i].value;
    return "";
}

#endif
