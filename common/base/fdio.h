#ifndef COMMON_BASE_FDIO_H
#define COMMON_BASE_FDIO_H

#include <stddef.h>
#include <sys/types.h>

struct buf;

/* Reads a whole file into out (appended), at most limit bytes. 0; -1 with errno (EFBIG when it is
 * larger). */
int fdio_read_file(const char *path, size_t limit, struct buf *out)
    __attribute__((warn_unused_result));

/* As fdio_read_file, from a descriptor's offset 0 (pread; a memfd or a file). */
int fdio_read_fd(int fd, size_t limit, struct buf *out) __attribute__((warn_unused_result));

/* Writes all of data, going on after short writes and EINTR. 0, or -1 with errno. */
int fdio_write_all(int fd, const void *data, size_t len) __attribute__((warn_unused_result));

/* Replaces path with these bytes so that a crash leaves the old or the new file whole: temporary
 * file beside it, fsync, rename, fsync of the directory. 0, or -1 with errno. */
int fdio_replace_file(const char *path, const void *data, size_t len, mode_t mode)
    __attribute__((warn_unused_result));

/* A memfd that holds these bytes, sealed against every change; close-on-exec. -1 with errno. */
int fdio_sealed_memfd(const char *name, const void *data, size_t len)
    __attribute__((warn_unused_result));

/* mkdir -p with this mode for what is created. 0, or -1 with errno. */
int fdio_make_dirs(const char *path, mode_t mode) __attribute__((warn_unused_result));

#endif
