#ifndef WORKERS_STORE_DYNAMODB_PARSER_H
#define WORKERS_STORE_DYNAMODB_PARSER_H

#include "workers/store/dynamodb_expression.h"

/* What conditions and updates have in common: tokens, paths and operands. Recursive descent that
 * evaluates while it reads: nothing has an effect before the text is known to be well-formed, so no
 * tree is needed. Used by dynamodb_condition.c and dynamodb_update.c only. */
#define PARSER_WORD_BYTES 256
#define PARSER_DEPTH_MAX 64

enum parser_token {
    PARSER_END,
    PARSER_WORD,
    PARSER_NAME,  /* "#n" */
    PARSER_VALUE, /* ":v" */
    PARSER_SYMBOL,
    PARSER_BAD,
};

struct dynamodb_parser {
    const char *at;               /* borrow: behind the token */
    struct dynamodb_names *names; /* borrow */
    const json_t *item;           /* borrow */
    const char *what;             /* "ConditionExpression", for messages */
    enum parser_token kind;       /* of the token that is next */
    char word[PARSER_WORD_BYTES]; /* its text */
    int depth;
    enum dynamodb_outcome trouble; /* MALFORMED, or of an update UNFIT; HOLDS: none */
};

/* At the first token. */
struct dynamodb_parser parser_start(const char *what, const char *text, struct dynamodb_names *n,
                                    const json_t *item);

/* Notes what is wrong (printf), in names->why. The first one counts, but for MALFORMED, which
 * counts before UNFIT. */
void parser_complain(struct dynamodb_parser *p, enum dynamodb_outcome kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void parser_syntax_error(struct dynamodb_parser *p);
/* Malformed: nothing more is to be read. */
bool parser_broken(const struct dynamodb_parser *p);

void parser_advance(struct dynamodb_parser *p);
bool parser_at_symbol(const struct dynamodb_parser *p, const char *symbol);
bool parser_at_keyword(const struct dynamodb_parser *p, const char *word);
bool parser_take_symbol(struct dynamodb_parser *p, const char *symbol);
void parser_expect(struct dynamodb_parser *p, const char *symbol);

/* An attribute's name (borrowed from the request, or copied to out), or NULL when broken. */
const char *parser_take_path(struct dynamodb_parser *p, char out[PARSER_WORD_BYTES]);
/* The value of a path or a :value (borrowed); NULL where the item has no such attribute, or broken.
 */
const json_t *parser_take_operand(struct dynamodb_parser *p);

#endif
