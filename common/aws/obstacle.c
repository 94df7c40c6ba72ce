#include "common/aws/obstacle.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"

static bool is_one_of(const char *code, const char *const *codes)
{
    while (*codes && strcmp(*codes, code) != 0)
        codes++;
    return *codes != NULL;
}

/* An answer of the service in another region than the object's. S3 redirects; the others refuse
 * the signature's scope. */
static bool is_elsewhere(const struct aws_reply *reply)
{
    static const char *const codes[] = {"PermanentRedirect", "TemporaryRedirect",
                                        "AuthorizationHeaderMalformed",
                                        "IllegalLocationConstraintException", NULL};
    return (reply->status >= 300 && reply->status < 400) || is_one_of(reply->code, codes) ||
           strstr(reply->message, "valid region") != NULL;
}

static bool is_key_refused(const struct aws_reply *reply)
{
    static const char *const codes[] = {"InvalidAccessKeyId",
                                        "InvalidClientTokenId",
                                        "InvalidSignatureException",
                                        "SignatureDoesNotMatch",
                                        "UnrecognizedClientException",
                                        "IncompleteSignature",
                                        "MissingAuthenticationToken",
                                        "MissingAuthenticationTokenException",
                                        NULL};
    return is_one_of(reply->code, codes);
}

static const char *bucket_region(const struct aws_reply *reply)
{
    const char *region =
        reply->http ? http_answer_header(reply->http, "x-amz-bucket-region") : NULL;
    return region ? region : "the region that it is in";
}

/* SQS has codes of its own for that; others name the action in their message, or the service. */
static bool is_of_kms(const struct aws_reply *reply)
{
    return strncasecmp(reply->code, "kms", 3) == 0 || strstr(reply->message, "kms:") ||
           strstr(reply->message, "AWSKMS");
}

static char *denied_text(const struct obstacle_object *o, const char *action,
                         const struct aws_reply *r)
{
    if (is_key_refused(r))
        return xasprintf("%s: the credentials are refused; correct the access key, its secret or "
                         "the session token (%s: %s)",
                         o->what, r->code, r->message);
    if (is_of_kms(r))
        return xasprintf("%s: its KMS key refuses %s; see that the key is enabled, and allow "
                         "kms:Decrypt and kms:GenerateDataKey on it to the account of this "
                         "service, as etc/iam/%s.json does (%s: %s)",
                         o->what, action, o->role, r->code, r->message);
    return xasprintf("%s: %s is denied; allow it to the account of this service, etc/iam/%s.json "
                     "is the policy that this worker needs (%s%s%s)",
                     o->what, action, o->role, r->code, *r->message ? ": " : "", r->message);
}

char *obstacle_text(const struct obstacle_object *o, const char *action, const struct aws_reply *r)
{
    if (is_elsewhere(r))
        return xasprintf("%s: it is not in region %s; set aws.region to %s, or correct %s (%s%s%s)",
                         o->what, o->region, bucket_region(r), o->key, r->code,
                         *r->message ? ": " : "", r->message);
    switch (r->class) {
    case AWS_DENIED:
        return denied_text(o, action, r);
    case AWS_MISSING:
        return xasprintf("%s: it does not exist in region %s (%s); create it there, or correct %s",
                         o->what, o->region, r->code, o->key);
    case AWS_SKEW:
        return xasprintf("%s: this host's clock is wrong; set it, for example by NTP (%s: %s)",
                         o->what, r->code, r->message);
    case AWS_EXPIRED:
        return xasprintf("%s: the credentials have expired (%s); new ones are being fetched, but "
                         "those of the environment you must renew, and start again",
                         o->what, r->code);
    case AWS_NO_KEY:
        return xasprintf("%s: %s", o->what, r->message);
    default:
        if (!strcmp(r->code, "Unreachable"))
            return xasprintf("%s: it cannot be reached; correct the endpoint's URL, or let this "
                             "host through to it (%s)",
                             o->what, r->message);
        if (!strcmp(r->code, "HTTP 400")) /* the answer to a HEAD has no body */
            return xasprintf("%s: it is refused without a reason (HTTP 400), as S3 does where the "
                             "credentials have expired or the region is another: renew them, or "
                             "correct aws.region",
                             o->what);
        return xasprintf("%s: %s: %s", o->what, r->code, r->message);
    }
}

bool obstacle_is_for_people(const struct aws_reply *r)
{
    return r->class == AWS_DENIED || r->class == AWS_MISSING || r->class == AWS_SKEW ||
           r->class == AWS_EXPIRED || is_elsewhere(r);
}

char *obstacle_failure(const struct obstacle_object *o, const char *action, const char *failure,
                       const struct aws_reply *r)
{
    if (obstacle_is_for_people(r))
        return obstacle_text(o, action, r);
    const char *code = *r->code ? r->code : aws_class_word(r->class);
    return *r->message ? xasprintf("%s: %s: %s (%s)", o->what, failure, r->message, code)
                       : xasprintf("%s: %s: %s", o->what, failure, code);
}

bool obstacle_is_definite(const struct aws_reply *reply)
{
    return reply->class == AWS_DENIED || reply->class == AWS_MISSING ||
           reply->class == AWS_INVALID || is_elsewhere(reply);
}
