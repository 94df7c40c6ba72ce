/* Updates: "SET a = :b, c = if_not_exists(c, :zero) + :one REMOVE d". All operands are read from
 * the item as it was. */
#include <stdint.h>
#include <string.h>

#include "workers/store/dynamodb_parser.h"
#include "workers/store/dynamodb_value.h"

/* An operand of SET (new), or NULL with trouble. */
static json_t *take_operand(struct dynamodb_parser *p)
{
    char name[PARSER_WORD_BYTES];
    const char *next = p->at + strspn(p->at, " \t\r\n");
    if (p->kind == PARSER_WORD && strcmp(p->word, "if_not_exists") == 0 && *next == '(') {
        if (++p->depth > PARSER_DEPTH_MAX)
            parser_complain(p, DYNAMODB_MALFORMED, "The expression is nested too deeply");
        parser_advance(p);
        parser_expect(p, "(");
        const char *path = parser_broken(p) ? NULL : parser_take_path(p, name);
        const json_t *there = path ? json_object_get(p->item, path) : NULL;
        if (!parser_broken(p))
            parser_expect(p, ",");
        enum dynamodb_outcome before = p->trouble;
        json_t *fallback = parser_broken(p) ? NULL : take_operand(p);
        if (there && p->trouble == DYNAMODB_UNFIT)
            p->trouble = before; /* the fallback is not needed */
        if (!parser_broken(p))
            parser_expect(p, ")");
        p->depth--;
        if (!there)
            return fallback;
        json_decref(fallback);
        return json_copy((json_t *)(uintptr_t)there);
    }
    const json_t *value = parser_take_operand(p);
    if (!value && !parser_broken(p))
        parser_complain(
            p, DYNAMODB_UNFIT,
            "The provided expression refers to an attribute that does not exist in the item");
    return value ? json_deep_copy(value) : NULL;
}

/* operand, operand + operand, operand - operand (new), or NULL with trouble. */
static json_t *take_sum(struct dynamodb_parser *p)
{
    json_t *left = take_operand(p);
    if (parser_broken(p) || !(parser_at_symbol(p, "+") || parser_at_symbol(p, "-")))
        return left;
    bool subtract = parser_at_symbol(p, "-");
    const char *why = "";
    parser_advance(p);
    json_t *right = take_operand(p);
    json_t *sum = left && right ? dynamodb_value_add(left, right, subtract, &why) : NULL;
    if (left && right && !sum)
        parser_complain(p, DYNAMODB_UNFIT, "%s", why);
    json_decref(left);
    json_decref(right);
    return sum;
}

/* Reads the path that a clause changes and notes it. */
static const char *take_target(struct dynamodb_parser *p, const char *key, json_t *touched,
                               char out[PARSER_WORD_BYTES])
{
    const char *name = parser_take_path(p, out);
    if (!name)
        return NULL;
    if (strcmp(name, key) == 0)
        parser_complain(p, DYNAMODB_MALFORMED,
                        "Cannot update attribute %.80s. This attribute is part of the key", name);
    else if (json_object_get(touched, name))
        parser_complain(
            p, DYNAMODB_MALFORMED,
            "Two document paths overlap with each other; must remove or rewrite one of these "
            "paths; path one: [%.80s], path two: [%.80s]",
            name, name);
    json_object_set_new(touched, name, json_true());
    return parser_broken(p) ? NULL : name;
}

static void take_set(struct dynamodb_parser *p, const char *key, json_t *next, json_t *touched)
{
    do {
        char out[PARSER_WORD_BYTES];
        const char *name = take_target(p, key, touched, out);
        if (!parser_broken(p))
            parser_expect(p, "=");
        json_t *value = parser_broken(p) ? NULL : take_sum(p);
        if (value && name)
            json_object_set(next, name, value);
        json_decref(value);
    } while (!parser_broken(p) && parser_take_symbol(p, ","));
}

static void take_remove(struct dynamodb_parser *p, const char *key, json_t *next, json_t *touched)
{
    do {
        char out[PARSER_WORD_BYTES];
        const char *name = take_target(p, key, touched, out);
        if (name)
            json_object_del(next, name);
    } while (!parser_broken(p) && parser_take_symbol(p, ","));
}

static void take_clauses(struct dynamodb_parser *p, const char *key, json_t *next, json_t *touched)
{
    bool set_seen = false;
    bool remove_seen = false;
    while (!parser_broken(p) && p->kind != PARSER_END) {
        bool set = parser_at_keyword(p, "SET");
        bool *seen = set ? &set_seen : &remove_seen;
        if (!set && !parser_at_keyword(p, "REMOVE")) {
            if (parser_at_keyword(p, "ADD") || parser_at_keyword(p, "DELETE"))
                parser_complain(p, DYNAMODB_MALFORMED, "the store knows SET and REMOVE only");
            parser_syntax_error(p);
            return;
        }
        if (*seen)
            parser_complain(p, DYNAMODB_MALFORMED, "The \"%s\" section can only be used once",
                            set ? "SET" : "REMOVE");
        *seen = true;
        parser_advance(p);
        (set ? take_set : take_remove)(p, key, next, touched);
    }
}

enum dynamodb_outcome dynamodb_update(const char *text, struct dynamodb_names *n, const char *key,
                                      json_t *item, json_t **touched_out)
{
    json_t *next = json_copy(item);
    json_t *touched = json_object();
    struct dynamodb_parser p = parser_start("UpdateExpression", text, n, item);
    take_clauses(&p, key, next, touched);
    if (p.trouble == DYNAMODB_HOLDS) {
        json_object_clear(item);
        json_object_update(item, next);
        *touched_out = touched;
    } else {
        json_decref(touched);
    }
    json_decref(next);
    return p.trouble;
}
