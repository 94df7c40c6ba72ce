#ifndef WORKERS_CHECKUP_H
#define WORKERS_CHECKUP_H

#include <jansson.h>
#include <stdint.h>

#include "common/aws/aws_call.h"

/* What `sluicectl check` asks of a worker: each object that it uses is tried with each action that
 * its role's policy has to allow, one after the other, and told as a line. Every try is harmless:
 * it asks for something that is refused for another reason once it has been allowed. */
struct checkup;
struct event_base;

#define CHECKUP_CALL_MS 2500 /* for each try */

struct checkup_step {
    const char *what;                    /* `queue "orders"` (copied) */
    const char *key;                     /* its place in the configuration (copied) */
    const char *action;                  /* "sqs:SendMessage" (literal) */
    const char *name;                    /* of the object there: URL, bucket, table (copied) */
    const char *detail;                  /* what else start needs (copied), or NULL */
    const struct aws_endpoint *endpoint; /* borrowed for as long */
    /* Makes the call, whose callback calls checkup_answer(c, reply) with arg c; its id. */
    uint64_t (*start)(struct aws_client *client, const struct checkup_step *step,
                      struct checkup *c);
    unsigned good; /* CHECKUP_GOOD of the classes that show that it was allowed, beside AWS_OK */
};

#define CHECKUP_GOOD(class) (1u << (class))

/* send(arg, lines, last): some lines, {"object", "action", "ok", "text"} each; lines is stolen. The
 * checkup frees itself after the last. */
typedef void checkup_send_fn(void *arg, json_t *lines, bool last);

/* role is a literal; client is borrowed and outlives it. */
struct checkup *checkup_new(struct event_base *base, struct aws_client *client, const char *role,
                            checkup_send_fn *send, void *arg);
void checkup_add(struct checkup *c, const struct checkup_step *step);
/* A line without a try: what cannot be tried (text says why). */
void checkup_note(struct checkup *c, const char *what, bool ok, const char *text);
/* Begins; nothing is added afterwards. */
void checkup_run(struct checkup *c);

void checkup_answer(struct checkup *c, const struct aws_reply *reply);

#endif
