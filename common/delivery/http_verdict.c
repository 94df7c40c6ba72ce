#include "common/delivery/http_verdict.h"

#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"

#define SAID_BYTES 120

static bool may_help(int status)
{
    return status == 408 || status == 425 || status == 429 || (status >= 500 && status <= 599);
}

static bool is_outage(int status)
{
    return status == 429 || (status >= 502 && status <= 504);
}

struct http_verdict http_verdict_of(enum http_outcome outcome, int status)
{
    if (outcome == HTTP_TIMEOUT)
        return (struct http_verdict){RETRY, "timeout", true};
    /* Of what is too large a status without a number is a head that did not end. */
    if ((outcome != HTTP_ANSWERED && outcome != HTTP_TOO_LARGE) || status == 0)
        return (struct http_verdict){RETRY, "network", true};
    if (status >= 200 && status <= 299)
        return (struct http_verdict){DELIVERED, "", false};
    if (may_help(status))
        return (struct http_verdict){RETRY, "destination", is_outage(status)};
    return (struct http_verdict){DEAD, "rejected", false};
}

/* The answer's first line where it is text for people; *len_out 0 where it is not. */
static const char *said(const struct http_answer *answer, size_t *len_out)
{
    const char *type = http_answer_header(answer, "content-type");
    const char *text = answer->body ? answer->body : "";
    *len_out = 0;
    if (!type || (strncasecmp(type, "text/plain", 10) != 0 &&
                  strncasecmp(type, "application/json", 16) != 0 &&
                  strncasecmp(type, "application/problem+json", 24) != 0))
        return text;
    text += strspn(text, " \t\r\n");
    *len_out = strcspn(text, "\r\n");
    if (*len_out > SAID_BYTES)
        *len_out = SAID_BYTES;
    return text;
}

char *http_verdict_words(const struct http_answer *answer)
{
    size_t len;
    if (answer->status == 0)
        return xstrdup(answer->error);
    const char *location = http_answer_header(answer, "location");
    if (answer->status >= 300 && answer->status <= 399 && location)
        /* What is behind a "?" may be a secret. */
        return xasprintf("HTTP status %d: redirects are not followed; it points to %.*s",
                         answer->status, (int)strcspn(location, "?"), location);
    if (answer->status >= 300 && answer->status <= 399)
        return xasprintf("HTTP status %d: redirects are not followed", answer->status);
    const char *text = said(answer, &len);
    return xasprintf("HTTP status %d%s%.*s", answer->status, len ? ": " : "", (int)len, text);
}
