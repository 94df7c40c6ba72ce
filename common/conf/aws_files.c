#include "common/conf/aws_files.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"

enum section { SECTION_OTHER, SECTION_PROFILE, SECTION_SERVICES };

/* A section's header has an entry of its own, without a key. */
struct entry {
    TAILQ_ENTRY(entry) link;
    enum aws_file which;
    enum section section;
    char *name;  /* own: of the profile or the services section */
    char *key;   /* own; NULL in a header */
    char *value; /* own */
};

struct aws_files {
    TAILQ_HEAD(, entry) entries; /* the newest first: the last one written counts */
};

/* ---- memory ---- */

struct aws_files *aws_files_new(void)
{
    struct aws_files *files = xcalloc(1, sizeof(*files));
    TAILQ_INIT(&files->entries);
    return files;
}

void aws_files_free(struct aws_files *files)
{
    if (!files)
        return;
    while (!TAILQ_EMPTY(&files->entries)) {
        struct entry *entry = TAILQ_FIRST(&files->entries);
        TAILQ_REMOVE(&files->entries, entry, link);
        free(entry->name);
        free(entry->key);
        xfree_secret(entry->value);
        free(entry);
    }
    free(files);
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
    struct aws_files *files; /* borrowed */
    enum aws_file which;
    enum section section;
    char *name;         /* own: the open section's, NULL before the first */
    struct entry *open; /* borrowed: the setting that an indented line belongs to, or NULL */
    size_t open_indent; /* of that setting's line */
    char *block;        /* own: the key of an empty value whose indented block is read, or NULL */
    const char *complaint; /* what is wrong with the line */
};

static struct entry *add(struct parser *p, char *key, char *value)
{
    struct entry *entry = xcalloc(1, sizeof(*entry));
    entry->which = p->which;
    entry->section = p->section;
    entry->name = xstrdup(p->name);
    entry->key = key;
    entry->value = value;
    TAILQ_INSERT_HEAD(&p->files->entries, entry, link);
    return entry;
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

/* "profile dev" after the word and blanks, else 0 length. */
static struct text after_word(struct text t, const char *word)
{
    size_t len = strlen(word);
    if (t.len <= len || memcmp(t.at, word, len) != 0 || !is_blank(t.at[len]))
        return (struct text){t.at, 0};
    return unquote(trim((struct text){t.at + len, t.len - len}));
}

static void open_section(struct parser *p, struct text title)
{
    struct text name = {title.at, 0};
    p->section = SECTION_OTHER;
    if (p->which == AWS_FILE_CREDENTIALS) {
        name = unquote(title);
        p->section = SECTION_PROFILE;
    } else if ((name = after_word(title, "profile")).len) {
        p->section = SECTION_PROFILE;
    } else if ((name = after_word(title, "services")).len) {
        p->section = SECTION_SERVICES;
    } else if (title.len == 7 && memcmp(title.at, "default", 7) == 0) {
        name = title;
        p->section = SECTION_PROFILE;
    }
    close_setting(p);
    free(p->name);
    p->name = copy(name);
    if (p->section != SECTION_OTHER)
        add(p, NULL, NULL);
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
    open_section(p, title);
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
    if (!p->name) {
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

int aws_files_parse(struct aws_files *files, enum aws_file which, const char *text, size_t len,
                    char *why, size_t why_size)
{
    assert(which == AWS_FILE_CONFIG || which == AWS_FILE_CREDENTIALS);
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    struct parser p = {.files = files, .which = which};
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
    free(p.name);
    if (p.complaint && number)
        snprintf(why, why_size, "line %zu: %s", number, p.complaint);
    else if (p.complaint)
        snprintf(why, why_size, "%s", p.complaint);
    return p.complaint ? -1 : 0;
}

/* ---- paths and files ---- */

const char *aws_files_env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static const char *home(void)
{
    const char *dir = aws_files_env("HOME");
    const struct passwd *account = dir ? NULL : getpwuid(getuid());
    return account ? account->pw_dir : dir;
}

/* "$NAME" or "${NAME}" at p: appends its value; what is unknown stays as it is. The first byte
 * behind it. */
static const char *append_variable(struct buf *out, const char *p)
{
    bool braced = p[1] == '{';
    const char *name = p + 1 + braced;
    size_t len = 0;
    while (isalnum((unsigned char)name[len]) || name[len] == '_')
        len++;
    const char *end = name + len + (braced && name[len] == '}');
    char *text = xasprintf("%.*s", (int)len, name);
    const char *value = len && (!braced || name[len] == '}') ? getenv(text) : NULL;
    free(text);
    if (value)
        buf_puts(out, value);
    else
        buf_append(out, p, (size_t)(end - p));
    return end;
}

static char *expand(const char *path)
{
    struct buf out = {0};
    const char *dir = path[0] == '~' && (path[1] == '/' || !path[1]) ? home() : NULL;
    if (dir) {
        buf_puts(&out, dir);
        path++;
    }
    while (*path) {
        if (*path == '$')
            path = append_variable(&out, path);
        else
            buf_append(&out, path++, 1);
    }
    return buf_steal(&out);
}

char *aws_files_path(enum aws_file which)
{
    assert(which == AWS_FILE_CONFIG || which == AWS_FILE_CREDENTIALS);
    bool config = which == AWS_FILE_CONFIG;
    const char *path = aws_files_env(config ? "AWS_CONFIG_FILE" : "AWS_SHARED_CREDENTIALS_FILE");
    return expand(path ? path : config ? "~/.aws/config" : "~/.aws/credentials");
}

/* Whole into text (own), which is longer by a byte. -1 with errno. */
static int read_regular(int fd, char **text_out, size_t *len_out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -1;
    *len_out = 0;
    *text_out = xcalloc(1, AWS_FILE_MAX_BYTES + 1);
    while (S_ISREG(st.st_mode)) {
        ssize_t n = read(fd, *text_out + *len_out, AWS_FILE_MAX_BYTES + 1 - *len_out);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        *len_out += (size_t)n;
        if (*len_out > AWS_FILE_MAX_BYTES) {
            errno = EFBIG;
            return -1;
        }
    }
    return 0;
}

/* A folder that may not be entered is the same to AWS's tools as one without the file. */
static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static int read_one(struct aws_files *files, enum aws_file which, const char *path, char *why,
                    size_t why_size)
{
    char *text = NULL;
    char reason[128];
    size_t len = 0;
    if (!is_there(path))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc = fd < 0 ? -1 : read_regular(fd, &text, &len);
    if (rc != 0) {
        snprintf(why, why_size, "%s cannot be read: %s", path, strerror(errno));
    } else if (aws_files_parse(files, which, text, len, reason, sizeof(reason)) != 0) {
        snprintf(why, why_size, "%s: %s", path, reason);
        rc = -1;
    }
    if (text)
        explicit_bzero(text, len);
    free(text);
    if (fd >= 0)
        close(fd);
    return rc;
}

int aws_files_read(struct aws_files *files, enum aws_file set, char *why, size_t why_size)
{
    static const enum aws_file each[] = {AWS_FILE_CONFIG, AWS_FILE_CREDENTIALS};
    int rc = 0;
    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]) && rc == 0; i++) {
        if (!(set & each[i]))
            continue;
        char *path = aws_files_path(each[i]);
        rc = read_one(files, each[i], path, why, why_size);
        free(path);
    }
    return rc;
}

