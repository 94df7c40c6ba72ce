#include "workers/http_guard.h"

#include <string.h>
#include <strings.h>

#define CONTENT_LENGTH_DIGITS_MAX 15
#define HOST_BYTES_MAX 255

static bool is_alnum(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_token(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++) {
        if (!is_alnum((unsigned char)*text) && !strchr("!#$%&'*+-.^_`|~", *text))
            return false;
    }
    return true;
}

static bool is_field_value(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
            return false;
    }
    return true;
}

static bool is_content_length(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= CONTENT_LENGTH_DIGITS_MAX && text[digits] == '\0';
}

static bool is_host(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > HOST_BYTES_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_alnum((unsigned char)text[i]) && !strchr(".-_:[]", text[i]))
            return false;
    }
    return true;
}

static bool is_target(const char *text)
{
    if (text[0] != '/')
        return false;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x21 || *p > 0x7e || *p == '#')
            return false;
    }
    return true;
}

/* Counts the fields of that name; *value_out is the last one's value. */
static size_t find(const struct http_guard_request *r, const char *name, const char **value_out)
{
    size_t found = 0;
    for (size_t i = 0; i < r->field_count; i++) {
        if (strcasecmp(r->fields[i].name, name) == 0) {
            *value_out = r->fields[i].value;
            found++;
        }
    }
    return found;
}

static const char *check_shape(const struct http_guard_request *r)
{
    if (r->major != 1)
        return "the HTTP version is not 1.0 or 1.1";
    if (!r->target || !is_target(r->target))
        return "the request target must be a path of printable ASCII characters";
    for (size_t i = 0; i < r->field_count; i++) {
        if (!is_token(r->fields[i].name))
            return "a header name is not a token";
        if (!is_field_value(r->fields[i].value))
            return "a header value contains a control character";
    }
    return NULL;
}

static const char *check_host(const struct http_guard_request *r)
{
    const char *host = NULL;
    size_t hosts = find(r, "Host", &host);
    if (hosts > 1)
        return "Host is given more than once";
    if (hosts == 0)
        return r->minor >= 1 ? "Host is missing" : NULL;
    return is_host(host) ? NULL : "Host is not a plain host name";
}

static const char *check_framing(const struct http_guard_request *r, bool *chunked_out)
{
    const char *length = NULL;
    const char *encoding = NULL;
    size_t lengths = find(r, "Content-Length", &length);
    size_t encodings = find(r, "Transfer-Encoding", &encoding);
    if (lengths > 1)
        return "Content-Length is given more than once";
    if (encodings > 1)
        return "Transfer-Encoding is given more than once";
    if (lengths && encodings)
        return "Content-Length and Transfer-Encoding are both given";
    if (lengths && !is_content_length(length))
        return "Content-Length is not a plain number";
    if (lengths && r->bodiless && length[strspn(length, "0")])
        return "this method takes no body";
    if (encodings && strcasecmp(encoding, "chunked") != 0)
        return "Transfer-Encoding is not chunked";
    if (encodings && r->minor < 1)
        return "Transfer-Encoding is not part of HTTP/1.0";
    *chunked_out = encodings == 1;
    return NULL;
}

enum http_guard_verdict http_guard_check(const struct http_guard_request *r, const char **why_out)
{
    bool chunked = false;
    const char *why = check_shape(r);
    if (!why)
        why = check_host(r);
    if (!why)
        why = check_framing(r, &chunked);
    if (why) {
        *why_out = why;
        return HTTP_GUARD_MALFORMED;
    }
    if (chunked) {
        *why_out = "a body needs a Content-Length; chunked bodies are not taken here";
        return HTTP_GUARD_LENGTH_REQUIRED;
    }
    return HTTP_GUARD_PASS;
}
