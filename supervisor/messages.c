#include "supervisor/messages.h"

#include <stdint.h>
#include <string.h>

#include "common/base/log.h"
#include "common/ipc/message.h"
#include "supervisor/materials.h"
#include "supervisor/supervisor.h"

/* Messages are never changed once parsed, so one can be kept and sent on as it came. */
static json_t *unchanged(const json_t *msg)
{
    return (json_t *)(uintptr_t)msg;
}

/* ---- material ---- */

static void send_material(void *arg, json_t *msg)
{
    process_send(arg, json_incref(msg));
}

static void take_material(struct supervisor *s, struct process *from, const json_t *msg)
{
    const char *why = "only the keyring may send it";
    if (from->plan->role != ROLE_KEYRING ||
        materials_put(s->materials, unchanged(msg), &why) != 0) {
        log_warn("%s sent material that is not taken: %s", from->name, why);
        return;
    }
    struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    {
        if (p->plan->role != ROLE_KEYRING)
            process_send(p, json_incref(unchanged(msg)));
    }
}

static void ignore(struct supervisor *s, struct process *from, const json_t *msg)
{
    (void)s, (void)from, (void)msg;
}

/* ---- the table ---- */

static const struct {
    const char *kind;
    void (*take)(struct supervisor *s, struct process *from, const json_t *msg);
} takers[] = {
    {"material", take_material},
    {"pong", ignore},
};

void messages_take(void *arg, struct process *from, const json_t *msg)
{
    const char *kind = message_kind(msg);
    for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++) {
        if (strcmp(kind, takers[i].kind) == 0) {
            takers[i].take(arg, from, msg);
            return;
        }
    }
    log_debug("%s sent a message of an unknown kind: ignored", from->name);
}

void messages_greet(void *arg, struct process *p)
{
    struct supervisor *s = arg;
    if (p->plan->role != ROLE_KEYRING)
        materials_each(s->materials, send_material, p);
}
