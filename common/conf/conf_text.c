#include "common/conf/conf_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"

/* The end of a string literal that starts at i (its opening quote): the offset behind it. */
static size_t skip_string(const char *text, size_t len, size_t i)
{
    for (i++; i < len && text[i] != '"'; i++)
        if (text[i] == '\\')
            i++;
    return i < len ? i + 1 : len;
}

static size_t blank_line(char *text, size_t len, size_t i)
{
    while (i < len && text[i] != '\n')
        text[i++] = ' ';
    return i;
}

/* Blanks a block comment that starts at i: the offset behind it, or 0 where it never ends. */
static size_t blank_block(char *text, size_t len, size_t i)
{
    text[i] = text[i + 1] = ' ';
    for (i += 2; i < len; i++) {
        if (text[i] == '*' && i + 1 < len && text[i + 1] == '/') {
            text[i] = text[i + 1] = ' ';
            return i + 2;
        }
        if (text[i] != '\n')
            text[i] = ' ';
    }
    return 0;
}

static int line_of(const char *text, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

int conf_text_strip_comments(char *text, size_t len)
{
    size_t i = 0;
    while (i < len) {
        char next = i + 1 < len ? text[i + 1] : '\0';
        if (text[i] == '"') {
            i = skip_string(text, len, i);
        } else if (text[i] == '/' && next == '/') {
            i = blank_line(text, len, i);
        } else if (text[i] == '/' && next == '*') {
            size_t start = i;
            i = blank_block(text, len, i);
            if (!i)
                return line_of(text, start);
        } else {
            i++;
        }
    }
    return 0;
}

bool conf_text_has_variable(const char *text)
{
    return strstr(text, "${") != NULL;
}

/* Appends the value of the reference between ${ and }. 0, or -1 with the reason. */
static int expand_one(struct buf *out, const char *reference, size_t len, char *reason,
                      size_t reason_size)
{
    size_t name_len = 0;
    while (name_len < len &&
           (isalnum((unsigned char)reference[name_len]) || reference[name_len] == '_'))
        name_len++;
    bool has_default = name_len + 1 < len && strncmp(reference + name_len, ":-", 2) == 0;
    if (name_len == 0 || isdigit((unsigned char)reference[0]) || (name_len < len && !has_default)) {
        snprintf(reason, reason_size, "\"${%.*s}\" is not ${NAME} or ${NAME:-default}", (int)len,
                 reference);
        return -1;
    }
    char name[128];
    if (name_len >= sizeof(name)) {
        snprintf(reason, reason_size, "the name of a variable is longer than %zu characters",
                 sizeof(name) - 1);
        return -1;
    }
    memcpy(name, reference, name_len);
    name[name_len] = '\0';
    const char *value = getenv(name);
    if (value && (*value || !has_default)) {
        buf_puts(out, value);
    } else if (has_default) {
        buf_append(out, reference + name_len + 2, len - name_len - 2);
    } else {
        snprintf(reason, reason_size,
                 "the environment variable %s is not set: set it, or write ${%s:-default}", name,
                 name);
        return -1;
    }
    return 0;
}

char *conf_text_expand(const char *text, char *reason, size_t reason_size)
{
    struct buf out = {0};
    for (const char *p = text; *p;) {
        if (strncmp(p, "$${", 3) == 0) {
            buf_puts(&out, "${");
            p += 3;
            continue;
        }
        if (strncmp(p, "${", 2) != 0) {
            buf_append(&out, p++, 1);
            continue;
        }
        const char *end = strchr(p, '}');
        if (!end)
            snprintf(reason, reason_size, "\"${\" has no closing \"}\" (write $${ for a plain ${)");
        if (!end || expand_one(&out, p + 2, (size_t)(end - p - 2), reason, reason_size)) {
            buf_free(&out);
            return NULL;
        }
        p = end + 1;
    }
    return buf_steal(&out);
}

#define WORD_MAX 64

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Edit distance in which a swap of two neighbours counts as one step. Words up to WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    size_t rows[3][WORD_MAX + 1]; /* the row before last, the last, the current */
    for (size_t j = 0; j <= b_len; j++)
        rows[1][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *before = rows[(i + 2) % 3], *last = rows[i % 3], *row = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1, row[j]);
        }
    }
    return rows[(a_len + 1) % 3][b_len];
}

const char *conf_text_nearest(const char *word, const char *const *words, size_t count)
{
    size_t len = strlen(word);
    if (len > WORD_MAX)
        return NULL;
    const char *best = NULL;
    size_t best_distance = len / 3 + 1; /* one step in a short word, a third of a longer one */
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i]) > WORD_MAX)
            continue;
        size_t d = distance(word, words[i]);
        if (d < len && (d < best_distance || (d == best_distance && !best))) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}
