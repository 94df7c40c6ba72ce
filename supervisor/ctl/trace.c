#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/buf.h"
#include "supervisor/ctl/api.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/print.h"

/* `sluicectl trace`: what the ledger and the dead letters know of an event. */

static void print_labelled(const char *label, const char *text)
{
    printf("%-16s", label);
    print_text(stdout, text, strlen(text), 0);
    fputc('\n', stdout);
}

/* The plain members of what the ledger says; its history is printed as a table of its own. */
static void print_ledger(const json_t *ledger)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)ledger, key, value)
    {
        char number[32];
        if (json_is_string(value) && json_string_length(value)) {
            print_labelled(key, json_string_value(value));
        } else if (json_is_integer(value)) {
            snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
            print_labelled(key, number);
        } else if (json_is_boolean(value)) {
            print_labelled(key, json_is_true(value) ? "true" : "false");
        }
    }
    dlq_print_attempts(json_object_get(ledger, "history"));
}

static void print_answer(const json_t *answer)
{
    static const char *const names[] = {"trace_id", "source", "event_id"};
    const json_t *ledger = json_object_get(answer, "ledger");
    const json_t *letter = json_object_get(answer, "dead_letter");
    for (size_t i = 0; i < 3; i++) {
        const char *text = json_string_value(json_object_get(answer, names[i]));
        if (text && *text)
            print_labelled(names[i], text);
    }
    puts("\nledger");
    if (json_is_object(ledger))
        print_ledger(ledger);
    else
        puts("no record");
    puts("\ndead letter");
    if (json_is_object(letter))
        dlq_print(letter);
    else
        puts(json_is_false(json_object_get(answer, "complete")) ? "none among those looked at"
                                                                : "none");
}

int command_trace(const struct ctl *ctl, int count, char **args)
{
    bool by_name = ctl->source && ctl->event_id;
    if (count ? ctl->source || ctl->event_id : !by_name) {
        print_error("usage: sluicectl trace ID, or trace --source SOURCE --event-id ID");
        return EX_USAGE;
    }
    struct buf path = {0};
    buf_puts(&path, "/api/v1/trace");
    if (count) {
        buf_puts(&path, "/");
        api_escape(&path, args[0]);
    }
    api_add_query(&path, "source", ctl->source);
    api_add_query(&path, "event_id", ctl->event_id);
    int status;
    json_t *answer = api_call(ctl, "GET", path.data, NULL, &status);
    buf_free(&path);
    if (answer && ctl->json) {
        print_json(answer);
    } else if (answer) {
        print_answer(answer);
        api_print_errors(answer);
    }
    json_decref(answer);
    return status;
}
