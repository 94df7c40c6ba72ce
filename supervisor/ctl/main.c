#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/print.h"

/* sluicectl: options, then one command out of a table. */

/* Which options a command takes, beside those that all take. */
enum {
    TAKES_HEADER = 1 << 0,
    TAKES_FILTER = 1 << 1, /* --class --from --to */
    TAKES_SOURCE = 1 << 2,
    TAKES_LIMIT = 1 << 3, /* --limit --all */
    TAKES_FORCE = 1 << 4, /* --force --dry-run */
    TAKES_EVENT_ID = 1 << 5,
};

#define ANY 1000000

static const struct command {
    const char *name; /* of one or two words */
    const char *args;
    int min_args, max_args;
    unsigned takes;
    ctl_command *run;
    const char *help;
} commands[] = {
    {"status", "", 0, 0, 0, command_status, "the supervisor and its workers"},
    {"health", "[WORKER]", 0, 1, 0, command_health,
     "what each worker says of itself; exit 1: one is not well"},
    {"reload", "", 0, 0, 0, command_reload,
     "take in the changed configuration; exit 78: it has errors"},
    {"check", "", 0, 0, 0, command_check,
     "try every queue, bucket and table, with each permission that is needed; exit 1: one failed"},
    {"stop", "", 0, 0, 0, command_stop, "finish what is in work and end; returns when all is gone"},
    {"pause", "[SOURCE]", 0, 1, 0, command_pause,
     "deliver no events of a source, or of any; webhooks are still taken in. Kept over restarts"},
    {"resume", "[SOURCE]", 0, 1, 0, command_resume, "go on with a paused source, or with all"},
    {"send", "SOURCE FILE [-H 'Name: value']...", 2, 2, TAKES_HEADER, command_send,
     "post a file (-: standard input) as the source's sender would"},
    {"dlq list", "[--source S] [--class C] [--from T] [--to T] [--limit N | --all]", 0, 0,
     TAKES_SOURCE | TAKES_FILTER | TAKES_LIMIT, command_dlq_list,
     "dead letters, the oldest first: 20 unless told otherwise; T is like 2026-11-22T09:30:00Z"},
    {"dlq show", "KEY", 1, 1, 0, command_dlq_show, "one of them, with its attempts and its body"},
    {"dlq retry",
     "[KEY...] [--source S] [--class C] [--from T] [--to T] [--limit N | --all]\n"
     "            [--force] [--dry-run]",
     0, ANY, TAKES_SOURCE | TAKES_FILTER | TAKES_LIMIT | TAKES_FORCE, command_dlq_retry,
     "deliver them again; exit 1: some failed. --force: parked and already delivered ones, too"},
    {"dlq drop", "KEY...", 1, ANY, 0, command_dlq_drop, "delete them for good"},
    {"trace", "ID | --source S --event-id ID", 0, 1, TAKES_SOURCE | TAKES_EVENT_ID, command_trace,
     "what is known of an event, by its source and its own id; by its trace id of a dead letter"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

enum { SOURCE = 256, CLASS, FROM, TO, LIMIT, ALL, FORCE, DRY_RUN, EVENT_ID };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"run-dir", required_argument, NULL, 'r'},
    {"json", no_argument, NULL, 'j'},
    {"header", required_argument, NULL, 'H'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"source", required_argument, NULL, SOURCE},
    {"class", required_argument, NULL, CLASS},
    {"from", required_argument, NULL, FROM},
    {"to", required_argument, NULL, TO},
    {"limit", required_argument, NULL, LIMIT},
    {"all", no_argument, NULL, ALL},
    {"force", no_argument, NULL, FORCE},
    {"dry-run", no_argument, NULL, DRY_RUN},
    {"event-id", required_argument, NULL, EVENT_ID},
    {NULL, 0, NULL, 0},
};

/* Whether the command's name begins with these words, or is those that words begin with. */
static bool is_named(const struct command *command, int count, char **words)
{
    const char *name = command->name;
    for (int i = 0; i < count && *name; i++) {
        size_t len = strcspn(name, " ");
        if (strlen(words[i]) != len || strncmp(words[i], name, len) != 0)
            return false;
        name += len + (name[len] ? 1 : 0);
    }
    return true;
}