/* ---- looking up ---- */

const char *aws_files_profile_name(const char *wanted)
{
    if (wanted && *wanted)
        return wanted;
    const char *name = aws_files_env("AWS_PROFILE");
    if (!name)
        name = aws_files_env("AWS_DEFAULT_PROFILE");
    return name ? name : "default";
}

/* key NULL: the section itself. */
static const struct entry *find(const struct aws_files *files, enum aws_file which,
                                enum section section, const char *name, const char *key)
{
    const struct entry *entry;
    TAILQ_FOREACH(entry, &files->entries, link)
    {
        if (entry->which != which || entry->section != section || strcmp(entry->name, name) != 0)
            continue;
        if (!key || (entry->key && strcmp(entry->key, key) == 0))
            return entry;
    }
    return NULL;
}

bool aws_files_has_profile(const struct aws_files *files, enum aws_file set, const char *profile)
{
    return ((set & AWS_FILE_CREDENTIALS) &&
            find(files, AWS_FILE_CREDENTIALS, SECTION_PROFILE, profile, NULL)) ||
           ((set & AWS_FILE_CONFIG) &&
            find(files, AWS_FILE_CONFIG, SECTION_PROFILE, profile, NULL));
}

static const char *value_of(const struct entry *entry)
{
    return entry && *entry->value ? entry->value : NULL;
}

const char *aws_files_get(const struct aws_files *files, enum aws_file set, const char *profile,
                          const char *key)
{
    const char *value = NULL;
    if (set & AWS_FILE_CREDENTIALS)
        value = value_of(find(files, AWS_FILE_CREDENTIALS, SECTION_PROFILE, profile, key));
    if (!value && (set & AWS_FILE_CONFIG))
        value = value_of(find(files, AWS_FILE_CONFIG, SECTION_PROFILE, profile, key));
    return value;
}

const char *aws_files_get_service(const struct aws_files *files, const char *profile,
                                  const char *service, const char *key)
{
    const char *section = aws_files_get(files, AWS_FILE_CONFIG, profile, "services");
    if (!section)
        return NULL;
    char *path = xasprintf("%s.%s", service, key);
    const struct entry *entry = find(files, AWS_FILE_CONFIG, SECTION_SERVICES, section, path);
    free(path);
    return value_of(entry);
}
