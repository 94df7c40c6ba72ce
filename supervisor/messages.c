#include "supervisor/messages.h"

#include <stdint.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/ipc/message.h"
#include "supervisor/asks.h"
#include "supervisor/checks.h"
#include "supervisor/holds.h"
#include "supervisor/materials.h"
#include "supervisor/reload.h"
#include "supervisor/supervisor.h"
#include "supervisor/tables.h"

#define NOT_TAKEN_EVERY_MS 10000

/* Messages are never changed once parsed, so one can be kept and sent on as it came. */
static json_t *unchanged(const json_t *msg)
{
    return (json_t *)(uintptr_t)msg;
}

/* One line in ten seconds for each worker, whatever it sends. */
static void not_taken(struct process *from, const json_t *msg, const char *why)
{
    int64_t left_out;
    if (log_rate_due(&from->refused, clock_mono_ms(), NOT_TAKEN_EVERY_MS, &left_out))
        log_warn("%s sent \"%s\" that is not taken: %s lines_left_out=%lld", from->name,
                 message_kind(msg), why, (long long)left_out);
}

/* ---- material ---- */

/* Access tokens go only where events are delivered, and to the store only its own keys. */
static bool uses(const struct process *p, const json_t *msg)
{
    const char *kind = json_string_value(json_object_get(msg, "kind"));
    if (kind != NULL && strcmp(kind, "oauth") == 0)
        return p->plan->role == ROLE_CONSUMER || p->plan->role == ROLE_RETRY;
    const char *identity = json_string_value(json_object_get(msg, "identity"));
    if (p->plan->role == ROLE_STORE)
        return identity != NULL && strcmp(identity, "embedded") == 0;
    return p->plan->role != ROLE_KEYRING;
}

static void send_material(void *arg, json_t *msg)
{
    if (uses(arg, msg))
        process_send(arg, json_incref(msg));
}

static bool is_tried(const struct supervisor *s, const struct process *p)
{
    return p->plan == reload_tried_plan(s->reload, p->plan->role);
}

/* What concerns this process: until a reload is committed its keyring speaks to nobody but the
 * workers that it tries, since it may be refused and then nothing has changed. */
static struct materials *materials_of(struct supervisor *s, const struct process *p)
{
    if (!is_tried(s, p) || reload_tried_plan(s->reload, ROLE_KEYRING) == NULL)
        return s->materials;
    if (s->tried == NULL)
        s->tried = materials_new();
    return s->tried;
}

static void spread(struct supervisor *s, const struct materials *kept, json_t *msg)
{
    struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    {
        if (materials_of(s, p) == kept)
            send_material(p, msg);
    }
}

static void take_material(struct supervisor *s, struct process *from, const json_t *msg)
{
    const char *why = "only the keyring may send it";
    bool is_keyring = from->plan->role == ROLE_KEYRING;
    if (is_keyring && from->plan != s->plans[ROLE_KEYRING] && !is_tried(s, from))
        return; /* it drains, and its settings are no more */
    struct materials *kept = materials_of(s, from);
    if (!is_keyring || materials_put(kept, unchanged(msg), &why) != 0)
        not_taken(from, msg, why);
    else
        spread(s, kept, unchanged(msg));
}

static void adopt(void *arg, json_t *msg)
{
    struct supervisor *s = arg;
    const char *why;
    if (materials_put(s->materials, msg, &why) == 0)
        spread(s, s->materials, msg);
}

void messages_commit(struct supervisor *s)
{
    if (s->tried != NULL)
        materials_each(s->tried, adopt, s);
    messages_roll_back(s);
}

void messages_roll_back(struct supervisor *s)
{
    materials_free(s->tried);
    s->tried = NULL;
}

/* ---- need, stale ---- */

static void send_to_keyrings(struct supervisor *s, const json_t *msg)
{
    struct process *p;
    TAILQ_FOREACH(p, &s->processes, link)
    {
        if (p->plan->role == ROLE_KEYRING)
            process_send(p, json_incref(unchanged(msg)));
    }
}

static void pass_ask_on(struct supervisor *s, struct process *from, const json_t *msg)
{
    const char *why;
    json_t *ask = asks_admit(s->asks, msg, clock_mono_ms(), &why);
    if (ask == NULL && why != NULL)
        not_taken(from, msg, why);
    if (ask != NULL)
        send_to_keyrings(s, ask);
    json_decref(ask);
}

/* The keyring keeps access tokens fresh for as long as it hears that they are needed. */
static void take_need(struct supervisor *s, struct process *from, const json_t *msg)
{
    const char *kind = json_string_value(json_object_get(msg, "kind"));
    if (materials_answer(materials_of(s, from), msg, clock_wall_ms(), send_material, from) == 0 ||
        (kind != NULL && strcmp(kind, "oauth") == 0))
        pass_ask_on(s, from, msg);
}

/* Tells a keyring that starts what workers use: they have it from the one before, and ask for it
 * only once it is refused. */
struct greeting {
    struct process *keyring;
    struct asks *told;
};

static void tell_use(void *arg, json_t *item)
{
    struct greeting *g = arg;
    const char *why;
    json_t *need = asks_admit(g->told, item, 0, &why);
    if (need != NULL && strcmp(json_string_value(json_object_get(item, "kind")), "trouble") != 0)
        process_send(g->keyring, json_incref(need));
    json_decref(need);
}

static void tell_uses(struct supervisor *s, struct process *keyring)
{
    struct greeting g = {keyring, asks_new()};
    materials_each(s->materials, tell_use, &g);
    asks_free(g.told);
}

/* ---- what others keep ---- */

static void take_gate(struct supervisor *s, struct process *from, const json_t *msg)
{
    holds_gate(s->holds, from, msg);
}

static void take_settled(struct supervisor *s, struct process *from, const json_t *msg)
{
    if (from->plan->role == ROLE_CONSUMER)
        tables_settled(s->tables, from, json_integer_value(json_object_get(msg, "table")));
}

static void take_checked(struct supervisor *s, struct process *from, const json_t *msg)
{
    checks_take(s->checks, from, msg);
}

static void ignore(struct supervisor *s, struct process *from, const json_t *msg)
{
    (void)s, (void)from, (void)msg;
}

/* ---- the host's calls ---- */

static const struct {
    const char *kind;
    void (*take)(struct supervisor *s, struct process *from, const json_t *msg);
} takers[] = {
    {"material", take_material}, {"need", take_need}, {"stale", pass_ask_on},
    {"gate", take_gate},         {"pong", ignore},    {"settled", take_settled},
    {"checked", take_checked},
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
    if (p->plan->role == ROLE_KEYRING)
        tell_uses(s, p);
    else
        materials_each(materials_of(s, p), send_material, p);
    holds_greet(s->holds, p);
}
