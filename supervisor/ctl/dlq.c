#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "supervisor/ctl/api.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/print.h"

/* `sluicectl dlq list|show|drop`: dead letters looked at and thrown away. */

#define PAGE_MAX 100
#define LIST_DEFAULT 20
#define CELL_BYTES 60
#define EVENTS_PATH "/api/v1/dlq/events"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* A member of any kind as the text of a cell. */
static void add_member(struct print_table *table, const json_t *object, const char *key)
{
    char number[32];
    const json_t *value = json_object_get(object, key);
    snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
    print_table_add(table, json_is_integer(value) ? number : text_of(object, key));
}

/* ---- list ---- */

/* One page; NULL after printing why not. */
static json_t *get_page(const struct ctl *ctl, size_t limit, const char *token, int *status)
{
    char number[32];
    snprintf(number, sizeof(number), "%zu", limit < PAGE_MAX ? limit : PAGE_MAX);
    struct buf path = {0};
    buf_puts(&path, EVENTS_PATH);
    api_add_query(&path, "limit", number);
    api_add_query(&path, "source", ctl->source);
    api_add_query(&path, "error_class", ctl->error_class);
    api_add_query(&path, "from", ctl->from);
    api_add_query(&path, "to", ctl->to);
    api_add_query(&path, "next_token", *token ? token : NULL);
    json_t *page = api_call(ctl, "GET", path.data, NULL, status);
    buf_free(&path);
    return page;
}

/* Pages until there are as many events as wanted, or no more. */
static json_t *collect(const struct ctl *ctl, size_t wanted, int *status)
{
    json_t *events = json_array();
    char *token = xstrdup("");
    while (json_array_size(events) < wanted) {
        json_t *page = get_page(ctl, wanted - json_array_size(events), token, status);
        if (!page)
            break;
        json_array_extend(events, json_object_get(page, "events"));
        api_print_errors(page);
        char *next = xstrdup(text_of(page, "next_token"));
        json_decref(page);
        bool goes_on = *next && strcmp(next, token) != 0;
        free(token);
        token = next;
        if (!goes_on)
            break;
    }
    json_t *all = json_pack("{s:o, s:s}", "events", events, "next_token", token);
    free(token);
    return all;
}

/* How much of a text fits a cell, without a character cut in two. */
static int cell_bytes(const char *text)
{
    size_t len = strlen(text);
    if (len <= CELL_BYTES)
        return (int)len;
    len = CELL_BYTES;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return (int)len;
}

static void print_events(const json_t *events)
{
    static const char *const heading[] = {"KEY",     "SOURCE",    "EVENT", "CLASS",
                                          "RETRIES", "FAILED AT", "ERROR"};
    struct print_table *table = print_table_new(7);
    for (size_t i = 0; i < 7; i++)
        print_table_add(table, heading[i]);
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        char error[96];
        bool parked = json_is_true(json_object_get(event, "parked"));
        bool in_progress = json_is_true(json_object_get(event, "in_progress"));
        const char *text = text_of(event, "error");
        snprintf(error, sizeof(error), "%s%s%.*s", parked ? "(parked) " : "",
                 in_progress ? "(in progress) " : "", cell_bytes(text), text);
        add_member(table, event, "key");
        add_member(table, event, "source");
        add_member(table, event, "event_id");
        add_member(table, event, "error_class");
        add_member(table, event, "retry_count");
        add_member(table, event, "failed_at");
        print_table_add(table, error);
    }
    print_table_end(table);
}

bool ctl_limit(const struct ctl *ctl, size_t otherwise, size_t *out)
{
    *out = ctl->all ? (size_t)-1 : otherwise;
    if (!ctl->limit)
        return true;
    char *end;
    errno = 0;
    long n = strtol(ctl->limit, &end, 10);
    if (n < 1 || *end || errno || ctl->all) {
        print_error(ctl->all ? "--limit and --all exclude each other"
                             : "--limit takes a number from 1");
        return false;
    }
    *out = (size_t)n;
    return true;
}

