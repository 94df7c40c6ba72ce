#include "workers/retry/console.h"

#include <assert.h>
#include <string.h>

#include "common/base/buf.h"

#include "console_index.html.h"
#include "console_style.css.h"

static const struct console_file files[] = {
    {"/style.css", "text/css; charset=utf-8", console_style_css, sizeof(console_style_css) - 1},
};

const struct console_file *console_find(const char *path)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    }
    return NULL;
}

static const char *value_of(const struct console_value *values, size_t count, const char *name,
                            size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(values[i].name) == len && memcmp(values[i].name, name, len) == 0)
            return values[i].html;
    }
    return NULL;
}

void console_render(const struct console_value *values, size_t count, struct buf *out)
{
    const char *p = (const char *)console_index_html;
    for (;;) {
        const char *open = strstr(p, "{{");
        const char *close = open ? strstr(open, "}}") : NULL;
        if (!close)
            break;
        const char *html = value_of(values, count, open + 2, (size_t)(close - open - 2));
        assert(html);
        buf_append(out, p, (size_t)(open - p));
        buf_puts(out, html);
        p = close + 2;
    }
    buf_puts(out, p);
}

void console_escape(const char *text, struct buf *out)
{
    static const struct {
        char c;
        const char *entity;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (; *text; text++) {
        const char *entity = NULL;
        for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
            if (entities[i].c == *text)
                entity = entities[i].entity;
        }
        if (entity)
            buf_puts(out, entity);
        else
            buf_append(out, text, 1);
    }
}
