/* Every write is one UpdateItem with a condition. A claim's condition says "free, open and due"; a
 * write's says "owner = me". An answer that was lost is recognised when the call is repeated: the
 * item that the failed condition brings back then carries our own owner or write token. */
#include "common/delivery/ledger.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/aws/dynamodb.h"
#include "common/aws/update_item.h"
#include "common/base/clock.h"
#include "common/base/hex.h"
#include "common/base/xalloc.h"
#include "common/delivery/ledger_failure.h"

#define TAKE_OVER_MARGIN_MS 5000 /* a foreign claim is over this long after its end */
#define OWN_MARGIN_MS 2000       /* our own ends this long before its end */
#define CLAIM_ROUNDS_MAX 5       /* a record that changes under each try is somebody else's */
#define OFFSET_MIN_MS 1500       /* the Date header has whole seconds: less is no offset */
#define TOKEN_BYTES 27           /* 13 random bytes in hex */

static const struct dynamodb_options limits = {
    .timeout_ms = 3000, .deadline_ms = 8000, .max_attempts = 4};

struct ledger_op {
    LIST_ENTRY(ledger_op) link;
    struct ledger *ledger; /* borrowed: owns us */
    uint64_t aws_id;
    /* a claim */
    struct ledger_claim *claim; /* own until handed over; of a write: borrowed, NULL when freed */
    char *trace_id;             /* own */
    int max_attempts;
    int rounds;
    bool redrive, force, key_conflict;
    bool as_it_stands; /* the request under way adds no attempt */
    ledger_result_cb *claimed;
    /* a write */
    bool extends;
    struct ledger_record *next; /* own: the record after the write */
    ledger_written_cb *written;
    void *arg;
};

struct ledger_claim {
    struct ledger *ledger; /* borrowed: outlives its claims */
    char *id;              /* own */
    char *payload;         /* own */
    char owner[TOKEN_BYTES];
    int64_t until_mono_ms;
    int64_t asked_until_mono_ms;   /* of the request under way */
    struct ledger_record *record;  /* own */
    struct ledger_op *writing;     /* borrowed: the one write under way, or NULL */
    char write_token[TOKEN_BYTES]; /* of the newest write; kept where it was not answered */
    bool write_open;               /* it was not answered: it may have been done */
};

struct ledger {
    struct aws_client *client;           /* borrowed */
    const struct aws_endpoint *endpoint; /* borrowed */
    struct ledger_config config;
    int64_t offset_ms; /* the server's clock minus ours */
    bool clock_known;  /* it has answered once */
    LIST_HEAD(, ledger_op) ops;
};

struct ledger *ledger_new(struct aws_client *client, const struct aws_endpoint *endpoint,
                          const struct ledger_config *config)
{
    struct ledger *l = xcalloc(1, sizeof(*l));
    l->client = client;
    l->endpoint = endpoint;
    l->config = *config;
    LIST_INIT(&l->ops);
    return l;
}

static void op_free(struct ledger_op *op)
{
    LIST_REMOVE(op, link);
    if (op->claimed)
        ledger_claim_free(op->claim);
    else if (op->claim)
        op->claim->writing = NULL;
    ledger_record_free(op->next);
    free(op->trace_id);
    free(op);
}

void ledger_free(struct ledger *l)
{
    if (!l)
        return;
    while (!LIST_EMPTY(&l->ops)) {
        aws_cancel(l->client, LIST_FIRST(&l->ops)->aws_id);
        op_free(LIST_FIRST(&l->ops));
    }
    free(l);
}

char *ledger_id(const struct ledger_key *key)
{
    return xasprintf("%s|%s|%s", key->destination, key->source, key->event_id);
}

static void new_token(char out[TOKEN_BYTES])
{
    unsigned char bytes[(TOKEN_BYTES - 1) / 2];
    int rc = RAND_bytes(bytes, sizeof(bytes));
    assert(rc == 1);
    hex_encode(bytes, sizeof(bytes), out);
}

/* ---- the server's clock ---- */

int64_t ledger_now_ms(const struct ledger *l)
{
    return clock_wall_ms() + l->offset_ms;
}

