#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/buf.h"
#include "workers/retry/console.h"
#include "workers/retry/counts.h"
#include "workers/retry/page.h"

static const struct counts_entry entries[] = {
    {.queue = "q", .known = true, .waiting = 12, .in_work = 3},
    {.queue = "q-dlq", .known = true, .waiting = 5, .in_work = 2},
    {.queue = "q-inspection", .known = false, .waiting = 99},
};

static const struct counts_entry *count(const void *arg, const char *queue)
{
    (void)arg;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(entries[i].queue, queue) == 0)
            return &entries[i];
    }
    return NULL;
}

static char *render(const char *source, const char *trouble)
{
    json_t *conf = json_pack("{s:{s:{s:s,s:s,s:s,s:s,s:s,s:{s:s}}}}", "sources", source, "preset",
                             "generic", "path", "/a?<b>", "destination", "d&d", "queue", "q",
                             "inspection_queue", "q-inspection", "dead_letter", "queue", "q-dlq");
    struct page page = {.conf = conf, .trouble = trouble, .uptime_s = 7199, .count = count};
    struct buf out = {0};
    page_render(&page, &out);
    json_decref(conf);
    return buf_steal(&out);
}

static void numbers_and_names(void **state)
{
    (void)state;
    char *html = render("orders", "");
    assert_non_null(strstr(html, "<td>orders<small>generic</small></td><td>/a?&lt;b&gt;</td>"
                                 "<td>d&amp;d</td><td class=\"number\">12</td>"
                                 "<td class=\"number\">3</td><td class=\"number\">?</td>"
                                 "<td class=\"number\">7</td>"));
    assert_non_null(strstr(html, "running"));
    assert_non_null(strstr(html, "up 119 min"));
    assert_null(strstr(html, "{{"));
    free(html);
}

static void nothing_from_the_configuration_is_markup(void **state)
{
    (void)state;
    char *html = render("<script>'\"", "queue \"<b>\": no answer");
    assert_non_null(strstr(html, "&lt;script&gt;&#39;&quot;"));
    assert_non_null(strstr(html, "queue &quot;&lt;b&gt;&quot;: no answer"));
    assert_non_null(strstr(html, "not all right"));
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "<b>"));
    free(html);
}

static void self_contained(void **state)
{
    (void)state;
    char *html = render("orders", "");
    assert_null(strstr(html, "://"));
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, " style="));
    assert_non_null(strstr(html, "href=\"/style.css\""));
    const struct console_file *css = console_find("/style.css");
    assert_non_null(css);
    assert_int_equal(strlen(css->data), css->len);
    assert_null(strstr(css->data, "url("));
    assert_null(console_find("/index.html"));
    free(html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_names),
        cmocka_unit_test(nothing_from_the_configuration_is_markup),
        cmocka_unit_test(self_contained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
