#include "supervisor/environment.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/base/xalloc.h"

/* A name that ends in "*" stands for all that begin so. */
static const char *const for_all[] = {
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "TZDIR",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TMPDIR",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "OPENSSL_CONF",
    "RES_OPTIONS",
    "LOCALDOMAIN",
    "MALLOC_*",
    "GLIBC_TUNABLES",
    "ASAN_OPTIONS",
    "UBSAN_OPTIONS",
    "LSAN_OPTIONS",
    "SLUICE_FAULT*",
    "FAKETIME*",
    "DONT_FAKE_MONOTONIC",
};

static const char *const for_keyring[] = {"AWS_*"};

static bool is_in(const char *entry, const char *const *names, size_t count)
{
    size_t len = strcspn(entry, "=");
    for (size_t i = 0; i < count; i++) {
        size_t name_len = strlen(names[i]);
        bool is_prefix = names[i][name_len - 1] == '*';
        if (is_prefix ? strncmp(entry, names[i], name_len - 1) == 0
                      : len == name_len && strncmp(entry, names[i], len) == 0)
            return true;
    }
    return false;
}

char **environment_for(enum role role, char *const ours[])
{
    size_t count = 0, kept = 0;
    while (ours[count] != NULL)
        count++;
    char **list = xcalloc(count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        if (is_in(ours[i], for_all, sizeof for_all / sizeof for_all[0]) ||
            (role == ROLE_KEYRING &&
             is_in(ours[i], for_keyring, sizeof for_keyring / sizeof for_keyring[0])))
            list[kept++] = ours[i];
    }
    return list;
}
