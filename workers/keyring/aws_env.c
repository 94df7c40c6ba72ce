#include "workers/keyring/aws_env.h"

#include "common/base/clock.h"
#include "common/conf/aws_files.h"

void aws_env_get(struct aws_result *result_out)
{
    const char *id = aws_files_env("AWS_ACCESS_KEY_ID");
    const char *secret = aws_files_env("AWS_SECRET_ACCESS_KEY");
    const char *token =
        aws_files_env("AWS_SECURITY_TOKEN"); /* the older name goes first, as ever */
    const char *expiration = aws_files_env("AWS_CREDENTIAL_EXPIRATION");
    int64_t expires_at_ms = 0;
    if (!token)
        token = aws_files_env("AWS_SESSION_TOKEN");
    if (!id)
        aws_result_fail(result_out, AWS_NOT_HERE, "AWS_ACCESS_KEY_ID is not set");
    else if (!secret)
        aws_result_fail(result_out, AWS_BROKEN,
                        "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not: set both");
    else if (expiration && clock_parse_rfc3339(expiration, &expires_at_ms) != 0)
        aws_result_fail(result_out, AWS_BROKEN,
                        "AWS_CREDENTIAL_EXPIRATION is not a time such as 2026-11-21T10:00:00Z");
    else
        aws_result_set(result_out, id, secret, token, expires_at_ms);
}