int command_dlq_list(const struct ctl *ctl, int count, char **args)
{
    (void)count;
    (void)args;
    size_t wanted;
    int status = EX_OK;
    if (!ctl_limit(ctl, LIST_DEFAULT, &wanted))
        return EX_USAGE;
    json_t *all = collect(ctl, wanted, &status);
    const json_t *events = json_object_get(all, "events");
    if (ctl->json && status == EX_OK) {
        print_json(all);
    } else if (json_array_size(events)) {
        print_events(events);
        if (status == EX_OK && *text_of(all, "next_token"))
            puts("there are more: --limit N or --all");
    } else if (status == EX_OK) {
        puts("no dead letters");
    }
    json_decref(all);
    return status;
}

/* ---- show ---- */

static void print_field(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);
    if (!value || json_is_null(value) || (json_is_string(value) && !*text_of(event, key)))
        return;
    printf("%-16s", key);
    if (json_is_string(value)) {
        print_text(stdout, text_of(event, key), strlen(text_of(event, key)), 0);
    } else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        print_text(stdout, text ? text : "", text ? strlen(text) : 0, 0);
        free(text);
    }
    fputc('\n', stdout);
}

void dlq_print_attempts(const json_t *attempts)
{
    static const char *const columns[] = {"at", "attempt", "status", "ms", "error"};
    static const char *const heading[] = {"AT", "ATTEMPT", "STATUS", "MS", "ERROR"};
    if (json_array_size(attempts) == 0)
        return;
    fputc('\n', stdout);
    struct print_table *table = print_table_new(5);
    for (size_t c = 0; c < 5; c++)
        print_table_add(table, heading[c]);
    size_t i;
    json_t *attempt;
    json_array_foreach(attempts, i, attempt)
    {
        for (size_t c = 0; c < 5; c++)
            add_member(table, attempt, columns[c]);
    }
    print_table_end(table);
}

static void print_body(const json_t *event)
{
    const json_t *body = json_object_get(event, "original_body");
    if (!json_is_string(body) || json_string_length(body) == 0)
        return;
    printf("\n%s body:\n",
           strcmp(text_of(event, "original_encoding"), "base64") == 0 ? "base64" : "original");
    print_text(stdout, json_string_value(body), json_string_length(body), 1);
    fputc('\n', stdout);
}

void dlq_print(const json_t *event)
{
    static const char *const fields[] = {
        "key",    "trace_id",   "source",          "event_id",    "schema_version", "error_class",
        "error",  "failed_at",  "first_failed_at", "received_at", "retry_count",    "redrives",
        "parked", "claimed_by", "claimed_until",   "revision",    "content_type",   "sha256",
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        print_field(event, fields[i]);
    dlq_print_attempts(json_object_get(event, "attempts"));
    print_body(event);
}

static json_t *call_for_key(const struct ctl *ctl, const char *method, const char *key, int *status)
{
    struct buf path = {0};
    buf_puts(&path, EVENTS_PATH "/");
    api_escape(&path, key);
    json_t *answer = api_call(ctl, method, path.data, NULL, status);
    buf_free(&path);
    return answer;
}

int command_dlq_show(const struct ctl *ctl, int count, char **args)
{
    (void)count;
    int status;
    json_t *event = call_for_key(ctl, "GET", args[0], &status);
    if (event && ctl->json)
        print_json(event);
    else if (event)
        dlq_print(event);
    json_decref(event);
    return status;
}

/* ---- drop ---- */

int command_dlq_drop(const struct ctl *ctl, int count, char **args)
{
    int worst = EX_OK;
    json_t *dropped = json_array();
    for (int i = 0; i < count; i++) {
        int status;
        json_t *answer = call_for_key(ctl, "DELETE", args[i], &status);
        if (answer)
            json_array_append_new(dropped, json_string(args[i]));
        if (answer && !ctl->json) {
            fputs("dropped ", stdout);
            print_text(stdout, args[i], strlen(args[i]), 0);
            fputc('\n', stdout);
        } else if (!answer) {
            print_error("not dropped: %s", args[i]);
        }
        json_decref(answer);
        worst = worst > status ? worst : status;
        /* Nobody there, or not allowed: it would be so for the rest, too. */
        if (status > 1)
            break;
    }
    if (ctl->json) {
        json_t *all = json_pack("{s:O}", "dropped", dropped);
        print_json(all);
        json_decref(all);
    }
    json_decref(dropped);
    return worst;
}
