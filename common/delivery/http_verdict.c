#include "common/delivery/http_verdict.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mask.h"
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

/* The answer's first line where it is text for people (malloc), "" where it is not. */
static char *said(const struct http_answer *answer, const char *secret)
{
    const char *type = http_answer_header(answer, "content-type");
    const char *text = answer->body ? answer->body : "";
    if (!type || (strncasecmp(type, "text/plain", 10) != 0 &&
                  strncasecmp(type, "application/json", 16) != 0 &&
                  strncasecmp(type, "application/problem+json", 24) != 0))
        return xstrdup("");
    text += strspn(text, " \t\r\n");
    char *line = xasprintf("%.*s", (int)strcspn(text, "\r\n"), text);
    mask_secret(line, secret);
    if (strlen(line) > SAID_BYTES)
        line[SAID_BYTES] = '\0';
    return line;
}

char *http_verdict_words(const struct http_answer *answer, const char *secret)
{
    if (answer->status == 0)
        return xstrdup(answer->error);
    const char *location = http_answer_header(answer, "location");
    if (answer->status >= 300 && answer->status <= 399 && location)
        /* What is behind a "?" may be a secret. */
        return xasprintf("HTTP status %d: redirects are not followed; it points to %.*s",
                         answer->status, (int)strcspn(location, "?"), location);
    if (answer->status >= 300 && answer->status <= 399)
        return xasprintf("HTTP status %d: redirects are not followed", answer->status);
    char *text = said(answer, secret);
    char *words = xasprintf("HTTP status %d%s%s", answer->status, *text ? ": " : "", text);
    free(text);
    return words;
}