/* From the table's own answers: another one may be that of a proxy with a clock of its own. */
static void learn_offset(struct ledger *l, const struct aws_reply *reply)
{
    if (reply->class != AWS_OK && reply->class != AWS_CONFLICT)
        return;
    l->clock_known = l->clock_known || reply->class == AWS_OK;
    const char *date = reply->http ? http_answer_header(reply->http, "Date") : NULL;
    int64_t at_ms;
    if (!date || clock_parse_http_date(date, &at_ms))
        return;
    int64_t offset_ms = at_ms + 500 - clock_wall_ms();
    l->offset_ms = offset_ms > -OFFSET_MIN_MS && offset_ms < OFFSET_MIN_MS ? 0 : offset_ms;
}

/* ---- one request ---- */

static struct update_item update_new(const struct ledger *l)
{
    struct update_item u = update_item_new();
    update_item_set(&u, "expires", "$",
                    dynamodb_n(ledger_now_ms(l) / 1000 + l->config.retention_s));
    return u;
}

static void op_send(struct ledger_op *op, struct update_item *u, const char *id,
                    const char *condition, aws_reply_cb *done)
{
    json_t *input = update_item_input(u, op->ledger->config.table, id, condition);
    op->aws_id = dynamodb_call(op->ledger->client, op->ledger->endpoint, "UpdateItem", input,
                               &limits, done, op);
}

/* Sets owner and until; the names and :stale serve the condition. */
static void update_claim(struct update_item *u, struct ledger_claim *c)
{
    const struct ledger *l = c->ledger;
    int64_t now_ms = ledger_now_ms(l);
    update_item_set(u, "owner", "$", dynamodb_s(c->owner));
    update_item_set(u, "until", "$", dynamodb_n(now_ms + l->config.claim_ms));
    update_item_value(u, ":stale", dynamodb_n(now_ms - TAKE_OVER_MARGIN_MS));
    c->asked_until_mono_ms = clock_mono_ms() + l->config.claim_ms - OWN_MARGIN_MS;
}

/* ---- claiming ---- */

static void ask_fresh(struct ledger_op *op);
static void unreachable(struct ledger_op *op, const char *operation, const struct aws_reply *reply);
static void ask_redrive(struct ledger_op *op);

static void on_clock(void *arg, const struct aws_reply *reply)
{
    struct ledger_op *op = arg;
    learn_offset(op->ledger, reply);
    if (reply->class != AWS_OK)
        unreachable(op, "GetItem", reply);
    else if (op->redrive)
        ask_redrive(op);
    else
        ask_fresh(op);
}

/* Before the first claim: with a clock that is wrong, a claim would be taken over from whoever
 * holds it, or be held for hours. */
static void ask_clock(struct ledger_op *op)
{
    json_t *input = json_pack("{s:s, s:{s:o}}", "TableName", op->ledger->config.table, "Key", "id",
                              dynamodb_s(op->claim->id));
    assert(input);
    op->aws_id = dynamodb_call(op->ledger->client, op->ledger->endpoint, "GetItem", input, &limits,
                               on_clock, op);
}

/* The claim's first question. */
static void ask(struct ledger_op *op)
{
    if (!op->ledger->clock_known)
        ask_clock(op);
    else if (op->redrive)
        ask_redrive(op);
    else
        ask_fresh(op);
}

static void end_claim(struct ledger_op *op, struct ledger_result *result)
{
    result->key_conflict = op->key_conflict;
    if (!result->error)
        result->error = "";
    ledger_result_cb *claimed = op->claimed;
    void *arg = op->arg;
    struct ledger_record *record = NULL;
    if (result->answer == LEDGER_CLAIMED && result->record->state == LEDGER_DELIVERED &&
        !op->force) {
        record = op->claim->record;
        op->claim->record = NULL;
    } else if (result->answer == LEDGER_CLAIMED) {
        result->claim = op->claim;
        op->claim = NULL;
    }
    op_free(op);
    claimed(arg, result);
    ledger_record_free(record);
}

static void take_record(struct ledger_claim *c, const json_t *item)
{
    ledger_record_free(c->record);
    c->record = ledger_record_from_item(item);
}

static void claimed(struct ledger_op *op, const json_t *item)
{
    struct ledger_claim *c = op->claim;
    take_record(c, item);
    c->until_mono_ms = c->asked_until_mono_ms;
    struct ledger_result result = {.answer = LEDGER_CLAIMED, .record = c->record};
    result.attempts_over = op->as_it_stands && c->record->state == LEDGER_OPEN;
    end_claim(op, &result);
}

