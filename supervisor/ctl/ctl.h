#ifndef SUPERVISOR_CTL_CTL_H
#define SUPERVISOR_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What sluicectl's commands share: the options, and the functions that are the commands. */
#define CTL_HEADERS_MAX 32

struct ctl {
    const char *conf_path; /* borrowed: argv */
    const char *run_dir;   /* borrowed: --run-dir, or NULL */
    bool json, help;
    const char *headers[CTL_HEADERS_MAX]; /* borrowed: each -H as written */
    size_t header_count;
    /* Borrowed, as written, or NULL. */
    const char *source, *error_class, *from, *to, *limit, *event_id;
    bool all, force, dry_run;
};

/* Each prints what it has to say and returns sluicectl's exit status (sysexits.h; 1 where the
 * answer is a plain no). args are the words behind the command, as many as the command table
 * allows. */
typedef int ctl_command(const struct ctl *ctl, int count, char **args);

ctl_command command_status;
ctl_command command_health;
ctl_command command_reload;
ctl_command command_check;
ctl_command command_stop;
ctl_command command_pause;
ctl_command command_resume;
ctl_command command_send;
ctl_command command_dlq_list;
ctl_command command_dlq_show;
ctl_command command_dlq_retry;
ctl_command command_dlq_drop;
ctl_command command_trace;

/* How many events --limit and --all ask for. False after printing what is wrong. */
bool ctl_limit(const struct ctl *ctl, size_t otherwise, size_t *out);

/* A dead letter, and a list of attempts, for people. */
void dlq_print(const json_t *event);
void dlq_print_attempts(const json_t *attempts);

#endif
