#include "supervisor/programs.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "supervisor/role.h"

/* The directory if the workers are in it (taken over), or NULL. */
static char *with_workers(char *dir)
{
    char *program = xasprintf("%s/sluice-ingest", dir);
    bool is_there = access(program, X_OK) == 0;
    free(program);
    if (is_there)
        return dir;
    free(dir);
    return NULL;
}

char *programs_find(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    char *found = NULL;
    if (slash != NULL) {
        *slash = '\0';
        found = with_workers(xstrdup(self));
        if (found == NULL)
            found = with_workers(xasprintf("%s/../lib/sluice", self));
    }
    return found != NULL ? found : xstrdup(SLUICE_LIBEXECDIR);
}

int programs_check(const char *dir)
{
    int rc = 0;
    for (int role = 0; role < ROLE_COUNT; role++) {
        char *path = xasprintf("%s/sluice-%s", dir, role_name((enum role)role));
        if (access(path, X_OK) != 0) {
            log_error("program %s cannot be executed: %s; is the installation complete?", path,
                      strerror(errno));
            rc = -1;
        }
        free(path);
    }
    return rc;
}