static void unreachable(struct ledger_op *op, const char *operation, const struct aws_reply *reply)
{
    const struct ledger *l = op->ledger;
    char *error = ledger_failure(l->endpoint, &l->config, operation, reply);
    struct ledger_result result = {
        .answer = LEDGER_UNREACHABLE, .error = error, .class = reply->class};
    end_claim(op, &result);
    free(error);
}

static void wait_for(struct ledger_op *op, enum ledger_answer answer, int64_t wait_ms)
{
    struct ledger_result result = {.answer = answer, .wait_ms = wait_ms > 0 ? wait_ms : 0};
    end_claim(op, &result);
}

static int64_t claim_left_ms(const struct ledger *l, const json_t *item)
{
    if (!*dynamodb_text(item, "owner", ""))
        return 0;
    int64_t until_ms = dynamodb_number(item, "until", 0);
    return until_ms + TAKE_OVER_MARGIN_MS - ledger_now_ms(l);
}

static void on_claim(void *arg, const struct aws_reply *reply);

/* Second request: the record is not open and due, so it is claimed without an attempt. */
static void ask_as_it_stands(struct ledger_op *op, const json_t *item)
{
    op->as_it_stands = true;
    struct update_item u = update_new(op->ledger);
    update_claim(&u, op->claim);
    update_item_name(&u, "state");
    update_item_name(&u, "attempts");
    update_item_value(&u, ":seen_state", dynamodb_s(dynamodb_text(item, "state", "")));
    update_item_value(&u, ":seen_attempts", dynamodb_n(dynamodb_number(item, "attempts", 0)));
    op_send(op, &u, op->claim->id,
            "#state = :seen_state AND #attempts = :seen_attempts AND "
            "(attribute_not_exists(#owner) OR #until < :stale)",
            on_claim);
}

/* What a record that could not be claimed afresh says. */
static void judge_record(struct ledger_op *op, const json_t *item)
{
    struct ledger_claim *c = op->claim;
    const struct ledger *l = op->ledger;
    const char *state = dynamodb_text(item, "state", "");
    if (strcmp(dynamodb_text(item, "owner", ""), c->owner) == 0) {
        claimed(op, item); /* our own first try, whose answer was lost */
        return;
    }
    if (strcmp(dynamodb_text(item, "payload", ""), c->payload) != 0 && !op->key_conflict) {
        char *id = xasprintf("%s#%s", c->id, c->payload);
        free(c->id);
        c->id = id;
        op->key_conflict = true;
        ask_fresh(op);
        return;
    }
    if (strcmp(state, "delivered") == 0) {
        claimed(op, item);
    } else if (claim_left_ms(l, item) > 0) {
        wait_for(op, LEDGER_BUSY, claim_left_ms(l, item));
    } else if (strcmp(state, "open") == 0 &&
               dynamodb_number(item, "not_before", 0) > ledger_now_ms(l)) {
        wait_for(op, LEDGER_NOT_YET, dynamodb_number(item, "not_before", 0) - ledger_now_ms(l));
    } else if (++op->rounds > CLAIM_ROUNDS_MAX) {
        wait_for(op, LEDGER_BUSY, TAKE_OVER_MARGIN_MS);
    } else if (strcmp(state, "open") == 0 &&
               dynamodb_number(item, "attempts", 0) < op->max_attempts) {
        ask_fresh(op); /* it became free in between */
    } else {
        ask_as_it_stands(op, item);
    }
}

static void on_claim(void *arg, const struct aws_reply *reply)
{
    struct ledger_op *op = arg;
    learn_offset(op->ledger, reply);
    const json_t *attributes = json_object_get(reply->json, "Attributes");
    const json_t *item = json_object_get(reply->json, "Item");
    if (reply->class == AWS_OK && attributes)
        claimed(op, attributes);
    else if (reply->class == AWS_CONFLICT && item)
        judge_record(op, item);
    else
        unreachable(op, "UpdateItem", reply);
}

