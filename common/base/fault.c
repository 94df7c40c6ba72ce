#include "common/base/fault.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAULTS_MAX 16

enum action { ACTION_KILL, ACTION_EACH, ACTION_FAIL, ACTION_ALWAYS, ACTION_TICKET };

struct fault {
    char point[64];
    long at;
    long hits;
    enum action action;
};

static struct {
    bool loaded;
    int count;
    struct fault list[FAULTS_MAX];
} faults;

static void load_one(char *text)
{
    char *save = NULL;
    const char *point = strtok_r(text, ":", &save);
    const char *number = strtok_r(NULL, ":", &save);
    const char *action = strtok_r(NULL, ":", &save);
    if (!point || faults.count == FAULTS_MAX || strlen(point) >= sizeof(faults.list[0].point))
        return;
    struct fault *f = &faults.list[faults.count++];
    strcpy(f->point, point);
    f->at = number ? strtol(number, NULL, 10) : 1;
    f->action = !action || strcmp(action, "kill") == 0 ? ACTION_KILL
                : strcmp(action, "each") == 0          ? ACTION_EACH
                : strcmp(action, "always") == 0        ? ACTION_ALWAYS
                : strcmp(action, "ticket") == 0        ? ACTION_TICKET
                                                       : ACTION_FAIL;
}

static void load(void)
{
    faults.loaded = true;
    const char *spec = getenv("SLUICE_FAULT");
    if (!spec)
        return;
    char *copy = strdup(spec);
    char *save = NULL;
    for (char *one = copy ? strtok_r(copy, ",", &save) : NULL; one;
         one = strtok_r(NULL, ",", &save))
        load_one(one);
    free(copy);
}

static bool is_ticket(const char *name, const char *point)
{
    size_t len = strlen(point);
    return strncmp(name, point, len) == 0 && (!name[len] || name[len] == '-');
}

/* True where there is no bound, or one more is allowed: removing a file is what no two processes
 * can both do. */
static bool take_ticket(const char *point)
{
    const char *path = getenv("SLUICE_FAULT_TICKETS");
    if (!path)
        return true;
    bool taken = false;
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && !taken && (entry = readdir(dir)))
        taken = is_ticket(entry->d_name, point) && unlinkat(dirfd(dir), entry->d_name, 0) == 0;
    if (dir)
        closedir(dir);
    return taken;
}

bool fault_point_about(const char *point, const void *text, size_t len)
{
    const char *part = getenv("SLUICE_FAULT_MATCH");
    if (part && !memmem(text, len, part, strlen(part)))
        return false;
    return fault_point(point);
}

bool fault_point(const char *point)
{
    if (!faults.loaded)
        load();
    bool fails = false;
    for (int i = 0; i < faults.count; i++) {
        struct fault *f = &faults.list[i];
        if (strcmp(f->point, point) != 0)
            continue;
        f->hits++;
        if (f->action == ACTION_ALWAYS)
            fails |= f->hits >= f->at;
        else if (f->action == ACTION_TICKET)
            fails |= f->hits >= f->at && take_ticket(point);
        else if (f->hits == f->at && f->action == ACTION_FAIL)
            fails = true;
        else if ((f->hits == f->at || (f->action == ACTION_EACH && f->hits > f->at)) &&
                 take_ticket(point))
            kill(getpid(), SIGKILL);
    }
    return fails;
}
