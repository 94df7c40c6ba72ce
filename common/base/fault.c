#include "common/base/fault.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAULTS_MAX 16

enum action { ACTION_KILL, ACTION_FAIL, ACTION_ALWAYS };

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
                : strcmp(action, "always") == 0        ? ACTION_ALWAYS
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

bool fault_point(const char *point)
{
    if (!faults.loaded)
        load();
    for (int i = 0; i < faults.count; i++) {
        struct fault *f = &faults.list[i];
        if (strcmp(f->point, point) != 0)
            continue;
        f->hits++;
        if (f->action == ACTION_ALWAYS)
            return f->hits >= f->at;
        if (f->hits != f->at)
            return false;
        if (f->action == ACTION_KILL)
            kill(getpid(), SIGKILL);
        return true;
    }
    return false;
}
