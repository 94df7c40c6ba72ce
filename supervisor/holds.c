#include "supervisor/holds.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/ipc/gate.h"
#include "common/ipc/message.h"
#include "supervisor/gates.h"
#include "supervisor/pauses.h"
#include "supervisor/supervisor.h"

struct holds {
    struct supervisor *s;  /* borrow */
    struct gates *gates;   /* own */
    struct pauses *pauses; /* own */
    struct event *timer;   /* own */
};

/* ---- the gates' host ---- */

static bool may_probe(const struct process *p)
{
    return p->plan->role == ROLE_CONSUMER && p->slot.state == SLOT_UP && !p->slot.retired;
}

static void tell(void *arg, pid_t worker, json_t *msg)
{
    struct holds *h = arg;
    struct process *p;
    TAILQ_FOREACH(p, &h->s->processes, link)
    {
        if (p->pid == worker)
            process_send(p, json_incref(msg));
    }
    json_decref(msg);
}

static void tell_others(void *arg, pid_t but, json_t *msg)
{
    struct holds *h = arg;
    struct process *p;
    TAILQ_FOREACH(p, &h->s->processes, link)
    {
        if (p->pid != 0 && p->pid != but)
            process_send(p, json_incref(msg));
    }
    json_decref(msg);
}

static bool can_probe(void *arg, pid_t worker)
{
    struct holds *h = arg;
    const struct process *p;
    TAILQ_FOREACH(p, &h->s->processes, link)
    {
        if (p->pid == worker)
            return may_probe(p);
    }
    return false;
}

static pid_t next_prober(void *arg, pid_t after)
{
    struct holds *h = arg;
    const struct process *p;
    pid_t first = 0;
    bool is_behind = false;
    TAILQ_FOREACH(p, &h->s->processes, link)
    {
        if (may_probe(p) && is_behind)
            return p->pid;
        if (may_probe(p) && first == 0)
            first = p->pid;
        if (p->pid == after)
            is_behind = true;
    }
    return first;
}

/* name: DESTINATION or DESTINATION/SOURCE. */
static bool is_known_destination(const struct holds *h, const char *name)
{
    const char *slash = strchr(name, '/');
    size_t len = slash ? (size_t)(slash - name) : strlen(name);
    if (!json_object_getn(conf_value(h->s->conf, "destinations"), name, len))
        return false;
    return !slash || json_object_get(conf_value(h->s->conf, "sources"), slash + 1);
}

static bool is_known(void *arg, const char *key)
{
    const struct holds *h = arg;
    const char *destination = gate_key_name(key, GATE_DESTINATION);
    const char *queue = gate_key_name(key, GATE_POLLING);
    if (destination)
        return is_known_destination(h, destination);
    return queue && json_object_get(conf_value(h->s->conf, "queues"), queue);
}

static const struct gates_host host = {tell, tell_others, can_probe, next_prober, is_known};

/* ---- gates ---- */

void holds_look(struct holds *h)
{
    int64_t now_ms = clock_mono_ms();
    int64_t due_ms = gates_turn(h->gates, now_ms);
    if (due_ms == INT64_MAX) {
        evtimer_del(h->timer);
        return;
    }
    int64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    const struct timeval tv = {wait_ms / 1000, (suseconds_t)(wait_ms % 1000) * 1000};
    evtimer_add(h->timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    holds_look(arg);
}

void holds_gate(struct holds *h, struct process *from, const json_t *msg)
{
    const char *why;
    if (gates_take(h->gates, from->pid, msg, clock_mono_ms(), &why) != 0)
        log_warn("%s sent a gate that is not taken: %s", from->name, why);
    holds_look(h);
}

/* ---- pauses ---- */

/* In an array, or NULL where there is no such source. */
static json_t *named_sources(const struct holds *h, const char *source)
{
    const json_t *all = conf_value(h->s->conf, "sources");
    json_t *names = json_array();
    const char *name;
    size_t i;
    json_t *value;
    if (source) {
        bool is_there = json_object_get(all, source) || pauses_has(h->pauses, source);
        json_array_append_new(names, json_string(source));
        if (!is_there)
            json_decref(names);
        return is_there ? names : NULL;
    }
    json_object_foreach((json_t *)(uintptr_t)all, name, value)
    {
        json_array_append_new(names, json_string(name));
    }
    json_array_foreach((json_t *)(uintptr_t)pauses_list(h->pauses), i, value)
    {
        json_t *paused = json_object_get(value, "source");
        if (!json_object_get(all, json_string_value(paused)))
            json_array_append(names, paused);
    }
    return names;
}

static json_t *pause_message(bool paused, json_t *source)
{
    json_t *msg = message_new(paused ? "pause" : "resume");
    json_object_set(msg, "source", source);
    return msg;
}

static json_t *refusal(char *error)
{
    json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", error);
    assert(answer);
    free(error);
    return answer;
}

static int keep(struct holds *h, const json_t *names, bool paused, const char *by)
{
    char at[CLOCK_TEXT_BYTES];
    clock_rfc3339(clock_wall_ms(), at);
    return paused ? pauses_add(h->pauses, names, at, by) : pauses_remove(h->pauses, names);
}

json_t *holds_pause(struct holds *h, const char *source, bool paused, const char *by)
{
    json_t *names = named_sources(h, source), *name;
    size_t i;
    if (!names)
        return refusal(xasprintf("there is no source \"%s\" in the configuration; sluicectl "
                                 "pause and resume without a name mean all",
                                 source));
    if (keep(h, names, paused, by) != 0) {
        json_decref(names);
        return refusal(
            xasprintf("the pause could not be written to state_dir: %s", strerror(errno)));
    }
    json_array_foreach(names, i, name)
    {
        log_info("source %s is %s%s%s", json_string_value(name), paused ? "paused" : "resumed",
                 *by ? " by " : "", by);
        tell_others(h, 0, pause_message(paused, name));
    }
    json_decref(names);
    json_t *answer = json_pack("{s:b, s:O}", "ok", 1, "paused", pauses_list(h->pauses));
    assert(answer);
    return answer;
}

/* ---- both ---- */

static void send_to(void *arg, json_t *msg)
{
    process_send(arg, msg);
}

void holds_greet(struct holds *h, struct process *p)
{
    size_t i;
    json_t *pause;
    gates_each(h->gates, clock_mono_ms(), send_to, p);
    json_array_foreach((json_t *)(uintptr_t)pauses_list(h->pauses), i, pause)
    {
        process_send(p, pause_message(true, json_object_get(pause, "source")));
    }
}

void holds_status(const struct holds *h, json_t *answer)
{
    json_object_set_new(answer, "gates", gates_status(h->gates, clock_mono_ms()));
    json_object_set(answer, "paused", (json_t *)(uintptr_t)pauses_list(h->pauses));
}

struct holds *holds_new(struct supervisor *s)
{
    struct holds *h = xcalloc(1, sizeof(*h));
    char *path = xasprintf("%s/paused.json", conf_str(s->conf, "state_dir"));
    h->s = s;
    h->gates = gates_new(&host, h);
    h->pauses = pauses_new(path);
    h->timer = evtimer_new(s->base, on_timer, h);
    assert(h->timer);
    free(path);
    return h;
}

void holds_free(struct holds *h)
{
    if (!h)
        return;
    event_free(h->timer);
    pauses_free(h->pauses);
    gates_free(h->gates);
    free(h);
}
