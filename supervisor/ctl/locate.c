#include "supervisor/ctl/locate.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/print.h"

static bool touches(const char *at, const char *const *parts)
{
    struct conf_error one = {.path = (char *)at};
    struct conf_errors single = {.list = &one, .count = 1};
    for (; *parts; parts++)
        if (conf_errors_concern(&single, *parts))
            return true;
    return false;
}

json_t *locate_conf(const struct ctl *ctl, const char *const *parts)
{
    struct conf_errors errors;
    json_t *conf = conf_inspect(ctl->conf_path, NULL, &errors);
    bool sound = true;
    for (size_t i = 0; i < errors.count; i++) {
        const struct conf_error *e = &errors.list[i];
        if (!touches(e->path, parts))
            continue;
        sound = false;
        print_error("%s: %s%s%s", ctl->conf_path, e->path, *e->path ? ": " : "", e->message);
    }
    conf_errors_free(&errors);
    if (sound && conf)
        return conf;
    json_decref(conf);
    return NULL;
}

char *locate_run_dir(const struct ctl *ctl)
{
    if (ctl->run_dir)
        return xstrdup(ctl->run_dir);
    json_t *conf = locate_conf(ctl, (const char *const[]){"state_dir", "run_dir", NULL});
    if (!conf) {
        print_error("name the configuration with -c FILE, or the run directory with --run-dir DIR");
        return NULL;
    }
    char *run_dir = xstrdup(conf_str(conf, "run_dir"));
    json_decref(conf);
    return run_dir;
}
