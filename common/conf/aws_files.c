#include "common/conf/aws_files.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/conf/aws_ini.h"

struct aws_files {
    struct aws_ini *config;      /* own */
    struct aws_ini *credentials; /* own */
};

struct aws_files *aws_files_new(void)
{
    struct aws_files *files = xcalloc(1, sizeof(*files));
    files->config = aws_ini_new();
    files->credentials = aws_ini_new();
    return files;
}

void aws_files_free(struct aws_files *files)
{
    if (!files)
        return;
    aws_ini_free(files->config);
    aws_ini_free(files->credentials);
    free(files);
}

static struct aws_ini *ini_of(const struct aws_files *files, enum aws_file which)
{
    assert(which == AWS_FILE_CONFIG || which == AWS_FILE_CREDENTIALS);
    return which == AWS_FILE_CONFIG ? files->config : files->credentials;
}

int aws_files_parse(struct aws_files *files, enum aws_file which, const char *text, size_t len,
                    char *why, size_t why_size)
{
    return aws_ini_parse(ini_of(files, which), text, len, why, why_size);
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

/* The section of a profile in one of the files (malloc): "default" goes without the word, but
 * [profile default] before it. */
static char *section_of(const struct aws_files *files, enum aws_file which, const char *profile)
{
    char *section = xasprintf("profile %s", profile);
    if (which == AWS_FILE_CONFIG &&
        (strcmp(profile, "default") != 0 || aws_ini_has(files->config, section)))
        return section;
    free(section);
    return xstrdup(profile);
}

static bool has(const struct aws_files *files, enum aws_file which, const char *profile)
{
    char *section = section_of(files, which, profile);
    bool found = aws_ini_has(ini_of(files, which), section);
    free(section);
    return found;
}

bool aws_files_has_profile(const struct aws_files *files, enum aws_file set, const char *profile)
{
    return ((set & AWS_FILE_CREDENTIALS) && has(files, AWS_FILE_CREDENTIALS, profile)) ||
           ((set & AWS_FILE_CONFIG) && has(files, AWS_FILE_CONFIG, profile));
}

static const char *get(const struct aws_files *files, enum aws_file which, const char *profile,
                       const char *key)
{
    char *section = section_of(files, which, profile);
    const char *value = aws_ini_get(ini_of(files, which), section, key);
    free(section);
    return value;
}

const char *aws_files_get(const struct aws_files *files, enum aws_file set, const char *profile,
                          const char *key)
{
    const char *value = NULL;
    if (set & AWS_FILE_CREDENTIALS)
        value = get(files, AWS_FILE_CREDENTIALS, profile, key);
    if (!value && (set & AWS_FILE_CONFIG))
        value = get(files, AWS_FILE_CONFIG, profile, key);
    return value;
}

const char *aws_files_get_service(const struct aws_files *files, const char *profile,
                                  const char *service, const char *key)
{
    const char *services = aws_files_get(files, AWS_FILE_CONFIG, profile, "services");
    if (!services)
        return NULL;
    char *section = xasprintf("services %s", services);
    char *path = xasprintf("%s.%s", service, key);
    const char *value = aws_ini_get(files->config, section, path);
    free(section);
    free(path);
    return value;
}
