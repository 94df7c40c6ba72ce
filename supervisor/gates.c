#include "supervisor/gates.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/breaker.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/base/xalloc.h"
#include "common/ipc/gate.h"

struct gate {
    TAILQ_ENTRY(gate) link;
    char *key; /* own */
    char *why; /* own */
    bool is_probed;
    struct breaker breaker; /* never closed: a gate that is ends */
    pid_t holder;           /* of the probe; 0: nobody */
    pid_t last_holder;      /* the next one follows it */
    int64_t since_ms;
};

struct gates {
    const struct gates_host *host; /* borrow */
    void *arg;
    TAILQ_HEAD(gate_list, gate) list; /* own */
    size_t count;                     /* of it */
};

struct gates *gates_new(const struct gates_host *host, void *arg)
{
    struct gates *g = xcalloc(1, sizeof(*g));
    g->host = host;
    g->arg = arg;
    TAILQ_INIT(&g->list);
    return g;
}

static void drop(struct gates *g, struct gate *gate)
{
    TAILQ_REMOVE(&g->list, gate, link);
    g->count--;
    free(gate->key);
    free(gate->why);
    free(gate);
}

void gates_free(struct gates *g)
{
    if (!g)
        return;
    while (!TAILQ_EMPTY(&g->list))
        drop(g, TAILQ_FIRST(&g->list));
    free(g);
}

static struct gate *find(const struct gates *g, const char *key)
{
    struct gate *gate;
    TAILQ_FOREACH(gate, &g->list, link)
    {
        if (strcmp(gate->key, key) == 0)
            return gate;
    }
    return NULL;
}

static struct gate *add(struct gates *g, const char *key, int64_t now_ms)
{
    struct gate *gate = xcalloc(1, sizeof(*gate));
    gate->key = xstrdup(key);
    gate->is_probed = gate_key_is_probed(key);
    gate->since_ms = now_ms;
    TAILQ_INSERT_TAIL(&g->list, gate, link);
    g->count++;
    return gate;
}

/* A gate that is half-open holds back as well: its time is over, but not it. */
static int64_t left_ms(const struct gate *gate, int64_t now_ms)
{
    bool open = gate->breaker.state == BREAKER_OPEN;
    return open && gate->breaker.until_ms > now_ms ? gate->breaker.until_ms - now_ms : 1;
}

/* ---- what workers say ---- */

/* About a breaker its sender is told as well: others may have spoken meanwhile, and in what order
 * counts is only known here. 0: nobody is left out. */
static pid_t left_out(const struct gate *gate, pid_t from)
{
    return gate->is_probed ? 0 : from;
}

static void open_gate(struct gates *g, pid_t from, const char *key, int64_t open_ms,
                      const char *why, int64_t now_ms)
{
    struct gate *gate = find(g, key);
    if (!gate) {
        log_warn("%s is held back for %lld ms: %s", key, (long long)open_ms, why);
        gate = add(g, key, now_ms);
    }
    breaker_open(&gate->breaker, now_ms + open_ms);
    gate->holder = 0;
    free(gate->why);
    gate->why = utf8_safe(why, strlen(why), GATE_WHY_BYTES);
    g->host->tell_others(g->arg, left_out(gate, from),
                         gate_message(key, left_ms(gate, now_ms), gate->why));
}

static void close_gate(struct gates *g, pid_t from, struct gate *gate, int64_t now_ms)
{
    log_info("%s is not held back any more, after %lld ms", gate->key,
             (long long)(now_ms - gate->since_ms));
    g->host->tell_others(g->arg, left_out(gate, from), gate_message(gate->key, 0, ""));
    drop(g, gate);
}

/* The holder has something to probe with, and a verdict is sure to come within this time. */
static void wait_for_verdict(struct gate *gate, pid_t from, int64_t wait_ms, int64_t now_ms)
{
    if (gate->holder == from && gate->breaker.state == BREAKER_HALF_OPEN)
        breaker_probe(&gate->breaker, now_ms, wait_ms);
}

static const char *malformed(const json_t *msg)
{
    const char *key = json_string_value(json_object_get(msg, "key"));
    const json_t *until = json_object_get(msg, "until_ms");
    if (!key || !*key || strlen(key) > GATES_KEY_BYTES)
        return "its key is missing or too long";
    if (!json_is_integer(until) || json_integer_value(until) < 0 ||
        json_integer_value(until) > GATES_LONGEST_MS)
        return "its until_ms is missing or out of bounds";
    return NULL;
}

