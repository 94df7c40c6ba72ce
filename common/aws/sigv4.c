#include "common/aws/sigv4.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/hex.h"
#include "common/base/xalloc.h"

static const char UPPER_HEX[] = "0123456789ABCDEF";

void sigv4_sha256_hex(const void *data, size_t len, char out[SIGV4_HEX_BYTES])
{
    unsigned char digest[SIGV4_KEY_BYTES];
    int ok = EVP_Digest(len ? data : "", len, digest, NULL, EVP_sha256(), NULL);
    assert(ok == 1);
    hex_encode(digest, sizeof(digest), out);
}

static void hmac(const void *key, size_t key_len, const char *text,
                 unsigned char out[SIGV4_KEY_BYTES])
{
    unsigned int len = 0;
    const unsigned char *mac =
        HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out, &len);
    assert(mac && len == SIGV4_KEY_BYTES);
}

void sigv4_derive_key(const char *secret, const char *date, const char *region, const char *service,
                      unsigned char out[SIGV4_KEY_BYTES])
{
    char *first = xasprintf("AWS4%s", secret);
    unsigned char day[SIGV4_KEY_BYTES], place[SIGV4_KEY_BYTES], scope[SIGV4_KEY_BYTES];
    hmac(first, strlen(first), date, day);
    hmac(day, sizeof(day), region, place);
    hmac(place, sizeof(place), service, scope);
    hmac(scope, sizeof(scope), "aws4_request", out);
    explicit_bzero(first, strlen(first));
    free(first);
    explicit_bzero(day, sizeof(day));
    explicit_bzero(place, sizeof(place));
    explicit_bzero(scope, sizeof(scope));
}

static bool unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static void append_encoded(struct buf *out, unsigned char c)
{
    char escape[3] = {'%', UPPER_HEX[c >> 4], UPPER_HEX[c & 15]};
    buf_append(out, escape, sizeof(escape));
}

char *sigv4_host(const char *url)
{
    const char *authority = strstr(url, "://");
    assert(authority);
    authority += 3;
    size_t len = strcspn(authority, "/?");
    const char *port = !strncmp(url, "https:", 6) ? ":443" : ":80";
    size_t port_len = strlen(port);
    if (len > port_len && !memcmp(authority + len - port_len, port, port_len))
        len -= port_len;
    return xasprintf("%.*s", (int)len, authority);
}

char *sigv4_encode(const char *text, bool keep_slash)
{
    struct buf out = {0};
    for (const char *p = text; *p; p++) {
        if (unreserved((unsigned char)*p) || (keep_slash && *p == '/'))
            buf_append(&out, p, 1);
        else
            append_encoded(&out, (unsigned char)*p);
    }
    return buf_steal(&out);
}

/* The one spelling of a text that may be encoded already: escapes of unreserved characters are
 * resolved, the others get upper-case digits, and whatever needs an escape and has none gets one.
 * An escaped slash stays apart from a plain one. */
static void append_canonical(struct buf *out, const char *text, size_t len, bool keep_slash)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        int high, low;
        if (c == '%' && i + 2 < len && (high = hex_digit(text[i + 1])) >= 0 &&
            (low = hex_digit(text[i + 2])) >= 0) {
            c = (unsigned char)(high << 4 | low);
            i += 2;
        } else if (c == '/' && keep_slash) {
            buf_append(out, "/", 1);
            continue;
        }
        if (unreserved(c))
            buf_append(out, &c, 1);
        else
            append_encoded(out, c);
    }
}

/* RFC 3986 section 5.2.4 on an absolute path, and runs of slashes become one. */
static char *without_dots(const char *path)
{
    struct buf out = {0};
    buf_puts(&out, "/");
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        bool last = p[len] == '\0';
        if (len == 2 && p[0] == '.' && p[1] == '.') {
            if (out.len > 1)
                out.len--;
            while (out.data[out.len - 1] != '/')
                out.len--;
            out.data[out.len] = '\0';
        } else if (len && !(len == 1 && p[0] == '.')) {
            buf_append(&out, p, len);
            if (!last)
                buf_puts(&out, "/");
        }
        p += len + (last ? 0 : 1);
    }
    return buf_steal(&out);
}

static void append_path(struct buf *out, const char *path, const char *service)
{
    if (!*path)
        path = "/";
    if (!strcmp(service, "s3")) {
        append_canonical(out, path, strlen(path), true);
        return;
    }
    char *clean = without_dots(path);
    char *again = sigv4_encode(clean, true);
    buf_puts(out, again);
    free(again);
    free(clean);
}

struct pair {
    char *name;  /* own */
    char *value; /* own */
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : strcmp(left->value, right->value);
}

static char *canonical_text(const char *text, size_t len)
{
    struct buf out = {0};
    append_canonical(&out, text, len, false);
    return buf_steal(&out);
}

