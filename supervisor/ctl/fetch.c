#include "supervisor/ctl/fetch.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/net/http_client.h"

struct running {
    struct event_base *base; /* borrowed from fetch_run */
    struct fetch *out;       /* borrowed from fetch_run */
};

static const char *failure_words(const struct http_answer *answer)
{
    switch (answer->outcome) {
    case HTTP_ANSWERED:
        return "";
    case HTTP_TIMEOUT:
        return "no answer in time";
    case HTTP_TOO_LARGE:
        return "the answer is too large";
    default:
        return *answer->error ? answer->error : "the connection failed";
    }
}

static void on_answer(void *arg, const struct http_answer *answer)
{
    struct running *r = arg;
    const char *trace = http_answer_header(answer, "Sluice-Trace");
    r->out->status = answer->status;
    r->out->error = xstrdup(failure_words(answer));
    r->out->body_len = answer->body ? answer->body_len : 0;
    r->out->body = xmemdup(answer->body ? answer->body : "", r->out->body_len + 1);
    r->out->trace = xstrdup(trace ? trace : "");
    event_base_loopbreak(r->base);
}

void fetch_run(const struct http_call *call, struct fetch *out)
{
    *out = (struct fetch){0};
    struct running r = {event_base_new(), out};
    assert(r.base);
    struct http_client *client = http_client_new(r.base, 0);
    http_client_send(client, call, on_answer, &r);
    event_base_dispatch(r.base);
    http_client_free(client);
    event_base_free(r.base);
    assert(out->error);
}

void fetch_free(struct fetch *f)
{
    free(f->error);
    free(f->body);
    free(f->trace);
    *f = (struct fetch){0};
}
