#include "supervisor/holder.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char unknown[] = "a process that this user may not look into";

void holder_of_pid(pid_t pid, char *text, size_t size)
{
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof name - 1);
    if (fd >= 0)
        close(fd);
    name[n > 0 ? n : 0] = '\0';
    name[strcspn(name, "\n")] = '\0';
    for (char *c = name; *c != '\0'; c++) { /* a stranger chose these bytes */
        if (!isprint((unsigned char)*c) || (unsigned char)*c > 126)
            *c = '?';
    }
    if (name[0] == '\0')
        snprintf(text, size, "pid %d", (int)pid);
    else
        snprintf(text, size, "%s (pid %d)", name, (int)pid);
}

/* Whether one of the process's descriptors is the file or socket that `wanted` describes. */
static bool process_has(int proc_fd, const char *pid, const struct stat *wanted)
{
    char path[64];
    snprintf(path, sizeof path, "%.20s/fd", pid);
    int dir_fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return false;
    DIR *dir = fdopendir(dir_fd);
    if (dir == NULL) {
        close(dir_fd);
        return false;
    }
    bool found = false;
    struct dirent *entry;
    while (!found && (entry = readdir(dir)) != NULL) {
        struct stat st;
        found = isdigit((unsigned char)entry->d_name[0]) &&
                fstatat(dir_fd, entry->d_name, &st, 0) == 0 && st.st_ino == wanted->st_ino &&
                (st.st_mode & S_IFMT) == (wanted->st_mode & S_IFMT) &&
                (wanted->st_dev == 0 || st.st_dev == wanted->st_dev);
    }
    closedir(dir);
    return found;
}

static void find(const struct stat *wanted, char *text, size_t size)
{
    snprintf(text, size, "%s", unknown);
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return;
    struct dirent *entry;
    while ((entry = readdir(proc)) != NULL) {
        int pid = atoi(entry->d_name);
        if (pid <= 0 || pid == (int)getpid() || !process_has(dirfd(proc), entry->d_name, wanted))
            continue;
        holder_of_pid(pid, text, size);
        break;
    }
    closedir(proc);
}

void holder_of_file(int fd, char *text, size_t size)
{
    struct stat wanted;
    if (fstat(fd, &wanted) != 0)
        snprintf(text, size, "%s", unknown);
    else
        find(&wanted, text, size);
}

/* A line of /proc/net/tcp: "sl local_address rem_address st ... inode", the addresses as
 * hexadecimal 32-bit words of this machine's byte order, the port as a number. */
static ino_t listening_inode(const char *table, unsigned port, const char *address_hex)
{
    FILE *file = fopen(table, "re");
    if (file == NULL)
        return 0;
    char line[512];
    ino_t found = 0;
    while (found == 0 && fgets(line, sizeof line, file) != NULL) {
        char local[40];
        unsigned local_port, state;
        unsigned long inode;
        if (sscanf(line, " %*d: %39[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
                   local, &local_port, &state, &inode) != 4)
            continue;
        bool any = strspn(local, "0") == strlen(local);
        bool want_any = strspn(address_hex, "0") == strlen(address_hex);
        if (state == 0x0A && local_port == port &&
            (any || want_any || strcasecmp(local, address_hex) == 0))
            found = inode;
    }
    fclose(file);
    return found;
}

void holder_of_port(const struct sockaddr *address, char *text, size_t size)
{
    struct stat wanted = {.st_mode = S_IFSOCK};
    char hex[40];
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        snprintf(hex, sizeof hex, "%08X", in->sin_addr.s_addr);
        wanted.st_ino = listening_inode("/proc/net/tcp", ntohs(in->sin_port), hex);
        if (wanted.st_ino == 0) /* a dual-stack wildcard */
            wanted.st_ino = listening_inode("/proc/net/tcp6", ntohs(in->sin_port), "0");
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        uint32_t words[4];
        memcpy(words, &in6->sin6_addr, sizeof words);
        snprintf(hex, sizeof hex, "%08X%08X%08X%08X", words[0], words[1], words[2], words[3]);
        wanted.st_ino = listening_inode("/proc/net/tcp6", ntohs(in6->sin6_port), hex);
    }
    if (wanted.st_ino == 0)
        snprintf(text, size, "another process");
    else
        find(&wanted, text, size);
}
