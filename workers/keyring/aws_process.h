#ifndef WORKERS_KEYRING_AWS_PROCESS_H
#define WORKERS_KEYRING_AWS_PROCESS_H

#include "workers/keyring/aws_source.h"

/* credential_process: a program that prints {"Version": 1, "AccessKeyId", …}. It is run without a
 * shell, in a process group of its own, for AWS_PROCESS_TIMEOUT_MS at most; what it leaves running
 * is killed. Its output is never logged; the last line of its standard error is, where it fails. */
#define AWS_PROCESS_TIMEOUT_MS 60000
#define AWS_PROCESS_OUTPUT_BYTES 65536

struct aws_job *aws_process_start(const struct aws_context *context, const char *command,
                                  aws_done_cb *done, void *arg);
/* The same with another time limit. */
struct aws_job *aws_process_start_for(const struct aws_context *context, const char *command,
                                      int64_t timeout_ms, aws_done_cb *done, void *arg);

/* Splits a command line as a POSIX shell splits plain words: blanks part them, '…' and "…" hold
 * them together, a backslash takes the next character as it is (within "…" only before ", \, $ and
 * `). Nothing is expanded. A NULL-terminated list (aws_process_free_words), or NULL where a quote
 * is left open or there is no word. Pure. */
char **aws_process_split(const char *command);
void aws_process_free_words(char **words);

#endif
