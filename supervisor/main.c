/* sluiced: reads the configuration, takes the locks, then supervises until it is told to stop. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/fdio.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "supervisor/detach.h"
#include "supervisor/limits.h"
#include "supervisor/locks.h"
#include "supervisor/supervisor.h"

struct options {
    const char *config;  /* borrow: argv */
    const char *pidfile; /* borrow: argv; NULL: none */
    bool only_check, detach;
};

static const char usage_text[] =
    "usage: sluiced -c FILE [-d] [-p FILE] | -c FILE -t | -V\n"
    "  -c FILE  the configuration\n"
    "  -d       go to the background; exit 0 once every worker is ready\n"
    "  -p FILE  write the process id there, and keep the file locked\n"
    "  -t       check the configuration, print every error, start nothing\n"
    "  -V       print the version\n";

/* 0 to go on, else exits. */
static void parse_options(int argc, char **argv, struct options *out)
{
    static const struct option names[] = {
        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "c:dp:tVh", names, NULL)) != -1) {
        switch (letter) {
        case 'c':
            out->config = optarg;
            break;
        case 'd':
            out->detach = true;
            break;
        case 'p':
            out->pidfile = optarg;
            break;
        case 't':
            out->only_check = true;
            break;
        case 'V':
            puts("sluiced " SLUICE_VERSION);
            exit(EX_OK);
        case 'h':
            fputs(usage_text, stdout);
            exit(EX_OK);
        default:
            fputs(usage_text, stderr);
            exit(EX_USAGE);
        }
    }
    if (out->config == NULL || optind != argc) {
        fputs(usage_text, stderr);
        exit(EX_USAGE);
    }
}

/* A descriptor that is 0, 1 or 2 by chance would be written into by any stray message. */
static void open_standard_fds(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(EX_OSERR);
    }
}

static void print_problems(const char *file, const char *kind, const struct conf_error *list,
                           size_t count)
{
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s: %s%s%s%s\n", file, kind, list[i].path,
                list[i].path[0] != '\0' ? ": " : "", list[i].message);
}

/* Whoever configures an account counts on not being root. */
static bool can_be_user(const char *file, const json_t *conf)
{
    const char *user = conf_str(conf, "user");
    if (geteuid() != 0 || user[0] == '\0' || strcmp(user, "root") == 0)
        return true;
    fprintf(stderr,
            "%s: user: this version cannot change from root to \"%s\"; leave it out, and start "
            "sluiced as that account\n",
            file, user);
    return false;
}

static json_t *load(const char *file)
{
    struct conf_errors errors = {0};
    json_t *conf = conf_load(file, NULL, &errors);
    print_problems(file, "warning: ", errors.warnings, errors.warning_count);
    print_problems(file, "", errors.list, errors.count);
    conf_errors_free(&errors);
    if (conf != NULL && !can_be_user(file, conf)) {
        json_decref(conf);
        conf = NULL;
    }
    return conf;
}

static int make_state_dir(const json_t *conf)
{
    const char *dir = conf_str(conf, "state_dir");
    if (fdio_make_dirs(dir, 0750) == 0)
        return 0;
    log_error(
        "state_dir %s cannot be made: %s; make it for the account that sluiced runs as, or name "
        "another one",
        dir, strerror(errno));
    return -1;
}

/* conf is taken over. */
static int supervise(const char *config_path, json_t *conf, const char *pidfile,
                     struct detach *detach)
{
    int status = EX_OSERR;
    /* A store that has lost its supervisor leaves at its drain deadline at the latest. */
    int64_t wait_ms = conf_int(conf, "drain_s") * 1000 + 3000;
    int lock_fd = locks_supervisor(conf_str(conf, "run_dir"), &status);
    int pid_fd = -1, store_lock_fd = -1;
    if (lock_fd >= 0 && pidfile != NULL)
        pid_fd = locks_pidfile(pidfile, &status);
    if (lock_fd >= 0 && (pidfile == NULL || pid_fd >= 0))
        store_lock_fd = locks_store(conf_str(conf, "state_dir"), wait_ms, &status);
    if (store_lock_fd >= 0) {
        struct supervisor *s = supervisor_new(config_path, conf, store_lock_fd, detach, &status);
        if (s != NULL)
            status = supervisor_run(s);
        supervisor_free(s);
        close(store_lock_fd);
    } else {
        json_decref(conf);
    }
    /* Last: who waits for the pidfile to go, as an init script does, starts the next one then. */
    if (lock_fd >= 0)
        close(lock_fd);
    locks_pidfile_remove(pidfile, pid_fd);
    return status;
}

/* A daemon without a log would be mute. */
static int open_log(const json_t *conf, bool needed)
{
    log_name("sluiced", -1);
    if (make_state_dir(conf) != 0 || (supervisor_apply_log(conf) != 0 && needed))
        return -1;
    if (needed)
        log_take_stderr();
    return 0;
}

/* conf is taken over. */
static int run(const char *config_path, json_t *conf, const struct options *options,
               const char *pidfile)
{
    struct detach *detach = NULL;
    if (options->detach) {
        if (detach_default_log(conf))
            fprintf(stderr, "sluiced: no log.file is configured: logging to %s\n",
                    conf_str(conf, "log.file"));
        detach = detach_start();
        if (detach == NULL) {
            fprintf(stderr, "sluiced: no process can be made: %s\n", strerror(errno));
            json_decref(conf);
            return EX_OSERR;
        }
    }
    int status = EX_OSERR;
    if (open_log(conf, options->detach) != 0) {
        json_decref(conf);
    } else {
        limits_set(conf);
        if (geteuid() == 0 && conf_str(conf, "user")[0] == '\0')
            log_warn("running as root, and staying root: no \"user\" is configured");
        status = supervise(config_path, conf, pidfile, detach);
    }
    detach_end(detach, status);
    return status;
}

/* A daemon changes its directory (malloc; NULL for NULL). */
static char *absolute(const char *path)
{
    char cwd[PATH_MAX];
    if (path == NULL || path[0] == '/' || getcwd(cwd, sizeof cwd) == NULL)
        return path != NULL ? xstrdup(path) : NULL;
    return xasprintf("%s/%s", cwd, path);
}

/* What would end us before there is a loop to hear it (the wait for the store's lock can be long)
 * is kept for it. */
static void hold_signals(void)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGHUP);
    sigaddset(&held, SIGUSR1);
    sigprocmask(SIG_BLOCK, &held, NULL);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    umask(027);
    open_standard_fds();
    signal(SIGPIPE, SIG_IGN);
    hold_signals();
    parse_options(argc, argv, &options);
    char *path = realpath(options.config, NULL);
    if (path == NULL) {
        fprintf(stderr, "sluiced: configuration %s: %s\n", options.config, strerror(errno));
        return EX_CONFIG;
    }
    json_t *conf = load(path);
    int status = EX_CONFIG;
    if (conf != NULL && options.only_check) {
        printf("%s: the configuration is good\n", path);
        json_decref(conf);
        status = EX_OK;
    } else if (conf != NULL) {
        /* What our starter left open is not ours: a daemon would hold that pipe or lock for its
         * whole life. Everything of ours is opened after this. */
        close_range(STDERR_FILENO + 1, ~0U, 0);
        char *pidfile = absolute(options.pidfile);
        status = run(path, conf, &options, pidfile);
        free(pidfile);
    }
    free(path);
    return status;
}
