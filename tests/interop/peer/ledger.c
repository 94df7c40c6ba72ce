#include <stdlib.h>
#include <string.h>

#include "common/aws/table_open.h"
#include "common/base/xalloc.h"
#include "tests/interop/peer/peer.h"

static const char *const answers[] = {"claimed", "busy", "not yet", "unreachable"};
static const char *const writes[] = {"written", "lost", "failed"};

static json_t *record_json(const struct ledger_record *r)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:I, s:s, s:s, s:s, s:s}", "state",
                     ledger_state_word(r->state), "attempts", r->attempts, "seq", r->seq,
                     "revision", r->revision, "not_before_ms", (json_int_t)r->not_before_ms,
                     "payload", r->payload, "trace_id", r->trace_id, "error", r->error, "history",
                     r->history);
}

/* The claim goes where a free place is; its number is in the answer. */
static void on_result(void *arg, const struct ledger_result *result)
{
    struct peer *p = arg;
    p->answer =
        json_pack("{s:s, s:b, s:b, s:I, s:s}", "answer", answers[result->answer], "attempts_over",
                  result->attempts_over, "key_conflict", result->key_conflict, "wait_ms",
                  (json_int_t)result->wait_ms, "error", result->error ? result->error : "");
    if (result->record)
        json_object_set_new(p->answer, "record", record_json(result->record));
    if (!result->claim)
        return;
    int place = 0;
    while (place < PEER_CLAIMS_MAX - 1 && p->claims[place])
        place++;
    ledger_claim_free(p->claims[place]);
    p->claims[place] = result->claim;
    json_object_set_new(p->answer, "claim", json_integer(place));
    json_object_set_new(p->answer, "id", json_string(ledger_claim_id(result->claim)));
    json_object_set_new(p->answer, "owner", json_string(ledger_claim_owner(result->claim)));
}

static void on_written(void *arg, enum ledger_written written, const char *error)
{
    struct peer *p = arg;
    p->answer = json_pack("{s:s, s:s}", "written", writes[written], "error", error);
}

static void on_open(void *arg)
{
    struct peer *p = arg;
    opening_free(p->opening);
    p->opening = NULL;
    p->answer = json_pack("{s:s}", "class", "ok");
}

/* New settings. A claim made under the old ones may only be forgotten. */
static void start(struct peer *p, const json_t *in)
{
    ledger_free(p->ledger);
    ledger_kills_free(p->kills);
    free(p->table);
    p->table = xstrdup(peer_text(in, "table"));
    struct ledger_config config = {.table = p->table,
                                   .claim_ms = peer_number(in, "claim_ms"),
                                   .retention_s = peer_number(in, "retention_s"),
                                   .role = "consumer"};
    p->ledger = ledger_new(p->client, &p->endpoint, &config);
    p->kills = ledger_kills_new(p->client, &p->endpoint, &config);
    p->answer = json_object();
}

static void claim(struct peer *p, const json_t *in)
{
    struct ledger_key key = {.destination = peer_text(in, "destination"),
                             .source = peer_text(in, "source"),
                             .event_id = peer_text(in, "event_id"),
                             .payload_sha256 = peer_text(in, "payload")};
    ledger_claim(p->ledger, &key, peer_text(in, "trace_id"), (int)peer_number(in, "max_attempts"),
                 on_result, p);
}

static enum ledger_state state_of(const char *word)
{
    for (int i = LEDGER_OPEN; i < LEDGER_DELIVERED; i++)
        if (strcmp(ledger_state_word((enum ledger_state)i), word) == 0)
            return (enum ledger_state)i;
    return LEDGER_DELIVERED;
}

static void write_record(struct peer *p, struct ledger_claim *c, const json_t *in)
{
    struct ledger_record *next = ledger_record_copy(ledger_claim_record(c));
    next->state = state_of(peer_text(in, "state"));
    if (json_object_get(in, "not_before_in_ms"))
        next->not_before_ms = ledger_now_ms(p->ledger) + peer_number(in, "not_before_in_ms");
    if (json_object_get(in, "failure"))
        ledger_record_failure(next, ledger_now_ms(p->ledger), peer_text(in, "failure"), 500, 7);
    ledger_write(c, next, json_is_true(json_object_get(in, "release")), on_written, p);
    ledger_record_free(next);
}

static void with_claim(struct peer *p, const char *op, const json_t *in)
{
    int64_t place = peer_number(in, "claim");
    struct ledger_claim *c = p->claims[place % PEER_CLAIMS_MAX];
    if (strcmp(op, "extend") == 0) {
        ledger_extend(c, on_written, p);
    } else if (strcmp(op, "write") == 0) {
        write_record(p, c, in);
    } else {
        ledger_claim_free(c);
        p->claims[place % PEER_CLAIMS_MAX] = NULL;
        p->answer = json_object();
    }
}

static void on_kills(void *arg, int kills)
{
    struct peer *p = arg;
    p->answer = json_pack("{s:i}", "kills", kills);
}

/* What is told of a worker that died. */
static bool of_the_dead(struct peer *p, const char *op, const json_t *in)
{
    if (strcmp(op, "end_claim") == 0)
        ledger_kills_release(p->kills, peer_text(in, "id"), peer_text(in, "owner"), on_written, p);
    else if (strcmp(op, "count_kill") == 0)
        ledger_kills_add(p->kills, peer_text(in, "queue"), peer_text(in, "message_id"),
                         peer_text(in, "token"), on_written, p);
    else if (strcmp(op, "kills") == 0)
        ledger_kills_get(p->kills, peer_text(in, "queue"), peer_text(in, "message_id"), on_kills,
                         p);
    else
        return false;
    return true;
}

bool peer_ledger_run(struct peer *p, const char *op, const json_t *in)
{
    if (strncmp(op, "ledger.", 7) != 0)
        return false;
    op += 7;
    if (strcmp(op, "open_table") == 0)
        p->opening = table_open_start(p->base, p->client, &p->endpoint, "consumer",
                                      peer_text(in, "table"), on_open, p);
    else if (strcmp(op, "start") == 0)
        start(p, in);
    else if (strcmp(op, "claim") == 0)
        claim(p, in);
    else if (strcmp(op, "redrive") == 0)
        ledger_claim_redrive(p->ledger, peer_text(in, "id"), peer_text(in, "payload"),
                             peer_text(in, "trace_id"), json_is_true(json_object_get(in, "force")),
                             on_result, p);
    else if (strcmp(op, "extend") == 0 || strcmp(op, "write") == 0 || strcmp(op, "forget") == 0)
        with_claim(p, op, in);
    else
        return of_the_dead(p, op, in);
    return true;
}
