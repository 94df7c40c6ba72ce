#include "workers/retry/console.h"

#include <string.h>

#include "console_console.js.h"
#include "console_index.html.h"
#include "console_style.css.h"

#define FILE_AT(path, type, data)                                                                  \
    {                                                                                              \
        path, type, data, sizeof(data) - 1                                                         \
    }

static const struct console_file files[] = {
    FILE_AT("/", "text/html; charset=utf-8", console_index_html),
    FILE_AT("/style.css", "text/css; charset=utf-8", console_style_css),
    FILE_AT("/console.js", "text/javascript; charset=utf-8", console_console_js),
};

const struct console_file *console_find(const char *path)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}
