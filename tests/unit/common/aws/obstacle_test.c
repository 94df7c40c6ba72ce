#include "common/aws/obstacle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void assert_text(enum aws_class class, int status, const char *code, const char *message,
                        bool is_definite, const char *expected)
{
    const struct aws_reply reply = {
        .class = class, .status = status, .code = code, .message = message};
    static const struct obstacle_object o = {"queue \"q\"", "queues.q", "ingest", "eu-west-1"};
    char *text = obstacle_text(&o, "sqs:GetQueueAttributes", &reply);
    assert_string_equal(text, expected);
    assert_int_equal(obstacle_is_definite(&reply), is_definite);
    free(text);
}

static void each_obstacle_has_its_fix(void **state)
{
    (void)state;
    assert_text(
        AWS_DENIED, 403, "AccessDenied", "no", true,
        "queue \"q\": sqs:GetQueueAttributes is denied; allow it to the account of this service, "
        "etc/iam/ingest.json is the policy that this worker needs (AccessDenied: no)");
    assert_text(AWS_DENIED, 403, "HTTP 403", "", true,
                "queue \"q\": sqs:GetQueueAttributes is denied; allow it to the account of this "
                "service, etc/iam/ingest.json is the policy that this worker needs (HTTP 403)");
    assert_text(
        AWS_DENIED, 403, "InvalidClientTokenId", "bad key", true,
        "queue \"q\": the credentials are refused; correct the access key, its secret or the "
        "session token (InvalidClientTokenId: bad key)");
    assert_text(AWS_DENIED, 400, "KMS.AccessDeniedException", "no", true,
                "queue \"q\": its KMS key refuses sqs:GetQueueAttributes; see that the key is "
                "enabled, and allow kms:Decrypt and kms:GenerateDataKey on it to the account of "
                "this service, as etc/iam/ingest.json does (KMS.AccessDeniedException: no)");
    assert_text(AWS_DENIED, 403, "AccessDenied", "not authorized to perform kms:Decrypt", true,
                "queue \"q\": its KMS key refuses sqs:GetQueueAttributes; see that the key is "
                "enabled, and allow kms:Decrypt and kms:GenerateDataKey on it to the account of "
                "this service, as etc/iam/ingest.json does (AccessDenied: not authorized to "
                "perform kms:Decrypt)");
    assert_text(AWS_DENIED, 400, "AccessDeniedException",
                "KMS key access denied error: com.amazonaws.services.kms.model.AWSKMSException: no",
                true,
                "queue \"q\": its KMS key refuses sqs:GetQueueAttributes; see that the key is "
                "enabled, and allow kms:Decrypt and kms:GenerateDataKey on it to the account of "
                "this service, as etc/iam/ingest.json does (AccessDeniedException: KMS key access "
                "denied error: com.amazonaws.services.kms.model.AWSKMSException: no)");
    assert_text(AWS_MISSING, 400, "QueueDoesNotExist", "gone", true,
                "queue \"q\": it does not exist in region eu-west-1 (QueueDoesNotExist); create it "
                "there, or correct queues.q");
    assert_text(AWS_SKEW, 403, "RequestTimeTooSkewed", "1 h", false,
                "queue \"q\": this host's clock is wrong; set it, for example by NTP "
                "(RequestTimeTooSkewed: 1 h)");
    assert_text(AWS_EXPIRED, 403, "ExpiredToken", "old", false,
                "queue \"q\": the credentials have expired (ExpiredToken); new ones are being "
                "fetched, but those of the environment you must renew, and start again");
    assert_text(AWS_TRANSIENT, 0, "Unreachable", "refused", false,
                "queue \"q\": it cannot be reached; correct the endpoint's URL, or let this host "
                "through to it (refused)");
    assert_text(AWS_NO_KEY, 0, "NoSigningKey", "no AWS credentials: set them", false,
                "queue \"q\": no AWS credentials: set them");
    assert_text(AWS_INVALID, 400, "HTTP 400", "", true,
                "queue \"q\": it is refused without a reason (HTTP 400), as S3 does where the "
                "credentials have expired or the region is another: renew them, or correct "
                "aws.region");
    assert_text(AWS_THROTTLED, 503, "SlowDown", "slow", false, "queue \"q\": SlowDown: slow");
    assert_text(AWS_INVALID, 400, "InvalidAddress", "bad", true,
                "queue \"q\": InvalidAddress: bad");
}

static void another_region_is_recognised(void **state)
{
    (void)state;
    static const char moved[] =
        "queue \"q\": it is not in region eu-west-1; set aws.region to the region that it is in, "
        "or correct queues.q (PermanentRedirect: elsewhere)";
    assert_text(AWS_INVALID, 301, "PermanentRedirect", "elsewhere", true, moved);
    assert_text(
        AWS_INVALID, 307, "HTTP 307", "", true,
        "queue \"q\": it is not in region eu-west-1; set aws.region to the region that it is "
        "in, or correct queues.q (HTTP 307)");
    assert_text(
        AWS_DENIED, 403, "InvalidSignatureException",
        "Credential should be scoped to a valid region.", true,
        "queue \"q\": it is not in region eu-west-1; set aws.region to the region that it is "
        "in, or correct queues.q (InvalidSignatureException: Credential should be scoped "
        "to a valid region.)");
}

static void assert_failure(enum aws_class class, const char *code, const char *expected)
{
    const struct aws_reply reply = {.class = class, .status = 400, .code = code, .message = "no"};
    static const struct obstacle_object o = {"queue \"q\"", "queues.q", "consumer", "eu-west-1"};
    char *text = obstacle_failure(&o, "sqs:ReceiveMessage", "cannot receive", &reply);
    assert_string_equal(text, expected);
    free(text);
}

static void a_failure_has_the_fix_where_there_is_one(void **state)
{
    (void)state;
    assert_failure(
        AWS_DENIED, "AccessDenied",
        "queue \"q\": sqs:ReceiveMessage is denied; allow it to the account of this service, "
        "etc/iam/consumer.json is the policy that this worker needs (AccessDenied: no)");
    assert_failure(AWS_MISSING, "QueueDoesNotExist",
                   "queue \"q\": it does not exist in region eu-west-1 (QueueDoesNotExist); create "
                   "it there, or correct queues.q");
    assert_failure(AWS_EXPIRED, "ExpiredToken",
                   "queue \"q\": the credentials have expired (ExpiredToken); new ones are being "
                   "fetched, but those of the environment you must renew, and start again");
    assert_failure(AWS_SKEW, "RequestExpired",
                   "queue \"q\": this host's clock is wrong; set it, for example by NTP "
                   "(RequestExpired: no)");
    assert_failure(AWS_TRANSIENT, "Unreachable", "queue \"q\": cannot receive: no (Unreachable)");
    assert_failure(AWS_INVALID, "InvalidAddress",
                   "queue \"q\": cannot receive: no (InvalidAddress)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_obstacle_has_its_fix),
        cmocka_unit_test(a_failure_has_the_fix_where_there_is_one),
        cmocka_unit_test(another_region_is_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
