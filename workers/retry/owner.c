#include "workers/retry/owner.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE_BYTES 64
#define HOST_BYTES 65

/* "" where the kernel does not tell: then no claim is given up early. */
static void read_place(char out[PLACE_BYTES])
{
    char boot[37] = "";
    struct stat space;
    out[0] = '\0';
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return;
    ssize_t n = read(fd, boot, sizeof(boot) - 1);
    close(fd);
    if (n == sizeof(boot) - 1 && stat("/proc/self/ns/pid", &space) == 0)
        snprintf(out, PLACE_BYTES, "%s.%llu", boot, (unsigned long long)space.st_ino);
}

void owner_make(char out[OWNER_BYTES])
{
    char host[HOST_BYTES] = "";
    char place[PLACE_BYTES];
    uint64_t random = 0;
    int rc = RAND_bytes((unsigned char *)&random, sizeof(random));
    assert(rc == 1);
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    for (char *c = host; *c; c++) /* the parts are told apart by colons */
        *c = *c == ':' ? '_' : *c;
    read_place(place);
    snprintf(out, OWNER_BYTES, "%.40s:%s:%ld:%016llx", host, place, (long)getpid(),
             (unsigned long long)random);
}

bool owner_is_gone_from(const char *owner, const char *place, bool (*alive)(pid_t pid))
{
    size_t len = strlen(place);
    const char *at = strchr(owner, ':');
    if (len == 0 || !at || strncmp(at + 1, place, len) != 0 || at[1 + len] != ':')
        return false;
    char *end;
    const char *digits = at + 2 + len;
    errno = 0;
    long pid = strtol(digits, &end, 10);
    if (*digits < '1' || *digits > '9' || errno || *end != ':' || pid > INT32_MAX)
        return false;
    return !alive((pid_t)pid);
}

static bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

bool owner_is_gone(const char *owner)
{
    char place[PLACE_BYTES];
    read_place(place);
    return owner_is_gone_from(owner, place, is_alive);
}
