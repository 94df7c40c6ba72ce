#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/xalloc.h"
#include "supervisor/ctl/api.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/print.h"

/* `sluicectl dlq retry`: dead letters delivered again, request by request, since one request does
 * only what fits into its time. */

#define PAGE_MAX 100
#define RETRY_DEFAULT 20

struct sweep {
    const struct ctl *ctl; /* borrowed */
    json_t *processed, *failed;
    char *token;      /* own: where the next request goes on, "" = at the beginning or the end */
    size_t wanted;    /* to try, in all */
    bool has_heading; /* printed already */
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static size_t tried(const struct sweep *s)
{
    return json_array_size(s->processed) + json_array_size(s->failed);
}

static void set_text(json_t *object, const char *key, const char *value)
{
    if (value && *value)
        json_object_set_new(object, key, json_string(value));
}

static json_t *request_of(const struct sweep *s, json_t *keys)
{
    size_t left = s->wanted - tried(s);
    json_t *request = json_pack("{s:I}", "limit", (json_int_t)(left < PAGE_MAX ? left : PAGE_MAX));
    set_text(request, "next_token", s->token);
    set_text(request, "source", s->ctl->source);
    set_text(request, "error_class", s->ctl->error_class);
    set_text(request, "from", s->ctl->from);
    set_text(request, "to", s->ctl->to);
    if (s->ctl->dry_run)
        json_object_set_new(request, "dry_run", json_true());
    if (s->ctl->force)
        json_object_set_new(request, "force", json_true());
    if (keys)
        json_object_set(request, "keys", keys);
    return request;
}

static void add_rows(struct print_table *table, const json_t *events, const char *outcome,
                     const char *reason)
{
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        print_table_add(table, outcome);
        print_table_add(table, text_of(event, "key"));
        print_table_add(table, text_of(event, "event_id"));
        print_table_add(table, text_of(event, reason));
    }
}

/* What one request did, at once: a sweep may take long. */
static void print_progress(struct sweep *s, const json_t *answer)
{
    static const char *const heading[] = {"OUTCOME", "KEY", "EVENT", "REASON"};
    const json_t *processed = json_object_get(answer, "processed");
    const json_t *failed = json_object_get(answer, "failed");
    if (json_array_size(processed) + json_array_size(failed) == 0)
        return;
    struct print_table *table = print_table_new(4);
    for (size_t i = 0; i < 4 && !s->has_heading; i++)
        print_table_add(table, heading[i]);
    s->has_heading = true;
    add_rows(table, processed, s->ctl->dry_run ? "would try" : "processed", "note");
    add_rows(table, failed, "failed", "error");
    print_table_end(table);
    fflush(stdout);
}

/* Requests until as many were tried as wanted, or there is nothing more; the exit status. */
static int run_sweep(struct sweep *s, json_t *keys)
{
    while (tried(s) < s->wanted) {
        int status;
        json_t *request = request_of(s, keys);
        json_t *answer = api_call(s->ctl, "POST", "/api/v1/dlq/retry", request, &status);
        json_decref(request);
        if (!answer)
            return status;
        json_array_extend(s->processed, json_object_get(answer, "processed"));
        json_array_extend(s->failed, json_object_get(answer, "failed"));
        if (!s->ctl->json)
            print_progress(s, answer);
        api_print_errors(answer);
        bool stands_still = strcmp(s->token, text_of(answer, "next_token")) == 0;
        free(s->token);
        s->token = xstrdup(text_of(answer, "next_token"));
        json_decref(answer);
        if (!*s->token || stands_still)
            break;
    }
    return EX_OK;
}

/* The keys that were named, as many at a time as a request takes. */
static int run_keys(struct sweep *s, int count, char **args)
{
    int status = EX_OK;
    for (int first = 0; first < count && status == EX_OK; first += PAGE_MAX) {
        json_t *keys = json_array();
        for (int i = first; i < count && i < first + PAGE_MAX; i++)
            json_array_append_new(keys, json_string(args[i]));
        s->wanted = tried(s) + json_array_size(keys);
        s->token[0] = '\0';
        status = run_sweep(s, keys);
        json_decref(keys);
    }
    return status;
}

static void print_end(const struct sweep *s)
{
    if (s->ctl->json) {
        json_t *all = json_pack("{s:O, s:O, s:s}", "processed", s->processed, "failed", s->failed,
                                "next_token", s->token);
        print_json(all);
        json_decref(all);
        return;
    }
    printf("%zu %s, %zu failed%s\n", json_array_size(s->processed),
           s->ctl->dry_run ? "would be tried" : "processed", json_array_size(s->failed),
           *s->token ? "; there are more: --limit N or --all" : "");
}

int command_dlq_retry(const struct ctl *ctl, int count, char **args)
{
    struct sweep s = {.ctl = ctl};
    if (count && (ctl->all || ctl->limit)) {
        print_error("name keys, or --limit or --all, not both");
        return EX_USAGE;
    }
    if (!ctl_limit(ctl, RETRY_DEFAULT, &s.wanted))
        return EX_USAGE;
    s.processed = json_array();
    s.failed = json_array();
    s.token = xstrdup("");
    int status = count ? run_keys(&s, count, args) : run_sweep(&s, NULL);
    if (status == EX_OK || tried(&s))
        print_end(&s);
    if (status == EX_OK && json_array_size(s.failed))
        status = 1;
    json_decref(s.processed);
    json_decref(s.failed);
    free(s.token);
    return status;
}
