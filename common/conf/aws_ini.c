#include "common/conf/aws_ini.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/xalloc.h"

/* A section's header has a setting of its own, without a key. */
struct setting {
    TAILQ_ENTRY(setting) link;
    char *section; /* own */
    char *key;     /* own; NULL in a header */
    char *value;   /* own */
};

struct aws_ini {
    TAILQ_HEAD(, setting) settings; /* the newest first: the last one written counts */
};

/* ---- memory ---- */

struct aws_ini *aws_ini_new(void)
{
    struct aws_ini *ini = xcalloc(1, sizeof(*ini));
    TAILQ_INIT(&ini->settings);
    return ini;
}

void aws_ini_free(struct aws_ini *ini)
{
    if (!ini)
        return;
    while (!TAILQ_EMPTY(&ini->settings)) {
        struct setting *setting = TAILQ_FIRST(&ini->settings);
        TAILQ_REMOVE(&ini->settings, setting, link);
        free(setting->section);
        free(setting->key);
        xfree_secret(setting->value);
        free(setting);
    }
    free(ini);
}

/* ---- lines ---- */

struct text {
    const char *at;
    size_t len;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct text trim(struct text t)
{
    while (t.len && is_blank(t.at[0])) {
        t.at++;
        t.len--;
    }
    while (t.len && is_blank(t.at[t.len - 1]))
        t.len--;
    return t;
}

static bool is_comment_start(char c)
{
    return c == '#' || c == ';';
}

/* Without what stands behind a blank and a comment sign. */
static struct text cut_comment(struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        if (is_comment_start(t.at[i]) && (i == 0 || is_blank(t.at[i - 1]))) {
            t.len = i;
            break;
        }
    }
    return trim(t);
}

static char *copy(struct text t)
{
    char *out = xmalloc(t.len + 1);
    if (t.len)
        memcpy(out, t.at, t.len);
    out[t.len] = '\0';
    return out;
}

