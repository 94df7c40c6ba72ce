#ifndef WORKERS_PERMISSIONS_H
#define WORKERS_PERMISSIONS_H

#include "workers/checkup.h"

/* Tries that several roles share; each is the `start` of a checkup_step (checkup.h). Those of one
 * role alone are in its folder, so that a program contains only calls that its policy allows. */

uint64_t permissions_queue_attributes(struct aws_client *client, const struct checkup_step *step,
                                      struct checkup *c);
/* Of a message that no queue takes: AWS_INVALID is good. */
uint64_t permissions_send(struct aws_client *client, const struct checkup_step *step,
                          struct checkup *c);

/* Adds what every user of the bucket or of the ledger's table needs. They are tried on an object
 * and an item that are never there: prefix is that of the keys. */
void permissions_bucket(struct checkup *c, const struct aws_endpoint *endpoint, const char *bucket,
                        const char *prefix);
void permissions_table(struct checkup *c, const struct aws_endpoint *endpoint, const char *table);

#define PERMISSIONS_PROBE "sluice-check"
/* The ETag of no object. */
#define PERMISSIONS_PROBE_ETAG "\"00000000000000000000000000000000\""

#endif
