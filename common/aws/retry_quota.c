#include "common/aws/retry_quota.h"

#define COST 14
#define THROTTLED_COST 5

void retry_quota_init(struct retry_quota *quota)
{
    quota->tokens = RETRY_QUOTA_FULL;
}

int retry_quota_cost(enum aws_class class)
{
    return class == AWS_THROTTLED ? THROTTLED_COST : COST;
}

bool retry_quota_take(struct retry_quota *quota, int cost)
{
    if (cost > quota->tokens)
        return false;
    quota->tokens -= cost;
    return true;
}

void retry_quota_return(struct retry_quota *quota, int last_cost)
{
    quota->tokens += last_cost > 0 ? last_cost : 1;
    if (quota->tokens > RETRY_QUOTA_FULL)
        quota->tokens = RETRY_QUOTA_FULL;
}