static char *copy_lower(struct text t)
{
    char *out = copy(t);
    for (char *p = out; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return out;
}

/* ---- parsing ---- */

struct parser {
    struct aws_ini *ini;   /* borrowed */
    char *section;         /* own: the open one's title, NULL before the first */
    struct setting *open;  /* borrowed: what an indented line belongs to, or NULL */
    size_t open_indent;    /* of that setting's line */
    char *block;           /* own: the key of an empty value whose block is read, or NULL */
    const char *complaint; /* what is wrong with the line */
};

static struct setting *add(struct parser *p, char *key, char *value)
{
    struct setting *setting = xcalloc(1, sizeof(*setting));
    setting->section = xstrdup(p->section);
    setting->key = key;
    setting->value = value;
    TAILQ_INSERT_HEAD(&p->ini->settings, setting, link);
    return setting;
}

static void close_setting(struct parser *p)
{
    p->open = NULL;
    free(p->block);
    p->block = NULL;
}

/* A name may stand in quotes. */
static struct text unquote(struct text t)
{
    if (t.len >= 2 && (t.at[0] == '"' || t.at[0] == '\'') && t.at[t.len - 1] == t.at[0]) {
        t.at++;
        t.len -= 2;
    }
    return t;
}

/* "profile dev" for `profile  "dev"`, "dev" for `"dev"`. */
static char *canonical(struct text title)
{
    size_t word = 0;
    while (word < title.len && !is_blank(title.at[word]))
        word++;
    struct text rest = trim((struct text){title.at + word, title.len - word});
    if (!rest.len || title.at[0] == '"' || title.at[0] == '\'')
        return copy(unquote(title));
    rest = unquote(rest);
    return xasprintf("%.*s %.*s", (int)word, title.at, (int)rest.len, rest.at);
}

static bool take_header(struct parser *p, struct text line)
{
    const char *end = memchr(line.at, ']', line.len);
    struct text rest = {end, end ? (size_t)(line.at + line.len - end) : 0};
    if (!end || cut_comment((struct text){end + 1, rest.len - 1}).len) {
        p->complaint = "a section's name stands in brackets, alone on its line";
        return false;
    }
    struct text title = trim((struct text){line.at + 1, (size_t)(end - line.at) - 1});
    if (!title.len) {
        p->complaint = "the section has no name";
        return false;
    }
    close_setting(p);
    free(p->section);
    p->section = canonical(title);
    add(p, NULL, NULL);
    return true;
}

/* key = value, or key : value. */
static bool split(struct text line, struct text *key_out, struct text *value_out)
{
    size_t i = 0;
    while (i < line.len && line.at[i] != '=' && line.at[i] != ':')
        i++;
    if (i == line.len)
        return false;
    *key_out = trim((struct text){line.at, i});
    *value_out = cut_comment((struct text){line.at + i + 1, line.len - i - 1});
    return key_out->len > 0;
}

static bool take_setting(struct parser *p, struct text line, size_t indent)
{
    struct text key, value;
    if (!p->section) {
        p->complaint = "a setting stands before the first section";
        return false;
    }
    if (!split(line, &key, &value)) {
        p->complaint = "neither a section, a setting (key = value) nor a comment";
        return false;
    }
    close_setting(p);
    p->open = add(p, copy_lower(key), copy(value));
    p->open_indent = indent;
    if (!value.len)
        p->block = copy_lower(key);
    return true;
}

/* A line that is indented more than the setting above it. */
static bool take_indented(struct parser *p, struct text line)
{
    struct text key, value;
    if (!p->block) {
        struct text more = cut_comment(line);
        char *joined = xasprintf("%s\n%.*s", p->open->value, (int)more.len, more.at);
        xfree_secret(p->open->value);
        p->open->value = joined;
        return true;
    }
    if (!split(line, &key, &value)) {
        p->complaint = "an indented line under an empty value is a setting (key = value)";
        return false;
    }
    char *inner = copy_lower(key);
    add(p, xasprintf("%s.%s", p->block, inner), copy(value));
    free(inner);
    return true;
}

static bool take_line(struct parser *p, struct text line)
{
    struct text content = trim(line);
    size_t indent = (size_t)(content.at - line.at);
    if (!content.len || is_comment_start(content.at[0]))
        return true;
    if (p->open && indent > p->open_indent)
        return take_indented(p, content);
    if (content.at[0] == '[')
        return take_header(p, content);
    return take_setting(p, content, indent);
}

int aws_ini_parse(struct aws_ini *ini, const char *text, size_t len, char *why, size_t why_size)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    struct parser p = {.ini = ini};
    size_t at = len >= 3 && memcmp(text, byte_order_mark, 3) == 0 ? 3 : 0;
    size_t number = 0;
    if (len && memchr(text, '\0', len))
        p.complaint = "it is not text: it holds a NUL byte";
    while (at < len && !p.complaint) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line_len = end ? (size_t)(end - text) - at : len - at;
        number++;
        take_line(&p, (struct text){text + at, line_len});
        at += line_len + 1;
    }
    close_setting(&p);
    free(p.section);
    if (p.complaint && number)
        snprintf(why, why_size, "line %zu: %s", number, p.complaint);
    else if (p.complaint)
        snprintf(why, why_size, "%s", p.complaint);
    return p.complaint ? -1 : 0;
}

/* ---- looking up ---- */

/* key NULL: the section itself. */
static const struct setting *find(const struct aws_ini *ini, const char *section, const char *key)
{
    const struct setting *setting;
    TAILQ_FOREACH(setting, &ini->settings, link)
    {
        if (strcmp(setting->section, section) == 0 &&
            (!key || (setting->key && strcmp(setting->key, key) == 0)))
            return setting;
    }
    return NULL;
}

bool aws_ini_has(const struct aws_ini *ini, const char *section)
{
    return find(ini, section, NULL) != NULL;
}

const char *aws_ini_get(const struct aws_ini *ini, const char *section, const char *key)
{
    const struct setting *setting = find(ini, section, key);
    return setting && *setting->value ? setting->value : NULL;
}
