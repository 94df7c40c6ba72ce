#ifndef COMMON_CONF_CONF_CHECK_AWS_H
#define COMMON_CONF_CONF_CHECK_AWS_H

#include <jansson.h>

/* conf_check for what is on AWS: queues and their URLs, what goes only with service aws, and a
 * ledger that only this host sees. */
struct conf_errors;

/* conf was completed by conf_aws_resolve. */
void conf_check_aws(const json_t *conf, struct conf_errors *errors);

/* What an operator should keep in mind of a configuration that is in use, for the status: a new
 * array of sentences. */
json_t *conf_check_aws_notes(const json_t *conf);

#endif
