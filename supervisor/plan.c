#include "supervisor/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fault.h"
#include "common/base/fdio.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/ipc/message.h"

void plan_add_error(json_t *errors, const char *path, char *message)
{
    json_t *error = json_pack("{s:s, s:s}", "path", path, "message", message);
    assert(error != NULL);
    json_array_append_new(errors, error);
    free(message);
}

/* Opens one listener and keeps it, or adds an error. */
static void add_listener(struct plan *plan, struct listen_pool *pool, const char *address,
                         const char *path, json_t *errors)
{
    char *why;
    struct listener *l = listen_acquire(pool, plan->role, address, &why);
    if (l == NULL) {
        plan_add_error(errors, path, why);
        return;
    }
    plan->listeners =
        xrealloc(plan->listeners, (plan->listener_count + 1) * sizeof plan->listeners[0]);
    plan->listeners[plan->listener_count++] = l;
}

static void add_tcp_listeners(struct plan *plan, struct listen_pool *pool, const json_t *conf,
                              json_t *errors)
{
    char *key = xasprintf("%s.listen", role_name(plan->role));
    const json_t *addresses = conf_value(conf, key);
    for (size_t i = 0; i < json_array_size(addresses); i++) {
        char *path = xasprintf("%s[%zu]", key, i);
        add_listener(plan, pool, json_string_value(json_array_get(addresses, i)), path, errors);
        free(path);
    }
    free(key);
}

/* RUN/store.sock or RUN/retry.sock. */
static void add_unix_socket(struct plan *plan, struct listen_pool *pool, const json_t *conf,
                            json_t *errors)
{
    char *address = xasprintf("unix:%s/%s.sock", conf_str(conf, "run_dir"), role_name(plan->role));
    add_listener(plan, pool, address, "run_dir", errors);
    free(address);
}

struct plan *plan_new(struct listen_pool *pool, enum role role, const json_t *conf, int generation,
                      json_t *errors)
{
    struct plan *plan = xcalloc(1, sizeof *plan);
    size_t errors_before = json_array_size(errors);
    plan->role = role;
    plan->generation = generation;
    plan->workers = role_workers(role, conf);
    plan->ready_ms = conf_int(conf, "ready_s") * 1000;
    plan->slice = conf_slice(conf, role_name(role));
    plan->users = 1;
    if (role == ROLE_STORE || role == ROLE_INGEST || role == ROLE_RETRY)
        add_tcp_listeners(plan, pool, conf, errors);
    if (role == ROLE_STORE || (role == ROLE_RETRY && conf_bool(conf, "retry.unix_socket")))
        add_unix_socket(plan, pool, conf, errors);
    if (json_array_size(errors) == errors_before)
        return plan;
    plan_unref(plan);
    return NULL;
}

struct plan *plan_ref(struct plan *plan)
{
    plan->users++;
    return plan;
}

void plan_release_listeners(struct plan *plan)
{
    for (size_t i = 0; i < plan->listener_count; i++)
        listen_release(plan->listeners[i]);
    plan->listener_count = 0;
}

void plan_unref(struct plan *plan)
{
    if (plan == NULL || --plan->users > 0)
        return;
    plan_release_listeners(plan);
    free(plan->listeners);
    json_decref(plan->slice);
    json_decref(plan->check);
    free(plan);
}

void plan_close_listeners(struct plan *plan)
{
    for (size_t i = 0; i < plan->listener_count; i++)
        listen_close(plan->listeners[i]);
}

int plan_snapshot(const struct plan *plan, int number, const char *name, int lock_fd)
{
    json_t *listeners = json_array();
    for (size_t i = 0; i < plan->listener_count; i++) {
        json_array_append_new(listeners,
                              json_pack("{s:i, s:s}", "fd", WORKER_FD_LISTEN + (int)i, "address",
                                        listener_address(plan->listeners[i])));
    }
    json_t *process =
        json_pack("{s:s, s:i, s:s, s:i, s:i, s:i, s:o}", "role", role_name(plan->role), "slot",
                  number, "name", name, "generation", plan->generation, "supervisor_pid",
                  (int)getpid(), "lock_fd", lock_fd, "listeners", listeners);
    if (plan->check != NULL && number == 0)
        json_object_set(process, "check", plan->check);
    json_t *snapshot = json_pack("{s:o, s:O}", "process", process, "conf", plan->slice);
    assert(snapshot != NULL);
    char *text = json_dumps(snapshot, JSON_COMPACT);
    assert(text != NULL);
    int fd = -1;
    if (fault_point("plan.snapshot"))
        errno = ENFILE;
    else
        fd = fdio_sealed_memfd(name, text, strlen(text));
    explicit_bzero(text, strlen(text));
    free(text);
    json_decref(snapshot);
    return fd;
}
