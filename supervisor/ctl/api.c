#include "supervisor/ctl/api.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/net/http_client.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/fetch.h"
#include "supervisor/ctl/locate.h"
#include "supervisor/ctl/print.h"

/* Longer than retry.max_redrive_s may be. */
#define ANSWER_MS (330 * 1000)
/* A page of dead letters whose bodies are as large as a queue takes. */
#define ANSWER_MAX ((size_t)256 * 1024 * 1024)

/* The API's own words for a refusal, else what the status says. */
static void print_refusal(const struct fetch *f)
{
    json_t *said = json_loadb(f->body, f->body_len, 0, NULL);
    const char *text = json_string_value(json_object_get(said, "error"));
    if (text)
        print_error("%s", text);
    else
        print_error("the retry worker answered with status %d", f->status);
    json_decref(said);
}

static int exit_status_of(int http_status)
{
    switch (http_status) {
    case 400:
    case 413:
    case 414:
        return EX_USAGE;
    case 401:
    case 403:
        return EX_NOPERM;
    case 429:
    case 503:
        return EX_TEMPFAIL;
    default:
        return http_status >= 500 ? EX_UNAVAILABLE : 1;
    }
}

/* What a call brought, as JSON; NULL after printing why there is none. */
static json_t *take_answer(const struct fetch *f, const char *socket, int *status_out)
{
    *status_out = EX_UNAVAILABLE;
    if (!f->status) {
        print_error("no retry worker answers at %s (%s): is sluiced running, and is "
                    "retry.unix_socket true?",
                    socket, f->error);
        return NULL;
    }
    if (f->status < 200 || f->status > 299) {
        *status_out = exit_status_of(f->status);
        print_refusal(f);
        return NULL;
    }
    json_t *answer =
        f->body_len ? json_loadb(f->body, f->body_len, JSON_ALLOW_NUL, NULL) : json_object();
    if (json_is_object(answer)) {
        *status_out = EX_OK;
        return answer;
    }
    print_error("the retry worker's answer is not JSON");
    json_decref(answer);
    return NULL;
}

json_t *api_call(const struct ctl *ctl, const char *method, const char *path, const json_t *body,
                 int *status_out)
{
    static const struct http_header json_header = {"Content-Type", "application/json"};
    char *run_dir = locate_run_dir(ctl);
    if (!run_dir) {
        *status_out = EX_CONFIG;
        return NULL;
    }
    char *socket = xasprintf("%s/retry.sock", run_dir);
    char *url = xasprintf("http://localhost%s", path);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct http_call call = {.method = method,
                             .url = url,
                             .unix_socket = socket,
                             .headers = &json_header,
                             .header_count = text ? 1 : 0,
                             .body = text ? text : "",
                             .body_len = text ? strlen(text) : 0,
                             .timeout_ms = ANSWER_MS,
                             .response_cap_bytes = ANSWER_MAX};
    struct fetch f;
    fetch_run(&call, &f);
    json_t *answer = take_answer(&f, socket, status_out);
    fetch_free(&f);
    free(text);
    free(url);
    free(socket);
    free(run_dir);
    return answer;
}

void api_print_errors(const json_t *answer)
{
    size_t i;
    json_t *error;
    json_array_foreach(json_object_get(answer, "errors"), i, error)
    {
        const char *text = json_string_value(error);
        print_error("%s", text ? text : "an error without words");
    }
}

void api_escape(struct buf *out, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (const char *p = text; *p; p++) {
        if (strchr(plain, *p))
            buf_append(out, p, 1);
        else
            buf_printf(out, "%%%02X", (unsigned char)*p);
    }
}

void api_add_query(struct buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(out, "%c%s=", strchr(out->data, '?') ? '&' : '?', name);
    api_escape(out, value);
}