/* Of the commands that these words name; of all where there are none. */
static void print_usage(FILE *to, int count, char **words)
{
    fputs("usage: sluicectl [-c FILE | --run-dir DIR] [--json] COMMAND\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (is_named(&commands[i], count, words))
            fprintf(to, "  %s%s%s\n      %s\n", commands[i].name, *commands[i].args ? " " : "",
                    commands[i].args, commands[i].help);
    }
    fputs("\n  -c FILE        the configuration (/etc/sluice/sluice.json)\n"
          "  --run-dir DIR  where the sockets are, instead of what the configuration says\n"
          "  --json         print JSON\n"
          "  -V             print the version\n",
          to);
}

/* An option of some commands: what it needs of them; 0 for the other options. */
static unsigned take_own_option(struct ctl *ctl, int option)
{
    const struct {
        int option;
        unsigned takes;
        const char **text;
        bool *flag;
    } own[] = {
        {SOURCE, TAKES_SOURCE, &ctl->source, NULL},
        {CLASS, TAKES_FILTER, &ctl->error_class, NULL},
        {FROM, TAKES_FILTER, &ctl->from, NULL},
        {TO, TAKES_FILTER, &ctl->to, NULL},
        {LIMIT, TAKES_LIMIT, &ctl->limit, NULL},
        {ALL, TAKES_LIMIT, NULL, &ctl->all},
        {FORCE, TAKES_FORCE, NULL, &ctl->force},
        {DRY_RUN, TAKES_FORCE, NULL, &ctl->dry_run},
        {EVENT_ID, TAKES_EVENT_ID, &ctl->event_id, NULL},
    };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (own[i].option != option)
            continue;
        if (own[i].text)
            *own[i].text = optarg;
        else
            *own[i].flag = true;
        return own[i].takes;
    }
    return option == 'H' ? TAKES_HEADER : 0;
}

/* Takes one option. -1 to go on, else the exit status. */
static int take_option(struct ctl *ctl, int option, unsigned *needed)
{
    *needed |= take_own_option(ctl, option);
    if (option >= SOURCE)
        return -1;
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
        ctl->help = true;
        return -1;
    default:
        print_error("see sluicectl --help");
        return EX_USAGE;
    }
}

/* The command whose name these words begin with; of several (only part of it was said) the first.
 */
static const struct command *find_command(int count, char **words)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (is_named(&commands[i], count, words))
            return &commands[i];
    }
    return NULL;
}

static int refuse_command(int count, char **words)
{
    bool is_group = count > 1 && find_command(1, words);
    print_error("there is no command \"%s%s%s\": see sluicectl --help", words[0],
                is_group ? " " : "", is_group ? words[1] : "");
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.conf_path = "/etc/sluice/sluice.json"};
    signal(SIGPIPE, SIG_IGN);
    int option;
    unsigned needed = 0;
    while ((option = getopt_long(argc, argv, "c:jH:hV", options, NULL)) != -1) {
        int status = take_option(&ctl, option, &needed);
        if (status >= 0)
            return status;
    }
    int word_count = argc - optind;
    char **words = argv + optind;
    const struct command *command = find_command(word_count, words);
    if (!command)
        return refuse_command(word_count, words);
    int name_words = strchr(command->name, ' ') ? 2 : 1;
    if (ctl.help || word_count < name_words) {
        print_usage(ctl.help ? stdout : stderr, word_count, words);
        return ctl.help ? EX_OK : EX_USAGE;
    }
    int count = word_count - name_words;
    if (count < command->min_args || count > command->max_args || needed & ~command->takes) {
        print_error("usage: sluicectl %s%s%s", command->name, *command->args ? " " : "",
                    command->args);
        return EX_USAGE;
    }
    int status = command->run(&ctl, count, words + name_words);
    if (fflush(stdout) || ferror(stdout))
        return EX_IOERR;
    return status;
}
