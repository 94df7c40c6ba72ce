#ifndef COMMON_CONF_AWS_FILES_H
#define COMMON_CONF_AWS_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* AWS's shared files: ~/.aws/config and ~/.aws/credentials, as AWS's own tools read them (their
 * text: aws_ini.h).
 *
 *   [default]                     [profile NAME] in config, [NAME] in credentials
 *   region = eu-central-1
 *   services = local
 *   [services local]
 *   sqs =
 *     endpoint_url = http://127.0.0.1:9324
 *
 * [profile default] in config replaces [default]. Sections of other kinds are passed over. All
 * memory is wiped when it is given back. */
struct aws_files;

enum aws_file { /* a set: where to read, where to look */
                AWS_FILE_CONFIG = 1,
                AWS_FILE_CREDENTIALS = 2,
                AWS_FILE_BOTH = 3, /* the credentials file goes before the other */
};

#define AWS_FILE_MAX_BYTES 262144

struct aws_files *aws_files_new(void);
void aws_files_free(struct aws_files *files);

/* Adds the text of one file. 0; -1 with the reason ("line 3: ...") where a line makes no sense;
 * what was read before it stays. Pure. */
int aws_files_parse(struct aws_files *files, enum aws_file which, const char *text, size_t len,
                    char *why, size_t why_size) __attribute__((warn_unused_result));

/* Reads the files of the set: AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE in the environment,
 * else ~/.aws/config and ~/.aws/credentials. A file that is not there, or is no regular file, is
 * empty, as for AWS's tools. Whoever needs no keys leaves out the credentials file. 0; -1 with the
 * reason, which names the file, where one is too large, makes no sense or cannot be read. */
int aws_files_read(struct aws_files *files, enum aws_file set, char *why, size_t why_size)
    __attribute__((warn_unused_result));

/* Where that one file is looked for (malloc): "~" and "$NAME" are replaced. */
char *aws_files_path(enum aws_file which);

/* The profile's name: wanted unless it is empty, else AWS_PROFILE, AWS_DEFAULT_PROFILE, "default".
 * Borrowed from wanted or the environment. */
const char *aws_files_profile_name(const char *wanted);

bool aws_files_has_profile(const struct aws_files *files, enum aws_file set, const char *profile);

/* The value of a profile's key ("region", "s3.addressing_style"), NULL where there is none or it is
 * empty. Borrowed until the files are freed. */
const char *aws_files_get(const struct aws_files *files, enum aws_file set, const char *profile,
                          const char *key);

/* The key of a service ("sqs", "endpoint_url") in the section that the profile's `services` names,
 * else NULL. */
const char *aws_files_get_service(const struct aws_files *files, const char *profile,
                                  const char *service, const char *key);

/* A variable of the environment, NULL where it is missing or empty. */
const char *aws_files_env(const char *name);

#endif
