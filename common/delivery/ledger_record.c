#include "common/delivery/ledger_record.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws/dynamodb.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"

static const char *const state_words[] = {"open", "moving", "dying", "dead", "delivered"};

struct text_member {
    const char *name;
    size_t offset;
};
struct number_member {
    const char *name;
    size_t offset;
    bool wide; /* int64_t, else int */
};

#define AT(member) offsetof(struct ledger_record, member)
static const struct text_member texts[] = {
    {"payload", AT(payload)},       {"trace_id", AT(trace_id)}, {"history", AT(history)},
    {"error", AT(error)},           {"class", AT(error_class)}, {"dlq_key", AT(dlq_key)},
    {"message_id", AT(message_id)},
};
static const struct number_member numbers[] = {
    {"attempts", AT(attempts), false},
    {"seq", AT(seq), false},
    {"revision", AT(revision), false},
    {"excused", AT(excused), false},
    {"not_before", AT(not_before_ms), true},
    {"first_failed_at", AT(first_failed_at_ms), true},
    {"failed_at", AT(failed_at_ms), true},
    {"at", AT(at_ms), true},
};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static char **text_of(const struct ledger_record *r, size_t i)
{
    return (char **)(void *)((char *)(uintptr_t)r + texts[i].offset);
}

static void *number_of(const struct ledger_record *r, size_t i)
{
    return (char *)(uintptr_t)r + numbers[i].offset;
}

struct ledger_record *ledger_record_new(void)
{
    struct ledger_record *r = xcalloc(1, sizeof(*r));
    for (size_t i = 0; i < TEXTS; i++)
        *text_of(r, i) = xstrdup("");
    return r;
}

struct ledger_record *ledger_record_copy(const struct ledger_record *r)
{
    struct ledger_record *copy = xmemdup(r, sizeof(*r));
    for (size_t i = 0; i < TEXTS; i++)
        *text_of(copy, i) = xstrdup(*text_of(r, i));
    return copy;
}

void ledger_record_free(struct ledger_record *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < TEXTS; i++)
        free(*text_of(r, i));
    free(r);
}

void ledger_record_set(char **member, const char *text)
{
    char *copy = xstrdup(text);
    free(*member);
    *member = copy;
}

const char *ledger_state_word(enum ledger_state state)
{
    return state_words[state];
}

static enum ledger_state parse_state(const char *word)
{
    for (size_t i = 0; i < sizeof(state_words) / sizeof(state_words[0]); i++)
        if (strcmp(word, state_words[i]) == 0)
            return (enum ledger_state)i;
    return LEDGER_OPEN;
}

struct ledger_record *ledger_record_from_item(const json_t *item)
{
    struct ledger_record *r = ledger_record_new();
    r->state = parse_state(dynamodb_text(item, "state", ""));
    for (size_t i = 0; i < TEXTS; i++)
        ledger_record_set(text_of(r, i), dynamodb_text(item, texts[i].name, ""));
    for (size_t i = 0; i < NUMBERS; i++) {
        int64_t n = dynamodb_number(item, numbers[i].name, 0);
        if (numbers[i].wide)
            *(int64_t *)number_of(r, i) = n;
        else
            *(int *)number_of(r, i) = n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : (int)n;
    }
    return r;
}

json_t *ledger_record_to_item(const struct ledger_record *r)
{
    json_t *item = json_object();
    json_object_set_new(item, "state", dynamodb_s(state_words[r->state]));
    for (size_t i = 0; i < TEXTS; i++)
        json_object_set_new(item, texts[i].name, dynamodb_s(*text_of(r, i)));
    for (size_t i = 0; i < NUMBERS; i++) {
        int64_t n = numbers[i].wide ? *(int64_t *)number_of(r, i) : *(int *)number_of(r, i);
        json_object_set_new(item, numbers[i].name, dynamodb_n(n));
    }
    return item;
}

/* As much of text as fits the bound without cutting a UTF-8 sequence, as a JSON string. */
static json_t *bounded_text(const char *text)
{
    size_t len = strlen(text);
    if (len > LEDGER_ERROR_BYTES) {
        len = LEDGER_ERROR_BYTES;
        while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    json_t *string = json_stringn(text, len);
    return string ? string : json_string("(the error text was not UTF-8)");
}

static json_t *history_of(const struct ledger_record *r)
{
    json_t *history = json_loads(r->history, 0, NULL);
    if (json_is_array(history))
        return history;
    json_decref(history);
    return json_array();
}

void ledger_record_outage(struct ledger_record *r, int64_t at_ms, const char *error, int status,
                          int64_t took_ms)
{
    json_t *history = history_of(r);
    size_t last = json_array_size(history) - 1;
    const json_t *attempt = json_object_get(json_array_get(history, last), "attempt");
    if (json_is_integer(attempt) && json_integer_value(attempt) == r->attempts) {
        json_array_remove(history, last);
        free(r->history);
        r->history = json_dumps(history, JSON_COMPACT);
    }
    json_decref(history);
    ledger_record_failure(r, at_ms, error, status, took_ms);
}

void ledger_record_failure(struct ledger_record *r, int64_t at_ms, const char *error, int status,
                           int64_t took_ms)
{
    json_t *history = history_of(r);
    char at[CLOCK_TEXT_BYTES];
    clock_rfc3339(at_ms, at);
    json_array_append_new(history, json_pack("{s:s, s:i, s:o, s:i, s:I}", "at", at, "attempt",
                                             r->attempts, "error", bounded_text(error), "status",
                                             status, "ms", (json_int_t)took_ms));
    while (json_array_size(history) > LEDGER_HISTORY_MAX)
        json_array_remove(history, 0);
    free(r->history);
    r->history = json_dumps(history, JSON_COMPACT);
    json_decref(history);
    if (!r->first_failed_at_ms)
        r->first_failed_at_ms = at_ms;
}

char *ledger_record_last_error(const struct ledger_record *r)
{
    json_t *history = json_loads(r->history, 0, NULL);
    const json_t *last = json_array_get(history, json_array_size(history) - 1);
    const char *error = json_string_value(json_object_get(last, "error"));
    char *copy = xstrdup(error ? error : "");
    json_decref(history);
    return copy;
}
