#ifndef COMMON_DELIVERY_LEDGER_RECORD_H
#define COMMON_DELIVERY_LEDGER_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What the ledger knows of one event at one destination: a state, and what has to survive crashes
 * for it. Pure: from and to DynamoDB items, no I/O. */
enum ledger_state {
    LEDGER_OPEN,      /* being tried: attempts, not_before, history */
    LEDGER_MOVING,    /* a requeue is under way: its copy carries seq */
    LEDGER_DYING,     /* never deliver again: the dead letter is being written; at ends the round */
    LEDGER_DEAD,      /* the dead letter is written; at and message_id name the round that ended */
    LEDGER_DELIVERED, /* at */
};

#define LEDGER_HISTORY_MAX 10
#define LEDGER_ERROR_BYTES 200

struct ledger_record { /* strings are own and never NULL */
    enum ledger_state state;
    int attempts;
    int seq;      /* of the newest requeued copy; a message without RetryCount counts as 0 */
    int revision; /* of a corrected payload */
    int excused;  /* of the message's receives: those that count neither as attempts nor as stuck */
    int64_t not_before_ms;                    /* server clock */
    int64_t at_ms;                            /* server clock; 0 = not yet */
    int64_t first_failed_at_ms, failed_at_ms; /* wall clock; 0 = not yet */
    char *payload;                            /* SHA-256 of the exact body, hex */
    char *trace_id;                           /* of the first receive */
    char *history;              /* JSON array text of {"at","attempt","error","status","ms"} */
    char *error, *error_class;  /* of dying and dead */
    char *dlq_key, *message_id; /* of dead */
};

struct ledger_record *ledger_record_new(void);
struct ledger_record *ledger_record_copy(const struct ledger_record *r);
void ledger_record_free(struct ledger_record *r);

/* From a DynamoDB item; what is absent or of another type is 0 or "". */
struct ledger_record *ledger_record_from_item(const json_t *item);
/* The members as DynamoDB attribute values (new reference), without id, claim and expiry. */
json_t *ledger_record_to_item(const struct ledger_record *r);

const char *ledger_state_word(enum ledger_state state);

/* Replaces a string member. */
void ledger_record_set(char **member, const char *text);

/* Appends a failure to the history (the last LEDGER_HISTORY_MAX are kept, LEDGER_ERROR_BYTES of
 * each error) and sets first_failed_at_ms where it is 0. */
void ledger_record_failure(struct ledger_record *r, int64_t at_ms, const char *error, int status,
                           int64_t took_ms);

/* The same for an attempt that does not count, since the destination was out: of many such one entry
 * stays, the newest. */
void ledger_record_outage(struct ledger_record *r, int64_t at_ms, const char *error, int status,
                          int64_t took_ms);

/* The error text of the newest failure (malloc), "" where there is none. */
char *ledger_record_last_error(const struct ledger_record *r);

#endif
