#include "supervisor/reload.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "supervisor/changes.h"
#include "supervisor/control.h"
#include "supervisor/detach.h"
#include "supervisor/limits.h"
#include "supervisor/messages.h"
#include "supervisor/notify.h"
#include "supervisor/supervisor.h"

enum reload_state {
    RELOAD_IDLE,
    RELOAD_WANTED, /* begins when no older generation is left */
    RELOAD_TRYING, /* the first new worker of each changed role is starting */
    RELOAD_ROLLING /* committed; the other places follow */
};

struct reload {
    struct supervisor *s; /* borrow: owns us */
    enum reload_state state;
    bool is_wanted_again;
    unsigned number;                /* of the reload that is wanted or runs */
    json_t *conf;                   /* own; what is tried */
    struct plan *tried[ROLE_COUNT]; /* own: one use each; NULL where unchanged */
};

struct reload *reload_new(struct supervisor *s)
{
    struct reload *r = xcalloc(1, sizeof *r);
    r->s = s;
    return r;
}

static void drop_tried(struct reload *r)
{
    for (int role = 0; role < ROLE_COUNT; role++) {
        if (r->tried[role] != NULL)
            r->tried[role]->dropped = true;
        plan_unref(r->tried[role]);
        r->tried[role] = NULL;
    }
    messages_roll_back(r->s);
    json_decref(r->conf);
    r->conf = NULL;
}

void reload_free(struct reload *r)
{
    if (r == NULL)
        return;
    drop_tried(r);
    free(r);
}

unsigned reload_request(struct reload *r)
{
    if (r->state == RELOAD_IDLE) {
        r->state = RELOAD_WANTED;
        r->number++;
    } else if (r->state != RELOAD_WANTED) {
        r->is_wanted_again = true;
        return r->number + 1;
    }
    supervisor_changed(r->s);
    return r->number;
}

struct plan *reload_tried_plan(const struct reload *r, enum role role)
{
    return r->tried[role];
}

/* Ends the reload that runs; result is stolen. */
static void finish(struct reload *r, json_t *result)
{
    unsigned number = r->number;
    char status[96];
    snprintf(status, sizeof status, "%s, generation %d",
             json_is_true(json_object_get(result, "ok")) ? "Reloaded" : "The reload was refused",
             r->s->generation);
    notify_ready(r->s->notify, status);
    r->state = RELOAD_IDLE;
    if (r->is_wanted_again) {
        r->is_wanted_again = false;
        reload_request(r);
    }
    control_reload_done(r->s->control, number, result);
}

/* errors is stolen. */
static void fail(struct reload *r, json_t *errors)
{
    size_t i;
    json_t *error;
    json_array_foreach(errors, i, error)
    {
        const char *path = json_string_value(json_object_get(error, "path"));
        log_error("reload: %s%s%s", path, path[0] != '\0' ? ": " : "",
                  json_string_value(json_object_get(error, "message")));
    }
    log_error("reload refused: generation %d goes on unchanged", r->s->generation);
    drop_tried(r);
    supervisor_changed(r->s);
    finish(r, json_pack("{s:b, s:s, s:i, s:o}", "ok", 0, "error",
                        "the reload was refused; nothing was changed", "generation",
                        r->s->generation, "errors", errors));
}

static json_t *one_error(const char *path, char *message)
{
    json_t *errors = json_array();
    plan_add_error(errors, path, message);
    return errors;
}

static json_t *conf_errors_json(const struct conf_errors *errors)
{
    json_t *list = json_array();
    for (size_t i = 0; i < errors->count; i++)
        plan_add_error(list, errors->list[i].path, xstrdup(errors->list[i].message));
    return list;
}

static void log_warnings(const struct conf_errors *errors)
{
    for (size_t i = 0; i < errors->warning_count; i++)
        log_warn("%s: %s", errors->warnings[i].path, errors->warnings[i].message);
}

static bool is_changed(const struct reload *r, enum role role)
{
    json_t *slice = conf_slice(r->conf, role_name(role));
    bool is_equal = json_equal(slice, r->s->plans[role]->slice);
    json_decref(slice);
    return !is_equal;
}

