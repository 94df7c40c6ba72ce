#ifndef TESTS_INTEROP_PEER_PEER_H
#define TESTS_INTEROP_PEER_PEER_H

/* A program for the interop tests: runs our own client against a server that others wrote. Reads
 * one JSON object a line, does what its "op" says, and answers with one JSON object a line. Its
 * argument is {"url","service","region","access_key_id","secret","token"?}. */
#include <event2/event.h>
#include <jansson.h>

#include "common/aws/aws_call.h"
#include "common/aws/material.h"
#include "common/delivery/ledger.h"
#include "common/delivery/ledger_kills.h"

#define PEER_CLAIMS_MAX 16

struct peer {
    struct event_base *base;
    struct material *material;
    struct aws_client *client;
    struct aws_endpoint endpoint;
    char *table;                                  /* own: the ledger's */
    struct ledger *ledger;                        /* own, or NULL */
    struct ledger_kills *kills;                   /* own, or NULL */
    struct ledger_claim *claims[PEER_CLAIMS_MAX]; /* own, by the number that the test gave */
    void *opening;                                /* a bucket's or a table's, until it is open */
    json_t *answer; /* own: of the operation under way, once it is there */
};

/* Starts the operation; `in` outlives it. False where the name is another module's. */
bool peer_sqs_run(struct peer *p, const char *op, const json_t *in);
bool peer_s3_run(struct peer *p, const char *op, const json_t *in);
bool peer_ledger_run(struct peer *p, const char *op, const json_t *in);
bool peer_dynamodb_run(struct peer *p, const char *op, const json_t *in);
bool peer_sign_run(struct peer *p, const char *op, const json_t *in);

/* {"class","code","status","message"} of a reply, as the start of an answer. */
json_t *peer_reply(const struct aws_reply *reply);
/* Members of a command; the program ends where they are missing. */
const char *peer_text(const json_t *in, const char *name);
int64_t peer_number(const json_t *in, const char *name);
/* A member that may be missing. */
int64_t peer_number_or(const json_t *in, const char *name, int64_t fallback);

/* What a call may take: "attempts" (1 where the command has none), each of "timeout_ms" (10,000).
 * type: struct sqs_options and its kin. */
#define PEER_LIMITS(type, in)                                                                      \
    (type)                                                                                         \
    {                                                                                              \
        .timeout_ms = peer_number_or(in, "timeout_ms", 10000), .deadline_ms = 60000,               \
        .max_attempts = (int)peer_number_or(in, "attempts", 1)                                     \
    }

#endif
