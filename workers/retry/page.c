#include "workers/retry/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/conf/conf.h"
#include "workers/retry/console.h"
#include "workers/retry/counts.h"

static void put_cell(const char *text, const char *small, struct buf *out)
{
    buf_puts(out, "<td>");
    console_escape(text, out);
    if (small) {
        buf_puts(out, "<small>");
        console_escape(small, out);
        buf_puts(out, "</small>");
    }
    buf_puts(out, "</td>");
}

static void put_number(const struct counts_entry *entry, int64_t number, struct buf *out)
{
    if (entry && entry->known)
        buf_printf(out, "<td class=\"number\">%lld</td>", (long long)number);
    else
        buf_puts(out, "<td class=\"number\">?</td>");
}

static void put_source(const struct page *page, const char *name, const json_t *source,
                       struct buf *out)
{
    const struct counts_entry *queue = page->count(page->arg, conf_str(source, "queue"));
    const struct counts_entry *inspect =
        page->count(page->arg, conf_str(source, "inspection_queue"));
    const struct counts_entry *dead = page->count(page->arg, conf_str(source, "dead_letter.queue"));
    buf_puts(out, "<tr>");
    put_cell(name, conf_str(source, "preset"), out);
    put_cell(conf_str(source, "path"), NULL, out);
    put_cell(conf_str(source, "destination"), NULL, out);
    put_number(queue, queue ? queue->waiting : 0, out);
    put_number(queue, queue ? queue->in_work : 0, out);
    put_number(inspect, inspect ? inspect->waiting + inspect->in_work : 0, out);
    put_number(dead, dead ? dead->waiting + dead->in_work : 0, out);
    buf_puts(out, "</tr>\n");
}

static void put_uptime(int64_t s, char *out, size_t size)
{
    if (s < 120)
        snprintf(out, size, "%lld s", (long long)s);
    else if (s < 7200)
        snprintf(out, size, "%lld min", (long long)(s / 60));
    else
        snprintf(out, size, "%lld h", (long long)(s / 3600));
}

void page_render(const struct page *page, struct buf *out)
{
    struct buf rows = {0};
    struct buf note = {0};
    char uptime[32];
    const char *name = NULL;
    json_t *source = NULL;
    json_t *sources = (json_t *)(uintptr_t)conf_value(page->conf, "sources");
    json_object_foreach(sources, name, source)
    {
        put_source(page, name, source, &rows);
    }
    console_escape(page->trouble, &note);
    put_uptime(page->uptime_s, uptime, sizeof(uptime));
    bool good = page->trouble[0] == '\0';
    const struct console_value values[] = {
        {"state", good ? "running" : "not all right"},
        {"state_class", good ? "good" : "bad"},
        {"rows", rows.data ? rows.data : ""},
        {"note", note.data ? note.data : ""},
        {"version", SLUICE_VERSION},
        {"uptime", uptime},
    };
    console_render(values, sizeof(values) / sizeof(values[0]), out);
    buf_free(&rows);
    buf_free(&note);
}
