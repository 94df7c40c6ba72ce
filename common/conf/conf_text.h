#ifndef COMMON_CONF_CONF_TEXT_H
#define COMMON_CONF_CONF_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* What is done to text before it is a configuration value: comments, variables, near words. */

/* Blanks out // and block comments in JSON text, strings left alone and line ends kept, so that a
 * parser's line numbers stay right. 0, or the line (from 1) of a block comment that never ends. */
int conf_text_strip_comments(char *text, size_t len);

/* True where the text refers to a variable. */
bool conf_text_has_variable(const char *text);

/* Replaces ${NAME} and ${NAME:-default} (for a variable that is unset or empty) by the
 * environment's value; $${ stands for a plain ${. The result is malloc'ed; NULL with the reason. */
char *conf_text_expand(const char *text, char *reason, size_t reason_size);

/* The nearest of the words to a mistyped one by edit distance, or NULL where none is close. */
const char *conf_text_nearest(const char *word, const char *const *words, size_t count);

#endif