static void append_query(struct buf *out, const char *query)
{
    size_t room = 1, count = 0;
    for (const char *p = query; *p; p++)
        room += *p == '&';
    struct pair *pairs = xcalloc(room, sizeof(*pairs));
    for (const char *p = query; *p;) {
        size_t len = strcspn(p, "&");
        const char *equals = memchr(p, '=', len);
        size_t name_len = equals ? (size_t)(equals - p) : len;
        if (len) {
            pairs[count].name = canonical_text(p, name_len);
            pairs[count++].value =
                equals ? canonical_text(equals + 1, len - name_len - 1) : xstrdup("");
        }
        p += len + (p[len] == '&');
    }
    qsort(pairs, count, sizeof(*pairs), compare_pairs);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s%s=%s", i ? "&" : "", pairs[i].name, pairs[i].value);
        free(pairs[i].name);
        free(pairs[i].value);
    }
    free(pairs);
}

struct line {          /* a header on its way to the canonical form */
    char *name;        /* own, lower case */
    const char *value; /* borrowed from the request */
    size_t position;   /* keeps repeated names in order of appearance */
};

static int compare_lines(const void *a, const void *b)
{
    const struct line *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    if (order)
        return order;
    return left->position < right->position ? -1 : 1;
}

static struct line *sorted_lines(const struct sigv4_request *r)
{
    struct line *lines = xcalloc(r->header_count + 1, sizeof(*lines));
    for (size_t i = 0; i < r->header_count; i++) {
        lines[i].name = xstrdup(r->headers[i].name);
        for (char *p = lines[i].name; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        lines[i].value = r->headers[i].value;
        lines[i].position = i;
    }
    qsort(lines, r->header_count, sizeof(*lines), compare_lines);
    return lines;
}

static void free_lines(struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(lines[i].name);
    free(lines);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Trimmed, with inner runs of blanks as one space. */
static void append_value(struct buf *out, const char *value)
{
    bool gap = false, started = false;
    for (const char *p = value; *p; p++) {
        if (blank(*p)) {
            gap = started;
            continue;
        }
        if (gap)
            buf_puts(out, " ");
        buf_append(out, p, 1);
        gap = false;
        started = true;
    }
}

static bool repeats(const struct line *lines, size_t i)
{
    return i && !strcmp(lines[i].name, lines[i - 1].name);
}

static void append_signed_names(struct buf *out, const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!repeats(lines, i))
            buf_printf(out, "%s%s", i ? ";" : "", lines[i].name);
    }
}

char *sigv4_signed_headers(const struct sigv4_request *r)
{
    struct buf out = {0};
    struct line *lines = sorted_lines(r);
    append_signed_names(&out, lines, r->header_count);
    free_lines(lines, r->header_count);
    return buf_steal(&out);
}

char *sigv4_canonical_request(const struct sigv4_request *r, const char *service)
{
    struct buf out = {0};
    buf_printf(&out, "%s\n", r->method);
    append_path(&out, r->path, service);
    buf_puts(&out, "\n");
    append_query(&out, r->query);
    buf_puts(&out, "\n");
    struct line *lines = sorted_lines(r);
    for (size_t i = 0; i < r->header_count; i++) {
        if (repeats(lines, i))
            buf_puts(&out, ",");
        else
            buf_printf(&out, "%s%s:", i ? "\n" : "", lines[i].name);
        append_value(&out, lines[i].value);
    }
    buf_puts(&out, r->header_count ? "\n\n" : "\n");
    append_signed_names(&out, lines, r->header_count);
    free_lines(lines, r->header_count);
    buf_printf(&out, "\n%s", r->payload_hash);
    return buf_steal(&out);
}

void sigv4_signature(const struct sigv4_request *r, const struct sigv4_key *key,
                     const char *amz_date, char out[SIGV4_HEX_BYTES])
{
    char hash[SIGV4_HEX_BYTES];
    char *canonical = sigv4_canonical_request(r, key->service);
    sigv4_sha256_hex(canonical, strlen(canonical), hash);
    free(canonical);
    char *to_sign = xasprintf("AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%s", amz_date,
                              key->date, key->region, key->service, hash);
    unsigned char mac[SIGV4_KEY_BYTES];
    hmac(key->key, sizeof(key->key), to_sign, mac);
    free(to_sign);
    hex_encode(mac, sizeof(mac), out);
}

char *sigv4_authorization(const struct sigv4_request *r, const struct sigv4_key *key,
                          const char *amz_date)
{
    char signature[SIGV4_HEX_BYTES];
    sigv4_signature(r, key, amz_date, signature);
    char *names = sigv4_signed_headers(r);
    char *value =
        xasprintf("AWS4-HMAC-SHA256 Credential=%s/%s/%s/%s/aws4_request, "
                  "SignedHeaders=%s, Signature=%s",
                  key->access_key_id, key->date, key->region, key->service, names, signature);
    free(names);
    return value;
}