/* First request: a new record, or one that is open, due, free and has attempts left. */
static void ask_fresh(struct ledger_op *op)
{
    op->as_it_stands = false;
    struct update_item u = update_new(op->ledger);
    update_claim(&u, op->claim);
    update_item_set(&u, "state", "$", dynamodb_s("open"));
    update_item_set(&u, "payload", "$", dynamodb_s(op->claim->payload));
    update_item_set(&u, "trace_id", "if_not_exists(@, $)", dynamodb_s(op->trace_id));
    update_item_set(&u, "attempts", "if_not_exists(@, $) + :one", dynamodb_n(0));
    update_item_set(&u, "not_before", "if_not_exists(@, $)", dynamodb_n(0));
    update_item_set(&u, "seq", "if_not_exists(@, $)", dynamodb_n(0));
    update_item_name(&u, "id");
    update_item_value(&u, ":one", dynamodb_n(1));
    update_item_value(&u, ":now", dynamodb_n(ledger_now_ms(op->ledger)));
    update_item_value(&u, ":max", dynamodb_n(op->max_attempts));
    op_send(op, &u, op->claim->id,
            "attribute_not_exists(#id) OR (#state = :state AND #payload = :payload AND "
            "(attribute_not_exists(#owner) OR #until < :stale) AND #not_before <= :now AND "
            "#attempts < :max)",
            on_claim);
}

static struct ledger_claim *claim_new(struct ledger *l, char *id, const char *payload)
{
    struct ledger_claim *c = xcalloc(1, sizeof(*c));
    c->ledger = l;
    c->id = id;
    c->payload = xstrdup(payload);
    new_token(c->owner);
    return c;
}

static struct ledger_op *claim_op_new(struct ledger *l, struct ledger_claim *claim,
                                      const char *trace_id, ledger_result_cb *done, void *arg)
{
    struct ledger_op *op = xcalloc(1, sizeof(*op));
    op->ledger = l;
    op->claim = claim;
    op->trace_id = xstrdup(trace_id);
    op->claimed = done;
    op->arg = arg;
    LIST_INSERT_HEAD(&l->ops, op, link);
    return op;
}

const struct ledger_claim *ledger_claim(struct ledger *l, const struct ledger_key *key,
                                        const char *trace_id, int max_attempts,
                                        ledger_result_cb *done, void *arg)
{
    struct ledger_claim *claim = claim_new(l, ledger_id(key), key->payload_sha256);
    struct ledger_op *op = claim_op_new(l, claim, trace_id, done, arg);
    op->max_attempts = max_attempts;
    ask(op);
    return claim;
}

/* ---- a redrive's claim ---- */

static void on_redrive(void *arg, const struct aws_reply *reply)
{
    struct ledger_op *op = arg;
    learn_offset(op->ledger, reply);
    const json_t *attributes = json_object_get(reply->json, "Attributes");
    const json_t *item = json_object_get(reply->json, "Item");
    if (reply->class == AWS_OK && attributes) {
        claimed(op, attributes);
    } else if (reply->class != AWS_CONFLICT || !item) {
        unreachable(op, "UpdateItem", reply);
    } else if (strcmp(dynamodb_text(item, "owner", ""), op->claim->owner) == 0 ||
               (strcmp(dynamodb_text(item, "state", ""), "delivered") == 0 && !op->force)) {
        claimed(op, item);
    } else {
        wait_for(op, LEDGER_BUSY, claim_left_ms(op->ledger, item));
    }
}

static void ask_redrive(struct ledger_op *op)
{
    struct update_item u = update_new(op->ledger);
    update_claim(&u, op->claim);
    update_item_set(&u, "state", "if_not_exists(@, $)", dynamodb_s("dead"));
    update_item_set(&u, "payload", "if_not_exists(@, $)", dynamodb_s(op->claim->payload));
    update_item_set(&u, "trace_id", "if_not_exists(@, $)", dynamodb_s(op->trace_id));
    update_item_set(&u, "attempts", "if_not_exists(@, $)", dynamodb_n(0));
    update_item_name(&u, "id");
    update_item_value(&u, ":other", dynamodb_s(op->force ? "delivered" : "dead"));
    op_send(op, &u, op->claim->id,
            "attribute_not_exists(#id) OR ((#state = :state OR #state = :other) AND "
            "(attribute_not_exists(#owner) OR #until < :stale))",
            on_redrive);
}

void ledger_claim_redrive(struct ledger *l, const char *id, const char *payload_sha256,
                          const char *trace_id, bool force, ledger_result_cb *done, void *arg)
{
    struct ledger_claim *claim = claim_new(l, xstrdup(id), payload_sha256);
    struct ledger_op *op = claim_op_new(l, claim, trace_id, done, arg);
    op->redrive = true;
    op->force = force;
    ask(op);
}

