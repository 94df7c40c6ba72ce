#ifndef WORKERS_ASKING_H
#define WORKERS_ASKING_H

#include <jansson.h>
#include <stdint.h>

/* What this worker lacks from the keyring: `need` and `stale` messages (common/ipc/message.h), sent
 * at once and then each second until the item has come. Asking again for what is being asked for
 * does nothing, so whoever waits may ask as often as it likes. */
struct asking;
struct event_base;

struct asking_item { /* strings are copied */
    const char *kind;
    const char *identity;
    const char *region;  /* "" where the kind has none */
    const char *service; /* "" where the kind has none */
};

/* send: takes over the message. */
struct asking *asking_new(struct event_base *base, void (*send)(void *arg, json_t *msg), void *arg);
void asking_free(struct asking *a);

void asking_need(struct asking *a, const struct asking_item *item);
/* The item of this version was refused; ended by one of another version. */
void asking_stale(struct asking *a, const struct asking_item *item, int64_t version);

/* A material has come: what it answers is asked for no more. */
void asking_answered(struct asking *a, const json_t *material);

#endif
