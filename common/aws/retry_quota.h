#ifndef COMMON_AWS_RETRY_QUOTA_H
#define COMMON_AWS_RETRY_QUOTA_H

#include <stdbool.h>

#include "common/aws/errors.h"

/* How many second tries a service may still be asked for: AWS's "standard" retries. A bucket of
 * tokens that each retry takes from and that successes fill again, so that a service which fails
 * for everybody is not asked several times for each call. Pure. */
#define RETRY_QUOTA_FULL 500

struct retry_quota {
    int tokens; /* 0..RETRY_QUOTA_FULL */
};

void retry_quota_init(struct retry_quota *quota);

/* What a retry after an answer of this class costs. */
int retry_quota_cost(enum aws_class class);

/* Takes it; false, and nothing taken, where there is not enough left. */
bool retry_quota_take(struct retry_quota *quota, int cost);

/* A call succeeded. last_cost: of its last retry, 0 where it needed none. */
void retry_quota_return(struct retry_quota *quota, int last_cost);

#endif