static void make_plans(struct reload *r, json_t *errors)
{
    for (int i = 0; i < ROLE_COUNT; i++) {
        enum role role = (enum role)i;
        if (!is_changed(r, role))
            continue;
        if (role_is_exclusive(role)) {
            log_info("reload: %s keeps its settings of before until sluiced is restarted",
                     role_name(role));
            continue;
        }
        struct plan *plan = plan_new(r->s->listeners, role, r->conf, r->s->generation + 1, errors);
        if (plan != NULL)
            plan->check = changes_objects(r->s->plans[role]->slice, plan->slice);
        r->tried[role] = plan;
    }
}

static void begin(struct reload *r)
{
    struct conf_errors found = {0};
    log_info("reload: reading %s", r->s->config_path);
    notify_reloading(r->s->notify);
    r->state = RELOAD_TRYING;
    r->conf = conf_load(r->s->config_path, NULL, &found);
    if (r->conf != NULL && r->s->detach != NULL)
        detach_default_log(r->conf);
    bool is_good = r->conf != NULL && conf_reload_allowed(r->s->conf, r->conf, &found);
    json_t *errors = conf_errors_json(&found);
    log_warnings(&found);
    conf_errors_free(&found);
    if (is_good) {
        limits_set(r->conf);
        make_plans(r, errors);
    }
    if (json_array_size(errors) > 0) {
        fail(r, errors);
        return;
    }
    json_decref(errors);
    supervisor_changed(r->s);
}

static void commit(struct reload *r)
{
    struct supervisor *s = r->s;
    s->generation++;
    json_decref(s->conf);
    s->conf = r->conf;
    r->conf = NULL;
    for (int role = 0; role < ROLE_COUNT; role++) {
        if (r->tried[role] == NULL) {
            /* The one setting that is in no slice: another number of the same workers. */
            s->plans[role]->workers = role_workers((enum role)role, s->conf);
            continue;
        }
        plan_unref(s->plans[role]);
        s->plans[role] = r->tried[role];
        r->tried[role] = NULL;
        /* From now on a worker that starts waits for what is missing. */
        json_decref(s->plans[role]->check);
        s->plans[role]->check = NULL;
    }
    messages_commit(s);
    (void)supervisor_apply_log(s->conf);
    r->state = RELOAD_ROLLING;
    supervisor_changed(s);
}

/* Commits when the first worker of each changed role is up; rolls back when one has failed. */
static void try_commit(struct reload *r)
{
    bool all_up = true;
    for (int role = 0; role < ROLE_COUNT; role++) {
        if (r->tried[role] == NULL)
            continue;
        const struct process *p = supervisor_find(r->s, r->tried[role], 0);
        if (p != NULL && p->slot.has_failed) {
            fail(r, one_error("", xasprintf("the new %s failed: %s; its own lines in the log say "
                                            "more",
                                            p->name, p->failure)));
            return;
        }
        if (p != NULL && p->slot.state == SLOT_UP && p->errors != NULL) {
            fail(r, json_incref(p->errors));
            return;
        }
        all_up = all_up && p != NULL && p->slot.state == SLOT_UP;
    }
    if (all_up)
        commit(r);
}

/* Done when every place of the new generation has come up, or crashed by itself. */
static void try_finish(struct reload *r)
{
    const struct supervisor *s = r->s;
    for (int role = 0; role < ROLE_COUNT; role++) {
        for (int i = 0; i < s->plans[role]->workers; i++) {
            const struct process *p = supervisor_find(s, s->plans[role], i);
            if (p == NULL || (p->slot.state != SLOT_UP && !p->slot.has_failed))
                return;
        }
    }
    log_info("reload done: generation %d", s->generation);
    finish(r, json_pack("{s:b, s:i}", "ok", 1, "generation", s->generation));
}

static bool older_generation_lives(const struct reload *r)
{
    const struct process *p;
    TAILQ_FOREACH(p, &r->s->processes, link)
    {
        if (p->slot.retired || p->plan != r->s->plans[p->plan->role])
            return true;
    }
    return false;
}

void reload_progress(struct reload *r)
{
    if (r->state == RELOAD_WANTED && !r->s->is_stopping && !older_generation_lives(r))
        begin(r);
    else if (r->state == RELOAD_TRYING)
        try_commit(r);
    else if (r->state == RELOAD_ROLLING)
        try_finish(r);
}

void reload_abort(struct reload *r)
{
    r->is_wanted_again = false;
    if (r->state == RELOAD_TRYING || r->state == RELOAD_WANTED)
        fail(r, one_error("", xstrdup("sluiced is stopping")));
    else if (r->state == RELOAD_ROLLING)
        finish(r, json_pack("{s:b, s:i}", "ok", 1, "generation", r->s->generation));
}