/* ---- writing under a claim ---- */

static void end_write(struct ledger_op *op, enum ledger_written how, const char *error)
{
    struct ledger_claim *c = op->claim;
    if (c && how == LEDGER_WRITTEN && op->extends)
        c->until_mono_ms = c->asked_until_mono_ms;
    if (c && op->next)
        c->write_open = how == LEDGER_FAILED;
    if (c && how == LEDGER_WRITTEN && op->next) {
        ledger_record_free(c->record);
        c->record = op->next;
        op->next = NULL;
    }
    ledger_written_cb *written = c ? op->written : NULL;
    void *arg = op->arg;
    op_free(op);
    if (written)
        written(arg, how, error);
}

static void fail_write(struct ledger_op *op, const struct aws_reply *reply)
{
    const struct ledger *l = op->ledger;
    char *error = ledger_failure(l->endpoint, &l->config, "UpdateItem", reply);
    end_write(op, LEDGER_FAILED, error);
    free(error);
}

static void on_write(void *arg, const struct aws_reply *reply)
{
    struct ledger_op *op = arg;
    learn_offset(op->ledger, reply);
    const json_t *item = json_object_get(reply->json, "Item");
    const char *token = op->next && op->claim ? op->claim->write_token : "?";
    if (reply->class == AWS_OK || strcmp(dynamodb_text(item, "write", ""), token) == 0)
        end_write(op, LEDGER_WRITTEN, "");
    else if (reply->class == AWS_CONFLICT)
        end_write(op, LEDGER_LOST, "the claim is somebody else's now");
    else
        fail_write(op, reply);
}

static struct ledger_op *write_op_new(struct ledger_claim *c, ledger_written_cb *done, void *arg)
{
    assert(!c->writing);
    struct ledger_op *op = xcalloc(1, sizeof(*op));
    op->ledger = c->ledger;
    op->claim = c;
    op->written = done;
    op->arg = arg;
    c->writing = op;
    LIST_INSERT_HEAD(&c->ledger->ops, op, link);
    return op;
}

void ledger_extend(struct ledger_claim *c, ledger_written_cb *done, void *arg)
{
    struct ledger_op *op = write_op_new(c, done, arg);
    op->extends = true;
    struct update_item u = update_new(c->ledger);
    update_item_set(&u, "until", "$",
                    dynamodb_n(ledger_now_ms(c->ledger) + c->ledger->config.claim_ms));
    c->asked_until_mono_ms = clock_mono_ms() + c->ledger->config.claim_ms - OWN_MARGIN_MS;
    update_item_name(&u, "owner");
    update_item_value(&u, ":me", dynamodb_s(c->owner));
    op_send(op, &u, c->id, "#owner = :me", on_write);
}

void ledger_write(struct ledger_claim *c, const struct ledger_record *next, bool release,
                  ledger_written_cb *done, void *arg)
{
    struct ledger_op *op = write_op_new(c, done, arg);
    op->next = ledger_record_copy(next);
    if (!c->write_open)
        new_token(c->write_token);
    struct update_item u = update_new(c->ledger);
    json_t *members = ledger_record_to_item(next);
    const char *name;
    json_t *value;
    json_object_foreach(members, name, value) update_item_set(&u, name, "$", json_incref(value));
    json_decref(members);
    update_item_set(&u, "write", "$", dynamodb_s(c->write_token));
    update_item_name(&u, "owner");
    update_item_value(&u, ":me", dynamodb_s(c->owner));
    if (release) {
        update_item_remove(&u, "owner");
        update_item_remove(&u, "until");
    }
    op_send(op, &u, c->id, "#owner = :me", on_write);
}

int64_t ledger_claim_until_mono_ms(const struct ledger_claim *c)
{
    return c->until_mono_ms;
}

const struct ledger_record *ledger_claim_record(const struct ledger_claim *c)
{
    return c->record;
}

const char *ledger_claim_owner(const struct ledger_claim *c)
{
    return c->owner;
}

const char *ledger_claim_id(const struct ledger_claim *c)
{
    return c->id;
}

void ledger_claim_free(struct ledger_claim *c)
{
    if (!c)
        return;
    if (c->writing)
        c->writing->claim = NULL;
    ledger_record_free(c->record);
    free(c->payload);
    free(c->id);
    free(c);
}
