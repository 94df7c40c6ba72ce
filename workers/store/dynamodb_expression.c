/* Recursive descent that evaluates while it reads: nothing has an effect before the text is known
 * to be well-formed, so no tree is needed. */
#include "workers/store/dynamodb_expression.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "workers/store/dynamodb_value.h"

#define EXPRESSION_BYTES_MAX 4096
#define DEPTH_MAX 64
#define WORD_BYTES 256

enum token_kind { END, WORD, NAME, VALUE, SYMBOL, BAD };

struct parser {
    const char *at;
    struct dynamodb_names *names;
    const json_t *item;
    const char *what; /* "ConditionExpression", for messages */
    enum token_kind kind;
    char word[WORD_BYTES]; /* the token's text */
    int depth;
    enum dynamodb_outcome trouble; /* MALFORMED, or of an update UNFIT; HOLDS: none */
};

/* ---- trouble */

static void complain(struct parser *p, enum dynamodb_outcome kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first one counts, but for MALFORMED, which counts before UNFIT. */
static void complain(struct parser *p, enum dynamodb_outcome kind, const char *format, ...)
{
    va_list ap;
    if (p->trouble == DYNAMODB_MALFORMED || p->trouble == kind)
        return;
    p->trouble = kind;
    int n = kind == DYNAMODB_MALFORMED
                ? snprintf(p->names->why, sizeof(p->names->why), "Invalid %s: ", p->what)
                : 0;
    va_start(ap, format);
    vsnprintf(p->names->why + n, sizeof(p->names->why) - (size_t)n, format, ap);
    va_end(ap);
}

static bool broken(const struct parser *p)
{
    return p->trouble == DYNAMODB_MALFORMED;
}

/* ---- tokens */

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void take_text(struct parser *p, size_t len)
{
    if (len >= sizeof(p->word)) {
        p->kind = BAD;
        len = sizeof(p->word) - 1;
    }
    memcpy(p->word, p->at, len);
    p->word[len] = '\0';
    p->at += len;
}

static void advance(struct parser *p)
{
    p->at += strspn(p->at, " \t\r\n");
    char c = *p->at;
    size_t len = 1;
    if (c == '\0') {
        p->kind = END;
        snprintf(p->word, sizeof(p->word), "<EOF>");
        return;
    }
    if (is_word_char(c) || c == '#' || c == ':') {
        while (is_word_char(p->at[len]))
            len++;
        p->kind = c == '#' ? NAME : c == ':' ? VALUE : isdigit((unsigned char)c) ? BAD : WORD;
        if (len == 1 && (c == '#' || c == ':'))
            p->kind = BAD;
    } else {
        p->kind = strchr("=<>(),+-", c) ? SYMBOL : BAD;
        if ((c == '<' && (p->at[1] == '=' || p->at[1] == '>')) || (c == '>' && p->at[1] == '='))
            len = 2;
        if (c == '.' || c == '[')
            complain(p, DYNAMODB_MALFORMED, "the store knows top-level attributes only");
        /* A whole character of UTF-8, so that the message is text. */
        while ((p->at[len] & 0xc0) == 0x80)
            len++;
    }
    take_text(p, len);
}

static bool is_symbol(const struct parser *p, const char *symbol)
{
    return p->kind == SYMBOL && strcmp(p->word, symbol) == 0;
}

static bool is_keyword(const struct parser *p, const char *word)
{
    return p->kind == WORD && strcasecmp(p->word, word) == 0;
}

static void syntax_error(struct parser *p)
{
    complain(p, DYNAMODB_MALFORMED, "Syntax error; token: \"%.80s\", near: \"%.40s\"", p->word,
             p->word);
}

static bool take_symbol(struct parser *p, const char *symbol)
{
    if (!is_symbol(p, symbol))
        return false;
    advance(p);
    return true;
}

static void expect(struct parser *p, const char *symbol)
{
    if (!take_symbol(p, symbol))
        syntax_error(p);
}

/* ---- operands */

static void mark_used(struct parser *p)
{
    json_object_set_new(p->names->used, p->word, json_true());
}

/* An attribute's name (borrowed from the request, or copied to out), or NULL. */
static const char *take_path(struct parser *p, char out[WORD_BYTES])
{
    const char *name = NULL;
    if (p->kind == NAME) {
        name = json_string_value(json_object_get(p->names->names, p->word));
        mark_used(p);
        if (!name)
            complain(p, DYNAMODB_MALFORMED,
                     "An expression attribute name used in the document path is not defined; "
                     "attribute name: %.80s",
                     p->word);
    } else if (p->kind == WORD) {
        memcpy(out, p->word, WORD_BYTES);
        name = out;
    } else {
        syntax_error(p);
    }
    if (!broken(p))
        advance(p);
    return broken(p) ? NULL : name;
}

static const json_t *take_value(struct parser *p)
{
    const json_t *value = json_object_get(p->names->values, p->word);
    mark_used(p);
    if (!value)
        complain(p, DYNAMODB_MALFORMED,
                 "An expression attribute value used in expression is not defined; attribute "
                 "value: %.80s",
                 p->word);
    else
        advance(p);
    return value;
}

/* A path or a :value; NULL where the item has no such attribute (or trouble). */
static const json_t *take_plain_operand(struct parser *p)
{
    char name[WORD_BYTES];
    if (p->kind == VALUE)
        return take_value(p);
    const char *path = take_path(p, name);
    return path ? json_object_get(p->item, path) : NULL;
}

/* ---- conditions */

static bool take_or(struct parser *p);

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
static bool take_function(struct parser *p, const char *function)
{
    char name[WORD_BYTES];
    bool two =
        strcasecmp(function, "begins_with") == 0 || strcasecmp(function, "attribute_type") == 0;
    expect(p, "(");
    if (broken(p))
        return false;
    const char *path = take_path(p, name);
    const json_t *value = path ? json_object_get(p->item, path) : NULL;
    const json_t *second = NULL;
    if (two && !broken(p)) {
        expect(p, ",");
        second = broken(p) ? NULL : take_plain_operand(p);
    }
    if (!broken(p))
        expect(p, ")");
    if (broken(p))
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

static bool take_between(struct parser *p, const json_t *value)
{
    const json_t *low = take_plain_operand(p);
    if (!broken(p) && !is_keyword(p, "AND"))
        syntax_error(p);
    if (broken(p))
        return false;
    advance(p);
    const json_t *high = take_plain_operand(p);
    return !broken(p) && compare(">=", value, low) && compare("<=", value, high);
}

static bool take_in(struct parser *p, const json_t *value)
{
    bool found = false;
    expect(p, "(");
    while (!broken(p)) {
        const json_t *one = take_plain_operand(p);
        found = found || (!broken(p) && compare("=", value, one));
        if (!broken(p) && !take_symbol(p, ",")) {
            expect(p, ")");
            break;
        }
    }
    return found;
}

static bool is_function(const struct parser *p)
{
    static const char *const functions[] = {"attribute_exists", "attribute_not_exists",
                                            "attribute_type", "begins_with"};
    const char *next = p->at + strspn(p->at, " \t\r\n");
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (*next == '(' && p->kind == WORD && strcmp(p->word, functions[i]) == 0)
            return true;
    return false;
}

static bool take_comparison(struct parser *p)
{
    char how[3];
    const json_t *left = take_plain_operand(p);
    if (broken(p))
        return false;
    if (is_keyword(p, "BETWEEN")) {
        advance(p);
        return take_between(p, left);
    }
    if (is_keyword(p, "IN")) {
        advance(p);
        return take_in(p, left);
    }
    if (p->kind != SYMBOL || strlen(p->word) > 2 || !strchr("=<>", p->word[0])) {
        syntax_error(p);
        return false;
    }
    memcpy(how, p->word, strlen(p->word) + 1);
    advance(p);
    const json_t *right = take_plain_operand(p);
    return !broken(p) && compare(how, left, right);
}

static bool take_term(struct parser *p)
{
    bool holds = false;
    if (++p->depth > DEPTH_MAX) {
        complain(p, DYNAMODB_MALFORMED, "The expression is nested too deeply");
    } else if (is_keyword(p, "NOT")) {
        advance(p);
        holds = !take_term(p);
    } else if (take_symbol(p, "(")) {
        holds = take_or(p);
        if (!broken(p))
            expect(p, ")");
    } else if (is_function(p)) {
        char function[WORD_BYTES];
        memcpy(function, p->word, sizeof(function));
        advance(p);
        holds = take_function(p, function);
    } else {
        holds = take_comparison(p);
    }
    p->depth--;
    return holds && !broken(p);
}

static bool take_and(struct parser *p)
{
    bool holds = take_term(p);
    while (!broken(p) && is_keyword(p, "AND")) {
        advance(p);
        bool right = take_term(p);
        holds = holds && right;
    }
    return holds;
}

static bool take_or(struct parser *p)
{
    bool holds = take_and(p);
    while (!broken(p) && is_keyword(p, "OR")) {
        advance(p);
        bool right = take_and(p);
        holds = holds || right;
    }
    return holds;
}

static struct parser start(const char *what, const char *text, struct dynamodb_names *n,
                           const json_t *item)
{
    struct parser p = {.at = text, .names = n, .item = item, .what = what};
    if (strlen(text) > EXPRESSION_BYTES_MAX)
        complain(&p, DYNAMODB_MALFORMED,
                 "Expression size has exceeded the maximum allowed size of 4096 bytes");
    else
        advance(&p);
    if (!broken(&p) && p.kind == END)
        complain(&p, DYNAMODB_MALFORMED, "The expression can not be empty;");
    return p;
}

enum dynamodb_outcome dynamodb_condition(const char *text, struct dynamodb_names *n,
                                         const json_t *item)
{
    struct parser p = start("ConditionExpression", text, n, item);
    bool holds = !broken(&p) && take_or(&p);
    if (!broken(&p) && p.kind != END)
        syntax_error(&p);
    if (broken(&p))
        return DYNAMODB_MALFORMED;
    return holds ? DYNAMODB_HOLDS : DYNAMODB_FAILS;
}

/* ---- updates */

/* An operand of SET (new), or NULL with trouble. */
static json_t *take_operand(struct parser *p)
{
    char name[WORD_BYTES];
    const char *next = p->at + strspn(p->at, " \t\r\n");
    if (p->kind == WORD && strcmp(p->word, "if_not_exists") == 0 && *next == '(') {
        if (++p->depth > DEPTH_MAX)
            complain(p, DYNAMODB_MALFORMED, "The expression is nested too deeply");
        advance(p);
        expect(p, "(");
        const char *path = broken(p) ? NULL : take_path(p, name);
        const json_t *there = path ? json_object_get(p->item, path) : NULL;
        if (!broken(p))
            expect(p, ",");
        enum dynamodb_outcome before = p->trouble;
        json_t *fallback = broken(p) ? NULL : take_operand(p);
        if (there && p->trouble == DYNAMODB_UNFIT)
            p->trouble = before; /* the fallback is not needed */
        if (!broken(p))
            expect(p, ")");
        p->depth--;
        if (!there)
            return fallback;
        json_decref(fallback);
        return json_copy((json_t *)(uintptr_t)there);
    }
    const json_t *value = take_plain_operand(p);
    if (!value && !broken(p))
        complain(p, DYNAMODB_UNFIT,
                 "The provided expression refers to an attribute that does not exist in the item");
    return value ? json_deep_copy(value) : NULL;
}

/* operand, operand + operand, operand - operand (new), or NULL with trouble. */
static json_t *take_sum(struct parser *p)
{
    json_t *left = take_operand(p);
    if (broken(p) || !(is_symbol(p, "+") || is_symbol(p, "-")))
        return left;
    bool subtract = is_symbol(p, "-");
    const char *why = "";
    advance(p);
    json_t *right = take_operand(p);
    json_t *sum = left && right ? dynamodb_value_add(left, right, subtract, &why) : NULL;
    if (left && right && !sum)
        complain(p, DYNAMODB_UNFIT, "%s", why);
    json_decref(left);
    json_decref(right);
    return sum;
}

/* Reads the path that a clause changes and notes it. */
static const char *take_target(struct parser *p, const char *key, json_t *touched,
                               char out[WORD_BYTES])
{
    const char *name = take_path(p, out);
    if (!name)
        return NULL;
    if (strcmp(name, key) == 0)
        complain(p, DYNAMODB_MALFORMED,
                 "Cannot update attribute %.80s. This attribute is part of the key", name);
    else if (json_object_get(touched, name))
        complain(p, DYNAMODB_MALFORMED,
                 "Two document paths overlap with each other; must remove or rewrite one of these "
                 "paths; path one: [%.80s], path two: [%.80s]",
                 name, name);
    json_object_set_new(touched, name, json_true());
    return broken(p) ? NULL : name;
}

static void take_set(struct parser *p, const char *key, json_t *next, json_t *touched)
{
    do {
        char out[WORD_BYTES];
        const char *name = take_target(p, key, touched, out);
        if (!broken(p))
            expect(p, "=");
        json_t *value = broken(p) ? NULL : take_sum(p);
        if (value && name)
            json_object_set(next, name, value);
        json_decref(value);
    } while (!broken(p) && take_symbol(p, ","));
}

static void take_remove(struct parser *p, const char *key, json_t *next, json_t *touched)
{
    do {
        char out[WORD_BYTES];
        const char *name = take_target(p, key, touched, out);
        if (name)
            json_object_del(next, name);
    } while (!broken(p) && take_symbol(p, ","));
}

static void take_clauses(struct parser *p, const char *key, json_t *next, json_t *touched)
{
    bool set_seen = false;
    bool remove_seen = false;
    while (!broken(p) && p->kind != END) {
        bool set = is_keyword(p, "SET");
        bool *seen = set ? &set_seen : &remove_seen;
        if (!set && !is_keyword(p, "REMOVE")) {
            if (is_keyword(p, "ADD") || is_keyword(p, "DELETE"))
                complain(p, DYNAMODB_MALFORMED, "the store knows SET and REMOVE only");
            syntax_error(p);
            return;
        }
        if (*seen)
            complain(p, DYNAMODB_MALFORMED, "The \"%s\" section can only be used once",
                     set ? "SET" : "REMOVE");
        *seen = true;
        advance(p);
        (set ? take_set : take_remove)(p, key, next, touched);
    }
}

enum dynamodb_outcome dynamodb_update(const char *text, struct dynamodb_names *n, const char *key,
                                      json_t *item, json_t **touched_out)
{
    json_t *next = json_copy(item);
    json_t *touched = json_object();
    struct parser p = start("UpdateExpression", text, n, item);
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

/* ---- substitutions */

void dynamodb_names_init(struct dynamodb_names *n, const json_t *names, const json_t *values)
{
    *n = (struct dynamodb_names){.names = names, .values = values, .used = json_object()};
}

void dynamodb_names_clear(struct dynamodb_names *n)
{
    json_decref(n->used);
    n->used = NULL;
}

static bool all_used(struct dynamodb_names *n, const json_t *given, const char *member)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)given, name, value)
    {
        if (json_object_get(n->used, name))
            continue;
        snprintf(n->why, sizeof(n->why),
                 "Value provided in %s unused in expressions: keys: {%.80s}", member, name);
        return false;
    }
    return true;
}

bool dynamodb_names_all_used(struct dynamodb_names *n)
{
    return all_used(n, n->names, "ExpressionAttributeNames") &&
           all_used(n, n->values, "ExpressionAttributeValues");
}
