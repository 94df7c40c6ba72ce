#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "supervisor/ctl/control_client.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/print.h"

/* The commands that tell the supervisor to do something: reload, pause, resume and stop. */

/* A reload waits for new workers (ready_s, at most 10 minutes) and one that is under way. */
#define RELOAD_MS (25 * 60 * 1000)
#define PAUSE_MS (10 * 1000)
#define STOP_MS (60 * 1000)

static const char *error_of(const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "error"));
    return text ? text : "refused without a reason";
}

/* Prints each {"path", "message"} of a refused configuration; how many there were. */
static size_t print_refusals(const json_t *errors)
{
    size_t i;
    json_t *error;
    json_array_foreach(errors, i, error)
    {
        const char *path = json_string_value(json_object_get(error, "path"));
        const char *message = json_string_value(json_object_get(error, "message"));
        print_error("%s%s%s", path ? path : "", path && *path ? ": " : "", message ? message : "");
    }
    return json_array_size(errors);
}

int command_reload(const struct ctl *ctl, int count, char **args)
{
    (void)count;
    (void)args;
    int status;
    json_t *answer = control_client_call(ctl, "reload", RELOAD_MS, &status, NULL);
    if (!answer)
        return status;
    bool ok = json_is_true(json_object_get(answer, "ok"));
    const json_t *errors = json_object_get(answer, "errors");
    status = ok ? EX_OK : json_array_size(errors) ? EX_CONFIG : 1;
    if (ctl->json) {
        print_json(answer);
    } else if (!ok) {
        print_refusals(errors);
        print_error("not reloaded: %s; the service goes on with the configuration it has",
                    error_of(answer));
    } else {
        const json_t *generation = json_object_get(answer, "generation");
        printf("reloaded");
        if (json_is_integer(generation))
            printf(": configuration generation %lld", (long long)json_integer_value(generation));
        fputc('\n', stdout);
    }
    json_decref(answer);
    return status;
}

/* Who wants it, for the log and the status: the person behind sudo, too. */
static const char *asker(void)
{
    const char *behind = getenv("SUDO_USER");
    const struct passwd *own = getpwuid(getuid());
    return behind && *behind ? behind : own ? own->pw_name : "";
}

static int pause_or_resume(const struct ctl *ctl, const char *command, int count, char **args)
{
    int status;
    json_t *request = json_pack("{s:s}", "cmd", command);
    json_t *source = count > 0 ? json_string(args[0]) : NULL;
    if (count > 0 && !source) {
        json_decref(request);
        print_error("the name of the source is not UTF-8");
        return EX_USAGE;
    }
    if (source)
        json_object_set_new(request, "source", source);
    json_object_set_new(request, "by", json_string(asker()));
    json_t *answer = control_client_ask(ctl, request, PAUSE_MS, &status, NULL);
    if (!answer)
        return status;
    bool ok = json_is_true(json_object_get(answer, "ok"));
    if (ctl->json)
        print_json(answer);
    else if (!ok)
        print_error("%s", error_of(answer));
    else
        printf("%sd%s%s\n", command, count > 0 ? " " : "", count > 0 ? args[0] : " every source");
    json_decref(answer);
    return ok ? EX_OK : 1;
}

int command_pause(const struct ctl *ctl, int count, char **args)
{
    return pause_or_resume(ctl, "pause", count, args);
}

int command_resume(const struct ctl *ctl, int count, char **args)
{
    return pause_or_resume(ctl, "resume", count, args);
}

int command_stop(const struct ctl *ctl, int count, char **args)
{
    (void)count;
    (void)args;
    int status, fd = -1;
    json_t *answer = control_client_call(ctl, "stop", STOP_MS, &status, &fd);
    if (!answer)
        return status;
    bool ok = json_is_true(json_object_get(answer, "ok"));
    if (ok)
        control_client_wait_end(fd);
    close(fd);
    if (ctl->json)
        print_json(answer);
    else if (ok)
        puts("stopped");
    else
        print_error("not stopped: %s", error_of(answer));
    json_decref(answer);
    return ok ? EX_OK : 1;
}
