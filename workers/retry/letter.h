#ifndef WORKERS_RETRY_LETTER_H
#define WORKERS_RETRY_LETTER_H

#include "common/delivery/deadletter_object.h"
#include "workers/retry/dead_letters.h"

/* One dead letter in the bucket: read, written back and deleted only as it was read (If-Match). */
struct letter { /* to be read; the object may be changed before letter_store */
    char *key;  /* own */
    struct deadletter_object *object; /* own; NULL until it is read */
    char *bytes;                      /* own: as it is in the bucket */
    size_t len;
    struct letter_own *own;
};

enum letter_answer {
    LETTER_OK,
    LETTER_GONE,       /* there is none under that key */
    LETTER_CHANGED,    /* somebody else has written it since it was read */
    LETTER_UNREADABLE, /* it is no dead letter */
    LETTER_TROUBLE,    /* the storage does not answer as it should: it may have been done */
};

/* text says what is in the way; borrowed for the call. Once a call, never from inside it. */
typedef void letter_cb(void *arg, enum letter_answer answer, const char *text);

struct letter *letter_new(const struct dead_letters *d, const char *key);
/* A call under way ends without its callback. */
void letter_free(struct letter *l);

/* One call at a time. */
void letter_read(struct letter *l, letter_cb *done, void *arg);
/* Writes the object as it is now. An answer that was lost is found out: where a condition fails
 * because of our own write, that is LETTER_OK. */
void letter_store(struct letter *l, letter_cb *done, void *arg);
/* LETTER_OK where it is gone, too: a delete whose answer was lost finds nothing when it is
 * repeated, or fails its condition. Never LETTER_GONE. */
void letter_delete(struct letter *l, letter_cb *done, void *arg);

#endif
