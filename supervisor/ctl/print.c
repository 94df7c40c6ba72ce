#include "supervisor/ctl/print.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

void print_text(FILE *to, const char *text, size_t len, int keep_lines)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned char next = i + 1 < len ? (unsigned char)text[i + 1] : 0;
        if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
            i++; /* U+0080 to U+009F */
            continue;
        }
        if (c >= 0x80 && c < 0xa0 && (i == 0 || (unsigned char)text[i - 1] < 0x80))
            continue; /* the same as bare bytes */
        if ((c < 0x20 && !(keep_lines && (c == '\n' || c == '\t'))) || c == 0x7f)
            continue;
        fputc(c, to);
    }
}

void print_error(const char *format, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    fputs("sluicectl: ", stderr);
    print_text(stderr, text, strlen(text), 0);
    fputc('\n', stderr);
}

void print_json(const json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    /* DEL is the one control that is plain ASCII to Jansson; it only stands inside strings. */
    for (const char *p = text ? text : "null"; *p; p++) {
        if (*p == 0x7f)
            fputs("\\u007f", stdout);
        else
            fputc(*p, stdout);
    }
    fputc('\n', stdout);
    free(text);
}

struct print_table {
    size_t columns;
    size_t count;
    char **cells; /* own */
};

struct print_table *print_table_new(size_t columns)
{
    struct print_table *t = xcalloc(1, sizeof(*t));
    t->columns = columns;
    return t;
}

void print_table_add(struct print_table *t, const char *cell)
{
    char *safe = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&safe, &size);
    if (!memory)
        abort();
    print_text(memory, *cell ? cell : "-", strlen(*cell ? cell : "-"), 0);
    fclose(memory);
    t->cells = xrealloc(t->cells, (t->count + 1) * sizeof(*t->cells));
    t->cells[t->count++] = safe;
}

/* How many columns of a terminal a cell takes: its characters, not its bytes. */
static size_t width_of(const char *cell)
{
    size_t width = 0;
    for (const char *p = cell; *p; p++)
        width += ((unsigned char)*p & 0xc0) != 0x80;
    return width;
}

void print_table_end(struct print_table *t)
{
    size_t *widths = xcalloc(t->columns, sizeof(*widths));
    for (size_t i = 0; i < t->count; i++)
        if (width_of(t->cells[i]) > widths[i % t->columns])
            widths[i % t->columns] = width_of(t->cells[i]);
    for (size_t i = 0; i < t->count; i++) {
        size_t column = i % t->columns;
        fputs(t->cells[i], stdout);
        if (column + 1 == t->columns)
            fputc('\n', stdout);
        else
            printf("%*s", (int)(widths[column] - width_of(t->cells[i]) + 2), "");
        free(t->cells[i]);
    }
    free(widths);
    free(t->cells);
    free(t);
}

void print_duration(long long seconds, char out[PRINT_DURATION_BYTES])
{
    if (seconds < 60)
        snprintf(out, PRINT_DURATION_BYTES, "%llds", seconds);
    else if (seconds < 3600)
        snprintf(out, PRINT_DURATION_BYTES, "%lldm %llds", seconds / 60, seconds % 60);
    else if (seconds < 86400)
        snprintf(out, PRINT_DURATION_BYTES, "%lldh %lldm", seconds / 3600, seconds / 60 % 60);
    else
        snprintf(out, PRINT_DURATION_BYTES, "%lldd %lldh", seconds / 86400, seconds / 3600 % 24);
}
