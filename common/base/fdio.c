#include "common/base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"

int fdio_read_fd(int fd, size_t limit, struct buf *out)
{
    char chunk[16384];
    size_t total = 0;
    for (;;) {
        ssize_t n = pread(fd, chunk, sizeof(chunk), (off_t)total);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            return 0;
        total += (size_t)n;
        if (total > limit) {
            errno = EFBIG;
            return -1;
        }
        buf_append(out, chunk, (size_t)n);
    }
}

int fdio_read_file(const char *path, size_t limit, struct buf *out)
{
    /* Opening a FIFO must not wait for a writer; reading one then fails. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    int rc = fdio_read_fd(fd, limit, out);
    int saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

int fdio_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_directory_of(const char *path)
{
    char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

int fdio_replace_file(const char *path, const void *data, size_t len, mode_t mode)
{
    char *temporary = xasprintf("%s.XXXXXX", path);
    int rc = -1;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        goto out;
    if (fchmod(fd, mode) || fdio_write_all(fd, data, len) || fsync(fd) || rename(temporary, path)) {
        int saved = errno;
        unlink(temporary);
        errno = saved;
        goto out;
    }
    rc = sync_directory_of(path);
out:;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    free(temporary);
    errno = saved;
    return rc;
}

int fdio_sealed_memfd(const char *name, const void *data, size_t len)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (fdio_write_all(fd, data, len) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int make_dir(const char *path, mode_t mode)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return 0;
    if (errno != EEXIST || stat(path, &st))
        return -1;
    if (S_ISDIR(st.st_mode))
        return 0;
    errno = ENOTDIR;
    return -1;
}

int fdio_make_dirs(const char *path, mode_t mode)
{
    if (!*path) {
        errno = ENOENT;
        return -1;
    }
    char *copy = xstrdup(path);
    int rc = 0;
    for (char *p = copy + 1; !rc && *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        rc = make_dir(copy, mode);
        *p = '/';
    }
    if (!rc)
        rc = make_dir(copy, mode);
    int saved = errno;
    free(copy);
    errno = saved;
    return rc;
}
