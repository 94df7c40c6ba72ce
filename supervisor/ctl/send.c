#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/fdio.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/conf/conf_format.h"
#include "common/net/http_client.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/fetch.h"
#include "supervisor/ctl/locate.h"
#include "supervisor/ctl/print.h"

/* `sluicectl send SOURCE FILE`: posts a file to a source as its sender would. */

#define FILE_MAX_BYTES (64 * 1024 * 1024)
#define ANSWER_MS 70000 /* above the largest ack_deadline_ms */

struct headers {
    struct http_header list[CTL_HEADERS_MAX + 2];
    size_t count;
    char *owned[CTL_HEADERS_MAX + 2]; /* own; what list points into */
    size_t owned_count;
};

static void headers_free(struct headers *h)
{
    for (size_t i = 0; i < h->owned_count; i++) {
        explicit_bzero(h->owned[i], strlen(h->owned[i]));
        free(h->owned[i]);
    }
}

static bool headers_have(const struct headers *h, const char *name)
{
    for (size_t i = 0; i < h->count; i++)
        if (strcasecmp(h->list[i].name, name) == 0)
            return true;
    return false;
}

/* Takes over value; name is a literal or the configuration's. */
static void headers_add(struct headers *h, const char *name, char *value)
{
    h->list[h->count++] = (struct http_header){name, value};
    h->owned[h->owned_count++] = value;
}

/* "Name: value" as written with -H. False after printing what is wrong with it. */
static bool headers_parse(struct headers *h, const char *text)
{
    char *line = xstrdup(text);
    char *colon = strchr(line, ':');
    if (!colon || colon == line || conf_format_line(line)) {
        print_error("-H takes 'Name: value', found '%s'", text);
        free(line);
        return false;
    }
    *colon = '\0';
    char *value = colon + 1;
    value += strspn(value, " \t");
    if (conf_format_header_name(line)) {
        print_error("-H: '%s' is not the name of an HTTP header", line);
        free(line);
        return false;
    }
    h->list[h->count++] = (struct http_header){line, value};
    h->owned[h->owned_count++] = line;
    return true;
}

/* What the source's verifier wants to see, unless -H says otherwise. */
static void headers_sign(struct headers *h, const json_t *source)
{
    const char *type = conf_str(source, "verify.type");
    const char *secret = json_string_value(json_array_get(conf_value(source, "verify.secrets"), 0));
    if (strcmp(type, "shared-header") == 0 && !headers_have(h, conf_str(source, "verify.header")))
        headers_add(h, conf_str(source, "verify.header"), xstrdup(secret));
    else if (strcmp(type, "bearer") == 0 && !headers_have(h, "Authorization"))
        headers_add(h, "Authorization", xasprintf("Bearer %s", secret));
    if (!headers_have(h, "Content-Type"))
        headers_add(h, "Content-Type", xstrdup("application/json"));
}

/* Where the first ingest listener is reached from this host (malloc). */
static char *url_of(const json_t *conf, const json_t *source)
{
    const char *listen = json_string_value(json_array_get(conf_value(conf, "ingest.listen"), 0));
    const char *port = strrchr(listen, ':');
    const char *path = conf_str(source, "path");
    if (strncmp(listen, "0.0.0.0:", 8) == 0)
        return xasprintf("http://127.0.0.1%s%s", port, path);
    if (strncmp(listen, "[::]:", 5) == 0)
        return xasprintf("http://[::1]%s%s", port, path);
    return xasprintf("http://%s%s", listen, path);
}

static int read_input(const char *file, struct buf *body)
{
    if (strcmp(file, "-") != 0)
        return fdio_read_file(file, FILE_MAX_BYTES, body);
    char chunk[16384];
    ssize_t n;
    while ((n = read(STDIN_FILENO, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        buf_append(body, chunk, (size_t)n);
        if (body->len > FILE_MAX_BYTES) {
            errno = EFBIG;
            return -1;
        }
    }
    return 0;
}

static void print_outcome(const struct ctl *ctl, const char *url, const struct fetch *f)
{
    bool ok = f->status >= 200 && f->status < 300;
    if (ctl->json) {
        json_t *body = json_stringn(f->body, f->body_len);
        json_t *all =
            json_pack("{s:b, s:s, s:i, s:s, s:s, s:o}", "ok", ok, "url", url, "status", f->status,
                      "trace", f->trace, "error", f->error, "body", body ? body : json_null());
        print_json(all);
        json_decref(all);
    } else if (!f->status) {
        print_error("%s: %s: is sluiced running?", url, f->error);
    } else {
        printf("%d ", f->status);
        print_text(stdout, f->trace, strlen(f->trace), 0);
        printf("%s", *f->trace ? " " : "");
        print_text(stdout, f->body, f->body_len, 0);
        fputc('\n', stdout);
    }
}

static int post(const struct ctl *ctl, const json_t *conf, const json_t *source,
                const struct headers *headers, const struct buf *body)
{
    char *url = url_of(conf, source);
    struct http_call call = {.method = "POST",
                             .url = url,
                             .headers = headers->list,
                             .header_count = headers->count,
                             .body = body->data ? body->data : "",
                             .body_len = body->len,
                             .timeout_ms = ANSWER_MS,
                             .response_cap_bytes = 1024 * 1024};
    struct fetch f;
    fetch_run(&call, &f);
    print_outcome(ctl, url, &f);
    int status = !f.status ? EX_UNAVAILABLE : f.status >= 200 && f.status < 300 ? EX_OK : 1;
    fetch_free(&f);
    free(url);
    return status;
}

static void print_unknown_source(const struct ctl *ctl, const char *name, const json_t *sources)
{
    struct buf known = {0};
    const char *one;
    json_t *source;
    json_object_foreach((json_t *)sources, one, source)
    {
        (void)source;
        buf_printf(&known, "%s%s", known.len ? ", " : "", one);
    }
    print_error("%s has no source \"%s\"; there are: %s", ctl->conf_path, name,
                known.len ? known.data : "none");
    buf_free(&known);
}

int command_send(const struct ctl *ctl, int count, char **args)
{
    (void)count;
    const char *name = args[0], *file = args[1];
    char *part = xasprintf("sources.%s", name);
    json_t *conf = locate_conf(ctl, (const char *const[]){"ingest", part, NULL});
    free(part);
    if (!conf)
        return EX_CONFIG;
    int status = EX_USAGE;
    struct headers headers = {0};
    struct buf body = {0};
    const json_t *source = json_object_get(conf_value(conf, "sources"), name);
    if (!source) {
        print_unknown_source(ctl, name, conf_value(conf, "sources"));
        goto out;
    }
    for (size_t i = 0; i < ctl->header_count; i++)
        if (!headers_parse(&headers, ctl->headers[i]))
            goto out;
    headers_sign(&headers, source);
    if (read_input(file, &body)) {
        print_error("cannot read %s: %s", file, strerror(errno));
        status = EX_NOINPUT;
        goto out;
    }
    status = post(ctl, conf, source, &headers, &body);
out:
    headers_free(&headers);
    buf_free(&body);
    json_decref(conf);
    return status;
}
