#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/xalloc.h"
#include "common/net/http_client.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/fetch.h"
#include "supervisor/ctl/locate.h"
#include "supervisor/ctl/print.h"

/* `sluicectl health`: asks the health sockets themselves, so that it works with a dead supervisor.
 */

#define ANSWER_MS 5000
#define SUFFIX ".sock"

static int is_socket(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name), suffix = strlen(SUFFIX);
    return entry->d_name[0] != '.' && len > suffix &&
           strcmp(entry->d_name + len - suffix, SUFFIX) == 0;
}

/* What one worker says: its answer with "worker" and "healthy" in it (new reference). */
static json_t *ask(const char *directory, const char *file)
{
    char *path = xasprintf("%s/%s", directory, file);
    struct http_call call = {.method = "GET",
                             .url = "http://worker.local/healthz",
                             .unix_socket = path,
                             .timeout_ms = ANSWER_MS,
                             .response_cap_bytes = 1024 * 1024};
    struct fetch f;
    fetch_run(&call, &f);
    json_t *said = f.status ? json_loadb(f.body, f.body_len, 0, NULL) : NULL;
    if (!json_is_object(said)) {
        json_decref(said);
        said = json_pack("{s:s+}", "reason", f.status ? "its answer is not JSON" : f.error, "");
    }
    json_object_set_new(said, "healthy", json_boolean(f.status == 200));
    json_object_set_new(said, "worker", json_stringn(file, strlen(file) - strlen(SUFFIX)));
    fetch_free(&f);
    free(path);
    return said;
}

static void add_text(struct print_table *table, const json_t *said, const char *key)
{
    const char *text = json_string_value(json_object_get(said, key));
    print_table_add(table, text ? text : "");
}

static void add_number(struct print_table *table, const json_t *said, const char *key)
{
    char cell[32] = "";
    if (json_is_integer(json_object_get(said, key)))
        snprintf(cell, sizeof(cell), "%lld",
                 (long long)json_integer_value(json_object_get(said, key)));
    print_table_add(table, cell);
}

static void print_answers(const json_t *answers)
{
    static const char *const heading[] = {"WORKER", "HEALTHY",   "STATE",
                                          "PID",    "IN FLIGHT", "REASON"};
    struct print_table *table = print_table_new(6);
    for (size_t i = 0; i < 6; i++)
        print_table_add(table, heading[i]);
    size_t i;
    json_t *said;
    json_array_foreach(answers, i, said)
    {
        add_text(table, said, "worker");
        print_table_add(table, json_is_true(json_object_get(said, "healthy")) ? "yes" : "no");
        add_text(table, said, "state");
        add_number(table, said, "pid");
        add_number(table, said, "in_flight");
        add_text(table, said, "reason");
    }
    print_table_end(table);
}

/* Asks every worker, or only the one that is named. */
static json_t *ask_all(const char *directory, const char *only)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_socket, versionsort);
    json_t *answers = json_array();
    for (int i = 0; i < count; i++) {
        const char *file = entries[i]->d_name;
        size_t name_len = strlen(file) - strlen(SUFFIX);
        if (!only || (strlen(only) == name_len && strncmp(file, only, name_len) == 0))
            json_array_append_new(answers, ask(directory, file));
        free(entries[i]);
    }
    free(entries);
    return answers;
}

int command_health(const struct ctl *ctl, int count, char **args)
{
    char *run_dir = locate_run_dir(ctl);
    if (!run_dir)
        return EX_CONFIG;
    char *directory = xasprintf("%s/health", run_dir);
    free(run_dir);
    json_t *answers = ask_all(directory, count ? args[0] : NULL);
    bool healthy = true;
    size_t i;
    json_t *said;
    json_array_foreach(answers, i, said)
    {
        healthy = healthy && json_is_true(json_object_get(said, "healthy"));
    }
    int status = json_array_size(answers) == 0 ? EX_UNAVAILABLE : healthy ? EX_OK : 1;
    if (status == EX_UNAVAILABLE)
        print_error("there is no health socket %s%s in %s: is sluiced running?",
                    count ? "of " : "at all", count ? args[0] : "", directory);
    else if (ctl->json)
        print_json(answers);
    else
        print_answers(answers);
    json_decref(answers);
    free(directory);
    return status;
}
