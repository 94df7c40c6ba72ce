#include "supervisor/role.h"

#include <assert.h>
#include <stddef.h>

#include "common/base/xalloc.h"
#include "common/conf/conf.h"

static const struct {
    const char *name;
    int stop_phase;
    const char *workers_key; /* NULL: always one */
    bool exclusive;
} roles[ROLE_COUNT] = {
    [ROLE_KEYRING] = {"keyring", 3, NULL, false},
    [ROLE_STORE] = {"store", 2, NULL, true},
    [ROLE_INGEST] = {"ingest", 0, NULL, false},
    [ROLE_CONSUMER] = {"consumer", 1, "consumer.workers", false},
    [ROLE_RETRY] = {"retry", 1, NULL, false},
};

const char *role_name(enum role role)
{
    assert(role < ROLE_COUNT);
    return roles[role].name;
}

int role_stop_phase(enum role role)
{
    assert(role < ROLE_COUNT);
    return roles[role].stop_phase;
}

int role_workers(enum role role, const json_t *conf)
{
    assert(role < ROLE_COUNT);
    const char *key = roles[role].workers_key;
    return key == NULL ? 1 : (int)conf_int(conf, key);
}

bool role_is_exclusive(enum role role)
{
    assert(role < ROLE_COUNT);
    return roles[role].exclusive;
}

char *role_worker_name(enum role role, int number)
{
    assert(role < ROLE_COUNT);
    if (roles[role].workers_key == NULL)
        return xstrdup(roles[role].name);
    return xasprintf("%s-%d", roles[role].name, number);
}
