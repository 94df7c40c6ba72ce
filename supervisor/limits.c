#include "supervisor/limits.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/base/log.h"
#include "common/conf/conf.h"

void limits_set(const json_t *conf)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)(2 * (conf_int(conf, "ingest.max_connections") +
                                  conf_int(conf, "retry.max_connections"))) +
                    1024;
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &limit);
    }
    prctl(PR_SET_DUMPABLE, 0);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < needed)
        log_warn("the limit of open files is %llu, but the configured connections need %llu; raise "
                 "it (ulimit -n) or lower max_connections",
                 (unsigned long long)limit.rlim_max, (unsigned long long)needed);
    limit.rlim_cur =
        limit.rlim_max == RLIM_INFINITY || limit.rlim_max > needed ? needed : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
