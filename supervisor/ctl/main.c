#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/print.h"

/* sluicectl: options, then one command out of a table. */

static const struct command {
    const char *name;
    const char *args;
    int min_args, max_args;
    ctl_command *run;
    const char *help;
} commands[] = {
    {"status", "", 0, 0, command_status, "the supervisor and its workers"},
    {"health", "[WORKER]", 0, 1, command_health,
     "what each worker says of itself; exit 1: one is not well"},
    {"reload", "", 0, 0, command_reload,
     "take in the changed configuration; exit 78: it has errors"},
    {"stop", "", 0, 0, command_stop, "finish what is in work and end; returns when all is gone"},
    {"send", "SOURCE FILE [-H 'Name: value']...", 2, 2, command_send,
     "post a file (-: standard input) as the source's sender would"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"run-dir", required_argument, NULL, 'r'},
    {"json", no_argument, NULL, 'j'},
    {"header", required_argument, NULL, 'H'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void print_usage(FILE *to)
{
    fputs("usage: sluicectl [-c FILE | --run-dir DIR] [--json] COMMAND\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %s%s%s\n      %s\n", commands[i].name, *commands[i].args ? " " : "",
                commands[i].args, commands[i].help);
    fputs("\n  -c FILE        the configuration (/etc/sluice/sluice.json)\n"
          "  --run-dir DIR  where the sockets are, instead of what the configuration says\n"
          "  --json         print JSON\n"
          "  -V             print the version\n",
          to);
}

/* Takes one option. -1 to go on, else the exit status. */
static int take_option(struct ctl *ctl, int option)
{
    switch (option) {
    case 'c':
        ctl->conf_path = optarg;
        return -1;
    case 'r':
        ctl->run_dir = optarg;
        return -1;
    case 'j':
        ctl->json = true;
        return -1;
    case 'H':
        if (ctl->header_count == CTL_HEADERS_MAX) {
            print_error("at most %d -H", CTL_HEADERS_MAX);
            return EX_USAGE;
        }
        ctl->headers[ctl->header_count++] = optarg;
        return -1;
    case 'V':
        puts("sluicectl " SLUICE_VERSION);
        return EX_OK;
    case 'h':
        print_usage(stdout);
        return EX_OK;
    default:
        print_usage(stderr);
        return EX_USAGE;
    }
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.conf_path = "/etc/sluice/sluice.json"};
    signal(SIGPIPE, SIG_IGN);
    int option;
    while ((option = getopt_long(argc, argv, "c:jH:hV", options, NULL)) != -1) {
        int status = take_option(&ctl, option);
        if (status >= 0)
            return status;
    }
    if (optind == argc) {
        print_usage(stderr);
        return EX_USAGE;
    }
    const struct command *command = find_command(argv[optind]);
    int count = argc - optind - 1;
    if (!command) {
        print_error("there is no command \"%s\": see sluicectl --help", argv[optind]);
        return EX_USAGE;
    }
    if (count < command->min_args || count > command->max_args ||
        (ctl.header_count && command->run != command_send)) {
        print_error("usage: sluicectl %s %s", command->name, command->args);
        return EX_USAGE;
    }
    int status = command->run(&ctl, count, argv + optind + 1);
    if (fflush(stdout) || ferror(stdout))
        return EX_IOERR;
    return status;
}
