/* Conditions: "a = :b AND NOT (attribute_exists(c) OR ...)". */
#include <string.h>
#include <strings.h>

#include "workers/store/dynamodb_parser.h"
#include "workers/store/dynamodb_value.h"

static bool take_or(struct dynamodb_parser *p);

static bool compare(const char *how, const json_t *a, const json_t *b)
{
    int order;
    if (strcmp(how, "<>") == 0)
        return !a || !b || !dynamodb_value_equal(a, b);
    if (!a || !b)
        return false;
    if (strcmp(how, "=") == 0)
        return dynamodb_value_equal(a, b);
    if (!dynamodb_value_order(a, b, &order))
        return false;
    return how[0] == '<' ? order < 0 || (how[1] && order == 0)
                         : order > 0 || (how[1] && order == 0);
}

/* After attribute_exists and so on: "(path)" or "(path, operand)". */
static bool take_function(struct dynamodb_parser *p, const char *function)
{
    char name[PARSER_WORD_BYTES];
    bool two =
        strcasecmp(function, "begins_with") == 0 || strcasecmp(function, "attribute_type") == 0;
    parser_expect(p, "(");
    if (parser_broken(p))
        return false;
    const char *path = parser_take_path(p, name);
    const json_t *value = path ? json_object_get(p->item, path) : NULL;
    const json_t *second = NULL;
    if (two && !parser_broken(p)) {
        parser_expect(p, ",");
        second = parser_broken(p) ? NULL : parser_take_operand(p);
    }
    if (!parser_broken(p))
        parser_expect(p, ")");
    if (parser_broken(p))
        return false;
    if (strcasecmp(function, "attribute_exists") == 0)
        return value != NULL;
    if (strcasecmp(function, "attribute_not_exists") == 0)
        return value == NULL;
    if (!value || !second)
        return false;
    if (strcasecmp(function, "begins_with") == 0)
        return dynamodb_value_begins_with(value, second);
    const char *type = json_string_value(json_object_get(second, "S"));
    return type && strcmp(type, dynamodb_value_type(value)) == 0;
}

static bool take_between(struct dynamodb_parser *p, const json_t *value)
{
    const json_t *low = parser_take_operand(p);
    if (!parser_broken(p) && !parser_at_keyword(p, "AND"))
        parser_syntax_error(p);
    if (parser_broken(p))
        return false;
    parser_advance(p);
    const json_t *high = parser_take_operand(p);
    return !parser_broken(p) && compare(">=", value, low) && compare("<=", value, high);
}

static bool take_in(struct dynamodb_parser *p, const json_t *value)
{
    bool found = false;
    parser_expect(p, "(");
    while (!parser_broken(p)) {
        const json_t *one = parser_take_operand(p);
        found = found || (!parser_broken(p) && compare("=", value, one));
        if (!parser_broken(p) && !parser_take_symbol(p, ",")) {
            parser_expect(p, ")");
            break;
        }
    }
    return found;
}

static bool is_function(const struct dynamodb_parser *p)
{
    static const char *const functions[] = {"attribute_exists", "attribute_not_exists",
                                            "attribute_type", "begins_with"};
    const char *next = p->at + strspn(p->at, " \t\r\n");
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (*next == '(' && p->kind == PARSER_WORD && strcmp(p->word, functions[i]) == 0)
            return true;
    return false;
}

static bool take_comparison(struct dynamodb_parser *p)
{
    char how[3];
    const json_t *left = parser_take_operand(p);
    if (parser_broken(p))
        return false;
    if (parser_at_keyword(p, "BETWEEN")) {
        parser_advance(p);
        return take_between(p, left);
    }
    if (parser_at_keyword(p, "IN")) {
        parser_advance(p);
        return take_in(p, left);
    }
    if (p->kind != PARSER_SYMBOL || strlen(p->word) > 2 || !strchr("=<>", p->word[0])) {
        parser_syntax_error(p);
        return false;
    }
    memcpy(how, p->word, strlen(p->word) + 1);
    parser_advance(p);
    const json_t *right = parser_take_operand(p);
    return !parser_broken(p) && compare(how, left, right);
}

static bool take_term(struct dynamodb_parser *p)
{
    bool holds = false;
    if (++p->depth > PARSER_DEPTH_MAX) {
        parser_complain(p, DYNAMODB_MALFORMED, "The expression is nested too deeply");
    } else if (parser_at_keyword(p, "NOT")) {
        parser_advance(p);
        holds = !take_term(p);
    } else if (parser_take_symbol(p, "(")) {
        holds = take_or(p);
        if (!parser_broken(p))
            parser_expect(p, ")");
    } else if (is_function(p)) {
        char function[PARSER_WORD_BYTES];
        memcpy(function, p->word, sizeof(function));
        parser_advance(p);
        holds = take_function(p, function);
    } else {
        holds = take_comparison(p);
    }
    p->depth--;
    return holds && !parser_broken(p);
}

static bool take_and(struct dynamodb_parser *p)
{
    bool holds = take_term(p);
    while (!parser_broken(p) && parser_at_keyword(p, "AND")) {
        parser_advance(p);
        bool right = take_term(p);
        holds = holds && right;
    }
    return holds;
}

static bool take_or(struct dynamodb_parser *p)
{
    bool holds = take_and(p);
    while (!parser_broken(p) && parser_at_keyword(p, "OR")) {
        parser_advance(p);
        bool right = take_and(p);
        holds = holds || right;
    }
    return holds;
}

enum dynamodb_outcome dynamodb_condition(const char *text, struct dynamodb_names *n,
                                         const json_t *item)
{
    struct dynamodb_parser p = parser_start("ConditionExpression", text, n, item);
    bool holds = !parser_broken(&p) && take_or(&p);
    if (!parser_broken(&p) && p.kind != PARSER_END)
        parser_syntax_error(&p);
    if (parser_broken(&p))
        return DYNAMODB_MALFORMED;
    return holds ? DYNAMODB_HOLDS : DYNAMODB_FAILS;
}
