#ifndef COMMON_CONF_AWS_INI_H
#define COMMON_CONF_AWS_INI_H

#include <stdbool.h>
#include <stddef.h>

/* The text of AWS's shared files, without what their sections mean (aws_files.h). Pure.
 *
 *   [profile "dev"]               the section "profile dev": one blank, no quotes
 *   Region = eu-central-1         the key "region"; # or ; at the start of a line, or after a
 *   s3 =                          blank: a comment
 *     addressing_style = path     an indented block under an empty value: "s3.addressing_style"
 *
 * Where a key is written twice the last one counts; a section that is written twice is one section.
 * An indented line under a value that is not empty continues it. Values are wiped when they are
 * given back. */
struct aws_ini;

struct aws_ini *aws_ini_new(void);
void aws_ini_free(struct aws_ini *ini);

/* Adds a text. 0; -1 with the reason ("line 3: ...") where a line makes no sense; what was read
 * before it stays. */
int aws_ini_parse(struct aws_ini *ini, const char *text, size_t len, char *why, size_t why_size)
    __attribute__((warn_unused_result));

bool aws_ini_has(const struct aws_ini *ini, const char *section);
/* NULL where there is none or it is empty. Borrowed until the ini is freed. */
const char *aws_ini_get(const struct aws_ini *ini, const char *section, const char *key);

#endif
