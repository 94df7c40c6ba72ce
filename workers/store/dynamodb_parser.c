#include "workers/store/dynamodb_parser.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define EXPRESSION_BYTES_MAX 4096

/* ---- trouble */

void parser_complain(struct dynamodb_parser *p, enum dynamodb_outcome kind, const char *format, ...)
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

bool parser_broken(const struct dynamodb_parser *p)
{
    return p->trouble == DYNAMODB_MALFORMED;
}

/* ---- tokens */

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void take_text(struct dynamodb_parser *p, size_t len)
{
    if (len >= sizeof(p->word)) {
        p->kind = PARSER_BAD;
        len = sizeof(p->word) - 1;
    }
    memcpy(p->word, p->at, len);
    p->word[len] = '\0';
    p->at += len;
}

void parser_advance(struct dynamodb_parser *p)
{
    p->at += strspn(p->at, " \t\r\n");
    char c = *p->at;
    size_t len = 1;
    if (c == '\0') {
        p->kind = PARSER_END;
        snprintf(p->word, sizeof(p->word), "<EOF>");
        return;
    }
    if (is_word_char(c) || c == '#' || c == ':') {
        while (is_word_char(p->at[len]))
            len++;
        p->kind = c == '#'                    ? PARSER_NAME
                  : c == ':'                  ? PARSER_VALUE
                  : isdigit((unsigned char)c) ? PARSER_BAD
                                              : PARSER_WORD;
        if (len == 1 && (c == '#' || c == ':'))
            p->kind = PARSER_BAD;
    } else {
        p->kind = strchr("=<>(),+-", c) ? PARSER_SYMBOL : PARSER_BAD;
        if ((c == '<' && (p->at[1] == '=' || p->at[1] == '>')) || (c == '>' && p->at[1] == '='))
            len = 2;
        if (c == '.' || c == '[')
            parser_complain(p, DYNAMODB_MALFORMED, "the store knows top-level attributes only");
        /* A whole character of UTF-8, so that the message is text. */
        while ((p->at[len] & 0xc0) == 0x80)
            len++;
    }
    take_text(p, len);
}

bool parser_at_symbol(const struct dynamodb_parser *p, const char *symbol)
{
    return p->kind == PARSER_SYMBOL && strcmp(p->word, symbol) == 0;
}

bool parser_at_keyword(const struct dynamodb_parser *p, const char *word)
{
    return p->kind == PARSER_WORD && strcasecmp(p->word, word) == 0;
}

void parser_syntax_error(struct dynamodb_parser *p)
{
    parser_complain(p, DYNAMODB_MALFORMED, "Syntax error; token: \"%.80s\", near: \"%.40s\"",
                    p->word, p->word);
}

bool parser_take_symbol(struct dynamodb_parser *p, const char *symbol)
{
    if (!parser_at_symbol(p, symbol))
        return false;
    parser_advance(p);
    return true;
}

void parser_expect(struct dynamodb_parser *p, const char *symbol)
{
    if (!parser_take_symbol(p, symbol))
        parser_syntax_error(p);
}

/* ---- operands */

static void mark_used(struct dynamodb_parser *p)
{
    json_object_set_new(p->names->used, p->word, json_true());
}

const char *parser_take_path(struct dynamodb_parser *p, char out[PARSER_WORD_BYTES])
{
    const char *name = NULL;
    if (p->kind == PARSER_NAME) {
        name = json_string_value(json_object_get(p->names->names, p->word));
        mark_used(p);
        if (!name)
            parser_complain(
                p, DYNAMODB_MALFORMED,
                "An expression attribute name used in the document path is not defined; "
                "attribute name: %.80s",
                p->word);
    } else if (p->kind == PARSER_WORD) {
        memcpy(out, p->word, PARSER_WORD_BYTES);
        name = out;
    } else {
        parser_syntax_error(p);
    }
    if (!parser_broken(p))
        parser_advance(p);
    return parser_broken(p) ? NULL : name;
}

static const json_t *take_value(struct dynamodb_parser *p)
{
    const json_t *value = json_object_get(p->names->values, p->word);
    mark_used(p);
    if (!value)
        parser_complain(
            p, DYNAMODB_MALFORMED,
            "An expression attribute value used in expression is not defined; attribute "
            "value: %.80s",
            p->word);
    else
        parser_advance(p);
    return value;
}

const json_t *parser_take_operand(struct dynamodb_parser *p)
{
    char name[PARSER_WORD_BYTES];
    if (p->kind == PARSER_VALUE)
        return take_value(p);
    const char *path = parser_take_path(p, name);
    return path ? json_object_get(p->item, path) : NULL;
}

struct dynamodb_parser parser_start(const char *what, const char *text, struct dynamodb_names *n,
                                    const json_t *item)
{
    struct dynamodb_parser p = {.at = text, .names = n, .item = item, .what = what};
    if (strlen(text) > EXPRESSION_BYTES_MAX)
        parser_complain(&p, DYNAMODB_MALFORMED,
                        "Expression size has exceeded the maximum allowed size of 4096 bytes");
    else
        parser_advance(&p);
    if (!parser_broken(&p) && p.kind == PARSER_END)
        parser_complain(&p, DYNAMODB_MALFORMED, "The expression can not be empty;");
    return p;
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
