#include "workers/keyring/aws_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/aws/clock_skew.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/net/http_client.h"

void aws_credentials_wipe(struct aws_credentials *c)
{
    xfree_secret(c->access_key_id);
    xfree_secret(c->secret);
    xfree_secret(c->token);
    *c = (struct aws_credentials){0};
}

struct aws_credentials aws_credentials_copy(const struct aws_credentials *c)
{
    return (struct aws_credentials){xstrdup(c->access_key_id), xstrdup(c->secret),
                                    c->token ? xstrdup(c->token) : NULL, c->expires_at_ms};
}

void aws_result_wipe(struct aws_result *r)
{
    aws_credentials_wipe(&r->credentials);
}

void aws_result_vfail(struct aws_result *r, enum aws_outcome outcome, const char *format,
                      va_list ap)
{
    aws_result_wipe(r);
    r->outcome = outcome;
    vsnprintf(r->why, sizeof(r->why), format, ap);
}

void aws_result_fail(struct aws_result *r, enum aws_outcome outcome, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    aws_result_vfail(r, outcome, format, ap);
    va_end(ap);
}

/* They go into headers. */
static bool is_printable(const char *text, size_t max)
{
    size_t len = 0;
    while (text[len] > ' ' && text[len] < 0x7f)
        len++;
    return len > 0 && len <= max && !text[len];
}

/* It goes into JSON too, where escapes would make it longer than a packet. */
static bool is_token(const char *text)
{
    return is_printable(text, AWS_TOKEN_MAX) && !strpbrk(text, "\"\\");
}

void aws_result_set(struct aws_result *r, const char *access_key_id, const char *secret,
                    const char *token, int64_t expires_at_ms)
{
    const char *bad = NULL;
    if (!access_key_id || !is_printable(access_key_id, AWS_KEY_ID_MAX))
        bad = "access key id";
    else if (!secret || !is_printable(secret, AWS_SECRET_MAX))
        bad = "secret access key";
    else if (token && *token && !is_token(token))
        bad = "session token";
    if (bad) {
        aws_result_fail(r, AWS_BROKEN, "the %s is missing or not of its form", bad);
        return;
    }
    aws_result_wipe(r);
    r->outcome = AWS_FOUND;
    r->credentials =
        (struct aws_credentials){xstrdup(access_key_id), xstrdup(secret),
                                 token && *token ? xstrdup(token) : NULL, expires_at_ms};
}

void aws_result_from_json(struct aws_result *r, const json_t *object, const char *token_name)
{
    const char *id = json_string_value(json_object_get(object, "AccessKeyId"));
    const char *secret = json_string_value(json_object_get(object, "SecretAccessKey"));
    const char *token = json_string_value(json_object_get(object, token_name));
    const json_t *expiration = json_object_get(object, "Expiration");
    int64_t expires_at_ms = 0;
    if (!json_is_object(object))
        aws_result_fail(r, AWS_BROKEN, "what came is not a JSON object");
    else if (expiration && !json_is_null(expiration) &&
             (!json_is_string(expiration) ||
              clock_parse_rfc3339(json_string_value(expiration), &expires_at_ms) != 0))
        aws_result_fail(r, AWS_BROKEN, "\"Expiration\" is not a time such as 2026-11-21T10:00:00Z");
    else
        aws_result_set(r, id, secret, token, expires_at_ms);
}

void aws_result_to_our_clock(struct aws_result *r, const struct clock_skew *skew)
{
    if (r->credentials.expires_at_ms)
        r->credentials.expires_at_ms -= skew->offset_ms;
}

void aws_describe_answer(const struct http_answer *answer, char *text, size_t size)
{
    if (answer->outcome == HTTP_TIMEOUT)
        snprintf(text, size, "no answer in time");
    else if (answer->outcome != HTTP_ANSWERED)
        snprintf(text, size, "no answer: %s", answer->error);
    else
        snprintf(text, size, "status %d", answer->status);
}

bool aws_is_url(const char *url)
{
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    return scheme && url[scheme] && url[scheme] != '/' && is_printable(url, 2048);
}

/* Whole, with room for a NUL (malloc), or NULL with errno. */
static char *read_regular(int fd, size_t max_bytes, size_t *len_out)
{
    struct stat st;
    char *text = NULL;
    ssize_t n = -1;
    if (fstat(fd, &st) != 0)
        return NULL;
    errno = !S_ISREG(st.st_mode) ? EINVAL : EFBIG;
    if (S_ISREG(st.st_mode) && st.st_size <= (off_t)max_bytes) {
        text = xcalloc(1, max_bytes + 1);
        n = read(fd, text, max_bytes);
    }
    if (n >= 0) {
        *len_out = (size_t)n;
        return text;
    }
    free(text);
    return NULL;
}

char *aws_read_token_file(const char *path, size_t max_bytes, char *why, size_t why_size)
{
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = fd >= 0 ? read_regular(fd, max_bytes, &len) : NULL;
    if (!text)
        snprintf(why, why_size, "%s cannot be read: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    while (text && len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    bool is_long = text && strpbrk(text, "\r\n");
    if (text && *text && !is_long)
        return text;
    if (text)
        snprintf(why, why_size, "%s %s", path, is_long ? "holds more than one line" : "is empty");
    xfree_secret(text);
    return NULL;
}
