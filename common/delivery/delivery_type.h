#ifndef COMMON_DELIVERY_DELIVERY_TYPE_H
#define COMMON_DELIVERY_DELIVERY_TYPE_H

#include <stdbool.h>

#include "common/delivery/delivery.h"

/* What a kind of destination gives to delivery.c. A new kind is one file with one of these tables
 * and a line in delivery.c. */
struct delivery_type {
    const char *name; /* the word in the configuration */
    /* NULL with a logged reason where it cannot be used. */
    void *(*open)(struct event_base *base, const char *name, const json_t *conf,
                  struct tokens *tokens);
    void (*close)(void *destination);
    /* Returns the attempt, which ends with one delivery_finish(delivery, …), never called from
     * inside start, unless it is cancelled. The type frees its attempt in either case. */
    void *(*start)(void *destination, const struct webhook *hook, int attempt,
                   struct delivery *delivery);
    void (*cancel)(void *attempt);
    /* Whether the attempt still waits for a free place. Optional. */
    bool (*waiting)(const void *attempt);
    /* destination_note_groups. Only of a type that runs programs. */
    void (*note_groups)(void *destination, const struct delivery_groups *groups);
};

extern const struct delivery_type to_exec_type;
extern const struct delivery_type to_file_type;
extern const struct delivery_type to_http_type;

/* The attempt's idempotency key (delivery_ids.h), for a type that can pass it on. */
const char *delivery_key(const struct delivery *delivery);

/* Around code that handles what is in the event and may run outside of start. */
void delivery_handling(const struct delivery *delivery, bool begins);

/* What the outcome's retry_after_s will be; before delivery_finish. */
void delivery_set_retry_after(struct delivery *delivery, int seconds);

/* The failure is the destination's, not the event's own; before delivery_finish. */
void delivery_blame_destination(struct delivery *delivery);

/* Ends an attempt: fills in the time, makes the error text safe, runs the callback. The delivery
 * is gone after it. error may be any bytes up to a NUL. */
void delivery_finish(struct delivery *delivery, enum verdict verdict, const char *class,
                     const char *error, int status);

#endif