int gates_take(struct gates *g, pid_t from, const json_t *msg, int64_t now_ms, const char **why_out)
{
    *why_out = malformed(msg);
    if (*why_out)
        return -1;
    const char *key = json_string_value(json_object_get(msg, "key"));
    const char *why = json_string_value(json_object_get(msg, "why"));
    int64_t until_ms = json_integer_value(json_object_get(msg, "until_ms"));
    struct gate *gate = find(g, key);
    if (json_is_true(json_object_get(msg, "probe"))) {
        if (gate)
            wait_for_verdict(gate, from, until_ms, now_ms);
    } else if (until_ms == 0) {
        if (gate)
            close_gate(g, from, gate, now_ms);
    } else if (!gate && g->count >= GATES_MAX) {
        *why_out = "there are too many gates already";
        g->host->tell(g->arg, from, gate_message(key, 0, ""));
        return -1;
    } else {
        open_gate(g, from, key, until_ms, why ? why : "", now_ms);
    }
    return 0;
}

/* ---- time ---- */

static void grant(struct gates *g, struct gate *gate, int64_t now_ms)
{
    pid_t to = g->host->next_prober(g->arg, gate->last_holder);
    if (gate->holder != 0 && gate->holder != to && g->host->can_probe(g->arg, gate->holder))
        g->host->tell(g->arg, gate->holder, gate_probe_message(gate->key, false));
    gate->holder = to;
    if (to == 0) {
        breaker_probe(&gate->breaker, now_ms, 0);
        return;
    }
    gate->last_holder = to;
    breaker_probe(&gate->breaker, now_ms, BREAKER_PROBE_MS);
    g->host->tell(g->arg, to, gate_probe_message(gate->key, true));
    log_debug("%s: worker %d has the probe", gate->key, (int)to);
}

static void turn(struct gates *g, struct gate *gate, int64_t now_ms)
{
    if (gate->holder != 0 && !g->host->can_probe(g->arg, gate->holder)) {
        gate->holder = 0;
        breaker_take_probe(&gate->breaker);
    }
    if (!breaker_wants_probe(&gate->breaker, now_ms))
        return;
    if (gate->is_probed && g->host->is_known(g->arg, gate->key))
        grant(g, gate, now_ms);
    else
        close_gate(g, 0, gate, now_ms);
}

/* Without anybody to probe the next turn comes with a worker that is up. */
static int64_t due_ms(const struct gate *gate)
{
    bool waits = gate->breaker.state == BREAKER_HALF_OPEN && gate->holder == 0;
    return waits ? INT64_MAX : breaker_due_ms(&gate->breaker);
}

int64_t gates_turn(struct gates *g, int64_t now_ms)
{
    struct gate *gate, *next;
    int64_t due = INT64_MAX;
    for (gate = TAILQ_FIRST(&g->list); gate; gate = next) {
        next = TAILQ_NEXT(gate, link);
        turn(g, gate, now_ms);
    }
    TAILQ_FOREACH(gate, &g->list, link)
    {
        if (due_ms(gate) < due)
            due = due_ms(gate);
    }
    return due;
}

void gates_each(const struct gates *g, int64_t now_ms, void (*each)(void *arg, json_t *msg),
                void *arg)
{
    const struct gate *gate;
    TAILQ_FOREACH(gate, &g->list, link)
    {
        each(arg, gate_message(gate->key, left_ms(gate, now_ms), gate->why));
    }
}

json_t *gates_status(const struct gates *g, int64_t now_ms)
{
    json_t *list = json_array();
    const struct gate *gate;
    TAILQ_FOREACH(gate, &g->list, link)
    {
        bool open = gate->breaker.state == BREAKER_OPEN;
        json_t *one = json_pack("{s:s, s:s, s:I, s:I, s:s, s:i}", "key", gate->key, "state",
                                open ? "open" : "half-open", "left_ms",
                                (json_int_t)(open ? left_ms(gate, now_ms) : 0), "held_s",
                                (json_int_t)((now_ms - gate->since_ms) / 1000), "why", gate->why,
                                "probe", (int)gate->holder);
        assert(one);
        json_array_append_new(list, one);
    }
    return list;
}
