#ifndef COMMON_DELIVERY_LEDGER_H
#define COMMON_DELIVERY_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/aws/aws_call.h"
#include "common/delivery/ledger_record.h"

/* The ledger: who may work on an event, how often it was tried, and what became of it. One DynamoDB
 * item per (destination, source, event id); ledger_record.h has the states:
 *
 *   id       "destination|source|event id", with "#" + payload hash behind it for a key conflict
 *   state    open | moving | dying | dead | delivered
 *   owner, until     the claim (absent: none). until is in the server's clock, milliseconds
 *   payload  SHA-256 of the exact body, hex
 *   attempts, not_before, seq, history (JSON text), first_failed_at, trace_id
 *   error, class, failed_at        of dying and dead
 *   dlq_key, message_id            of dead
 *   at                             of dying and dead: the round's end; of delivered
 *   revision, excused
 *   expires  epoch seconds, the table's TTL attribute
 *
 * The server's clock is ours plus the offset seen in its Date header, for which the first claims of
 * a process read an item before they write one; a claim of somebody else is taken over 5 s after
 * its end. All writes after the claim have the condition owner = me.
 *
 * Cost, in requests (each is one conditional UpdateItem: one write unit for each started KB of the
 * record, also where the condition fails; a record has 0.5 KB and grows by 0.1 to 0.3 KB with each
 * of its up to ten failures):
 *
 *   delivered at the first try          2   the claim, which counts the attempt, and the outcome
 *   each retry                         +2   its outcome and the next claim; requeue: +3
 *   each heartbeat (half a claim)      +1
 *   dead letter                        +1   dying is the last attempt's outcome; then dead
 *   a receive while another holds it,
 *   before its time, or delivered       1
 *   a receive that meets dead           3   two to claim it, one to give it back */
struct ledger;
struct ledger_claim; /* a claim that we hold on one record */

enum ledger_answer {
    LEDGER_CLAIMED,     /* we hold it; the record says what to do: open = deliver, its attempt is
                           already counted (unless attempts_over) */
    LEDGER_BUSY,        /* held by another until wait_ms from now */
    LEDGER_NOT_YET,     /* open, not before wait_ms from now */
    LEDGER_UNREACHABLE, /* no answer; policy of the source decides */
};

struct ledger_result { /* borrowed for the callback; claim is the receiver's */
    enum ledger_answer answer;
    struct ledger_claim *claim; /* own, with LEDGER_CLAIMED unless the record is `delivered`: that
                                   one needs no claim */
    const struct ledger_record *record; /* with LEDGER_CLAIMED; borrowed for the callback */
    bool attempts_over;                 /* open with attempts at the limit: no attempt was added */
    bool key_conflict; /* the key was in use for another payload: the claim is on key#hash */
    int64_t wait_ms;
    const char *error;    /* with LEDGER_UNREACHABLE: ledger_failure's sentence */
    enum aws_class class; /* with LEDGER_UNREACHABLE: of the answer */
};
typedef void ledger_result_cb(void *arg, const struct ledger_result *result);
/* ok; or lost (the condition failed: somebody else owns it); or neither (no answer, error says
 * why). */
enum ledger_written { LEDGER_WRITTEN, LEDGER_LOST, LEDGER_FAILED };
typedef void ledger_written_cb(void *arg, enum ledger_written written, const char *error);

struct ledger_config {
    const char *table;   /* borrowed for the ledger's life, as is the endpoint */
    int64_t claim_ms;    /* length of a claim: the source's visibility timeout */
    int64_t retention_s; /* expires = now + this at every write */
    const char *role;    /* of the worker, for its policy (literal) */
};

struct ledger *ledger_new(struct aws_client *client, const struct aws_endpoint *endpoint,
                          const struct ledger_config *config);
void ledger_free(struct ledger *l); /* calls under way end without callbacks */

/* The server's clock, as far as it is known: what not_before and at are measured in. */
int64_t ledger_now_ms(const struct ledger *l);

/* What a claim is about. Strings are copied. */
struct ledger_key {
    const char *destination, *source, *event_id;
    const char *payload_sha256; /* hex */
};

/* A message's claim, by the consumer (states and rules: product.md section 3 *Ledger*). One request
 * where the record is absent or open and due: it adds the attempt. Where the record is in another
 * state it is claimed as it stands, with a second request. trace_id is kept from the first claim.
 * What is asked for is returned, for its id and owner, borrowed until the callback: these are to be
 * known before the ledger may know them. (With a key conflict the id that is claimed is another.)
 */
const struct ledger_claim *ledger_claim(struct ledger *l, const struct ledger_key *key,
                                        const char *trace_id, int max_attempts,
                                        ledger_result_cb *done, void *arg);

/* A redrive's claim on the record with this id: one that is dead, or absent (made as dead).
 * delivered is handed out unclaimed (claim NULL, record borrowed for the callback) unless force;
 * every other state, and a live claim, is LEDGER_BUSY. */
void ledger_claim_redrive(struct ledger *l, const char *id, const char *payload_sha256,
                          const char *trace_id, bool force, ledger_result_cb *done, void *arg);

/* The id of the record for a key (malloc): "destination|source|event id". */
char *ledger_id(const struct ledger_key *key);

/* Under a claim; at most one write at a time per claim (asserted). Each has the condition
 * owner = me, and repeats safely: an answer that was lost is found out by the owner + write token.
 * next is copied; release gives the claim back with the same write. After LEDGER_FAILED the next
 * write must be of the same record: the failed one may have been done. */
void ledger_extend(struct ledger_claim *c, ledger_written_cb *done, void *arg);
void ledger_write(struct ledger_claim *c, const struct ledger_record *next, bool release,
                  ledger_written_cb *done, void *arg);

/* The end of the claim without confirmed extension (clock_mono_ms), 2 s early: cancel the work
 * then. */
int64_t ledger_claim_until_mono_ms(const struct ledger_claim *c);
const struct ledger_record *ledger_claim_record(const struct ledger_claim *c);
/* Forgets the claim here (no request; the record's claim runs out by itself unless released). A
 * write under way goes on without its callback. NULL is a no-op. */
void ledger_claim_free(struct ledger_claim *c);

/* For the in-flight table and the dead letter: the owner token and the id of the claimed record
 * (which has "#" + payload hash behind the key where the key was in conflict). */
const char *ledger_claim_owner(const struct ledger_claim *c);
const char *ledger_claim_id(const struct ledger_claim *c);

#endif
