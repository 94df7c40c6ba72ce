#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "supervisor/ctl/control_client.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/print.h"

#define ANSWER_MS 10000

/* What `sluicectl status` shows: the supervisor, its listeners, and a line for each worker. */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void print_labelled(const char *label, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void print_labelled(const char *label, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    printf("%-11s", label);
    print_text(stdout, text, strlen(text), 0);
    fputc('\n', stdout);
    free(text);
}

static void print_head(const json_t *answer)
{
    char up[PRINT_DURATION_BYTES];
    print_duration(number_of(answer, "uptime_s"), up);
    print_labelled("sluiced", "%s, pid %lld, up %s, configuration generation %lld",
                   text_of(answer, "version"), number_of(answer, "pid"), up,
                   number_of(answer, "generation"));
    print_labelled("config", "%s", text_of(answer, "config"));
    print_labelled("state", "%s", text_of(answer, "state_dir"));
    size_t i;
    json_t *listener;
    json_array_foreach(json_object_get(answer, "listeners"), i, listener)
    {
        print_labelled("listening", "%s %s", text_of(listener, "address"),
                       text_of(listener, "role"));
    }
    json_t *note;
    json_array_foreach(json_object_get(answer, "notes"), i, note)
    {
        print_labelled("note", "%s", json_is_string(note) ? json_string_value(note) : "");
    }
}

static void add_number(struct print_table *table, long long number)
{
    char cell[32];
    snprintf(cell, sizeof(cell), "%lld", number);
    print_table_add(table, cell);
}

static void add_worker(struct print_table *table, const json_t *worker)
{
    char up[PRINT_DURATION_BYTES];
    print_duration(number_of(worker, "uptime_s"), up);
    print_table_add(table, text_of(worker, "name"));
    print_table_add(table, text_of(worker, "state"));
    add_number(table, number_of(worker, "pid"));
    print_table_add(table, up);
    add_number(table, number_of(worker, "generation"));
    add_number(table, number_of(worker, "restarts"));
    add_number(table, number_of(json_object_get(worker, "beat"), "in_flight"));
}

static void print_workers(const json_t *workers)
{
    static const char *const heading[] = {"WORKER",     "STATE",    "PID",      "UP",
                                          "GENERATION", "RESTARTS", "IN FLIGHT"};
    struct print_table *table = print_table_new(7);
    for (size_t i = 0; i < 7; i++)
        print_table_add(table, heading[i]);
    size_t i;
    json_t *worker;
    json_array_foreach(workers, i, worker)
    {
        add_worker(table, worker);
    }
    print_table_end(table);
}

/* What workers wait for and what went wrong last: a line each, below the table. */
static void print_trouble(const json_t *worker)
{
    const json_t *beat = json_object_get(worker, "beat");
    const char *name = text_of(worker, "name");
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(beat, "waiting"), i, one)
    {
        print_labelled("", "%s waits: %s", name, json_is_string(one) ? json_string_value(one) : "");
    }
    json_array_foreach(json_object_get(beat, "notes"), i, one)
    {
        print_labelled("note", "%s: %s", name, json_is_string(one) ? json_string_value(one) : "");
    }
    if (*text_of(beat, "last_error"))
        print_labelled("last error", "%s: %s", name, text_of(beat, "last_error"));
}

/* What is held back, for how long, why, and what to do. */
static void print_holds(const json_t *answer)
{
    char left[PRINT_DURATION_BYTES], held[PRINT_DURATION_BYTES];
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(answer, "paused"), i, one)
    {
        const char *name = text_of(one, "source"), *by = text_of(one, "by");
        print_labelled("paused", "%s since %s%s%s: its events wait; sluicectl resume %s", name,
                       text_of(one, "at"), *by ? " by " : "", by, name);
    }
    json_array_foreach(json_object_get(answer, "gates"), i, one)
    {
        long long left_ms = number_of(one, "left_ms");
        print_duration((left_ms + 999) / 1000, left);
        print_duration(number_of(one, "held_s"), held);
        print_labelled("held back", "%s for %s, %s%s: %s", text_of(one, "key"), held,
                       left_ms > 0 ? "again tried in " : "being tried with one event",
                       left_ms > 0 ? left : "", text_of(one, "why"));
    }
}

int command_status(const struct ctl *ctl, int count, char **args)
{
    (void)count;
    (void)args;
    int status;
    json_t *answer = control_client_call(ctl, "status", ANSWER_MS, &status, NULL);
    if (!answer)
        return status;
    bool ok = json_is_true(json_object_get(answer, "ok"));
    if (ctl->json) {
        print_json(answer);
    } else if (!ok) {
        print_error("%s", text_of(answer, "error"));
    } else {
        print_head(answer);
        fputc('\n', stdout);
        print_workers(json_object_get(answer, "workers"));
        print_holds(answer);
        size_t i;
        json_t *worker;
        json_array_foreach(json_object_get(answer, "workers"), i, worker)
        {
            print_trouble(worker);
        }
    }
    json_decref(answer);
    return ok ? EX_OK : 1;
}
