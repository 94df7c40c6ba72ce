#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "supervisor/ctl/control_client.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/print.h"

/* `sluicectl check`: one line for each object and action, and the fix of each that failed. */

#define CHECK_MS (30 * 1000)

static const char *text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text ? text : "";
}

static bool is_of_role(const json_t *line, const char *role)
{
    return strcmp(text_of(line, "role"), role) == 0;
}

/* The workers answer side by side; a person reads one role after the other. */
static void add_lines_of(struct print_table *table, const json_t *lines, const char *role)
{
    static const char *const keys[] = {"role", "object", "action", "text"};
    size_t i;
    json_t *line;
    json_array_foreach(lines, i, line)
    {
        for (size_t k = 0; k < 4 && is_of_role(line, role); k++)
            print_table_add(table, text_of(line, keys[k]));
    }
}

static bool is_first_of_role(const json_t *lines, size_t i)
{
    const char *role = text_of(json_array_get(lines, i), "role");
    for (size_t before = 0; before < i; before++)
        if (is_of_role(json_array_get(lines, before), role))
            return false;
    return true;
}

static void print_lines(const json_t *lines)
{
    static const char *const heading[] = {"ROLE", "OBJECT", "ACTION", "RESULT"};
    struct print_table *table = print_table_new(4);
    for (size_t i = 0; i < 4; i++)
        print_table_add(table, heading[i]);
    size_t i;
    json_t *line;
    json_array_foreach(lines, i, line)
    {
        if (is_first_of_role(lines, i))
            add_lines_of(table, lines, text_of(line, "role"));
    }
    print_table_end(table);
}

int command_check(const struct ctl *ctl, int count, char **args)
{
    (void)count;
    (void)args;
    int status;
    json_t *answer = control_client_call(ctl, "check", CHECK_MS, &status, NULL);
    if (!answer)
        return status;
    bool all_ok = json_is_true(json_object_get(answer, "all_ok"));
    if (ctl->json)
        print_json(answer);
    else
        print_lines(json_object_get(answer, "lines"));
    json_decref(answer);
    return all_ok ? EX_OK : 1;
}
