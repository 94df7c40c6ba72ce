#ifndef WORKERS_STORE_S3_SERVICE_H
#define WORKERS_STORE_S3_SERVICE_H

#include <stdint.h>

#include "workers/store/service.h"

/* Amazon S3 on the store's database: path style, region "local", unversioned buckets, objects as
 * large as a request may be, conditional writes. No ACLs, copies, multipart uploads or
 * aws-chunked bodies: 501. */
#define S3_REGION "local"

struct s3_service;

struct s3_counts { /* since start, durable turns only */
    int64_t objects_put;
    int64_t objects_read;
    int64_t objects_deleted;
};

struct s3_service *s3_service_new(void);
void s3_service_free(struct s3_service *s);

const struct service *s3_service_table(struct s3_service *s);
struct s3_counts s3_service_counts(const struct s3_service *s);

#endif
