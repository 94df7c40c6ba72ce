#ifndef WORKERS_RETRY_READING_H
#define WORKERS_RETRY_READING_H

#include "workers/retry/dead_letters.h"
#include "workers/retry/letter.h"
#include "workers/retry/walk.h"

/* Reads many dead letters, some at once: a walk whose jobs are reads. */
struct reading;

struct reading_options {
    const char *after, *beyond; /* as in walk.h; borrowed for reading_start */
    size_t limit, max_keys;
    int64_t start_until_mono_ms;
    /* Whether this key is worth reading. Optional. */
    bool (*wanted)(void *arg, const char *key);
    /* Once for each that was read, in the order in which they arrive; index counts the reads in the
     * order of the keys. letter->object is NULL where the answer is not LETTER_OK. Returns whether
     * it counts. */
    bool (*each)(void *arg, size_t index, const struct letter *letter, enum letter_answer answer,
                 const char *text);
    /* Once, never from inside reading_start; the reading frees itself after it. */
    void (*done)(void *arg, const struct walk_end *end);
    void *arg;
};

struct reading *reading_start(const struct dead_letters *d, const struct reading_options *options);
/* Reads nothing more; done follows. May be called from inside `each`. */
void reading_stop(struct reading *r);

#endif
