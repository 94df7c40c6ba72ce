#ifndef SUPERVISOR_CTL_CTL_H
#define SUPERVISOR_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>

/* What sluicectl's commands share: the options, and the functions that are the commands. */
#define CTL_HEADERS_MAX 32

struct ctl {
    const char *conf_path; /* borrowed: argv */
    const char *run_dir;   /* borrowed: --run-dir, or NULL */
    bool json;
    const char *headers[CTL_HEADERS_MAX]; /* borrowed: each -H as written */
    size_t header_count;
};

/* Each prints what it has to say and returns sluicectl's exit status (sysexits.h; 1 where the
 * answer is a plain no). args are the words behind the command, as many as the command table
 * allows. */
typedef int ctl_command(const struct ctl *ctl, int count, char **args);

ctl_command command_status;
ctl_command command_health;
ctl_command command_reload;
ctl_command command_stop;
ctl_command command_send;

#endif
