#include "common/aws/xml.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/utf8.h"

#define DEPTH_MAX 16

static const char BYTE_ORDER_MARK[] = "\xef\xbb\xbf";
static const char CDATA[] = "<![CDATA[";

void xml_start(struct xml_reader *r, const char *text, size_t len)
{
    size_t mark = sizeof(BYTE_ORDER_MARK) - 1;
    size_t skip = len >= mark && memcmp(text, BYTE_ORDER_MARK, mark) == 0 ? mark : 0;
    *r = (struct xml_reader){.at = text + skip, .end = text + len};
}

/* The length of what begins with `open` here and ends with `close`; 0: it is none, or has no end.
 */
static size_t section(const struct xml_reader *r, const char *open, const char *close)
{
    size_t left = (size_t)(r->end - r->at), n = strlen(open);
    if (left < n || memcmp(r->at, open, n) != 0)
        return 0;
    const char *end = memmem(r->at + n, left - n, close, strlen(close));
    return end ? (size_t)(end - r->at) + strlen(close) : 0;
}

static size_t comment(const struct xml_reader *r)
{
    return section(r, "<!--", "-->");
}

static size_t cdata(const struct xml_reader *r)
{
    return section(r, CDATA, "]]>");
}

/* Appends what the entity at p ("&…;") stands for; the length of the reference, or 0. */
static size_t append_entity(struct buf *out, const char *p, const char *end)
{
    static const struct {
        const char *name;
        char c;
    } entities[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    size_t left = (size_t)(end - p);
    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        size_t n = strlen(entities[i].name);
        if (left >= n && memcmp(p, entities[i].name, n) == 0) {
            buf_append(out, &entities[i].c, 1);
            return n;
        }
    }
    char digits[16];
    const char *semicolon = memchr(p, ';', left < sizeof(digits) ? left : sizeof(digits));
    if (left < 4 || p[1] != '#' || !semicolon)
        return 0;
    bool hex = p[2] == 'x';
    const char *from = p + (hex ? 3 : 2);
    size_t n = (size_t)(semicolon - from);
    memcpy(digits, from, n);
    digits[n] = '\0';
    if (!n || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != n)
        return 0;
    unsigned long c = strtoul(digits, NULL, hex ? 16 : 10);
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    char bytes[4];
    buf_append(out, bytes, utf8_encode(c, bytes));
    return (size_t)(semicolon + 1 - p);
}

/* Up to the next tag; comments in between are left out. */
static enum xml_token read_text(struct xml_reader *r, struct xml_piece *piece)
{
    struct buf out = {0};
    size_t n;
    for (; r->at < r->end; r->at += n) {
        if (*r->at == '&') {
            n = append_entity(&out, r->at, r->end);
        } else if (*r->at != '<') {
            n = 1;
            buf_append(&out, r->at, 1);
        } else if ((n = cdata(r))) {
            size_t open = sizeof(CDATA) - 1;
            buf_append(&out, r->at + open, n - open - 3);
        } else if (!(n = comment(r))) {
            break;
        }
        if (!n) {
            buf_free(&out);
            return XML_BROKEN;
        }
    }
    piece->text = buf_steal(&out);
    return XML_TEXT;
}

static bool take_name(const char *from, const char *to, struct xml_piece *piece)
{
    const char *colon = memchr(from, ':', (size_t)(to - from));
    if (colon)
        from = colon + 1;
    size_t n = (size_t)(to - from);
    if (!n || n >= sizeof(piece->name))
        return false;
    memcpy(piece->name, from, n);
    piece->name[n] = '\0';
    return true;
}

static enum xml_token read_tag(struct xml_reader *r, struct xml_piece *piece)
{
    const char *close = memchr(r->at, '>', (size_t)(r->end - r->at));
    if (!close || r->at[1] == '!')
        return XML_BROKEN;
    const char *from = r->at + 1;
    bool ends = *from == '/';
    bool empty = !ends && close[-1] == '/';
    if (ends)
        from++;
    const char *to = from;
    while (to < close && !strchr(" \t\r\n/", *to))
        to++;
    if (!take_name(from, to, piece))
        return XML_BROKEN;
    if (ends) {
        r->at = close + 1;
        return r->depth-- > 0 ? XML_END : XML_BROKEN;
    }
    if (++r->depth > DEPTH_MAX)
        return XML_BROKEN;
    r->empty = empty;
    r->at = close + 1;
    return XML_START;
}

static bool skip_aside(struct xml_reader *r)
{
    size_t n = section(r, "<?", "?>");
    if (!n)
        n = comment(r);
    r->at += n;
    return n > 0;
}

static bool blank_until_tag(const char *p, const char *end)
{
    while (p < end && strchr(" \t\r\n", *p))
        p++;
    return p == end || *p == '<';
}

enum xml_token xml_next(struct xml_reader *r, struct xml_piece *piece_out)
{
    piece_out->text = NULL;
    if (r->empty) {
        r->empty = false;
        r->depth--;
        return XML_END;
    }
    do {
        if (blank_until_tag(r->at, r->end))
            while (r->at < r->end && *r->at != '<')
                r->at++;
    } while (skip_aside(r));
    if (r->at == r->end)
        return r->depth == 0 ? XML_DONE : XML_BROKEN;
    if (*r->at == '<' && !cdata(r))
        return r->end - r->at < 3 ? XML_BROKEN : read_tag(r, piece_out);
    return r->depth ? read_text(r, piece_out) : XML_BROKEN;
}

char *xml_first_text(const char *text, size_t len, const char *name)
{
    struct xml_reader r;
    struct xml_piece piece;
    bool inside = false;
    xml_start(&r, text, len);
    for (;;) {
        switch (xml_next(&r, &piece)) {
        case XML_START:
            inside = strcmp(piece.name, name) == 0;
            break;
        case XML_TEXT:
            if (inside)
                return piece.text;
            free(piece.text);
            break;
        case XML_END:
            inside = false;
            break;
        case XML_DONE:
        case XML_BROKEN:
            return NULL;
        }
    }
}
