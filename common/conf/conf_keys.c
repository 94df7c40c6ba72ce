#include "common/conf/conf_keys.h"

#include <stdio.h>
#include <string.h>

#define R CONF_RELOADABLE
#define ALL (CONF_RELOADABLE | CONF_WORKERS)
#define ING (CONF_RELOADABLE | CONF_INGEST)
#define CON (CONF_RELOADABLE | CONF_CONSUMER)
#define RET (CONF_RELOADABLE | CONF_RETRY)
#define BOTH (CONF_RELOADABLE | CONF_CONSUMER | CONF_RETRY)
#define KEY (CONF_RELOADABLE | CONF_KEYRING)
#define DAY 86400

/* clang-format off */
static const struct conf_key keys[] = {
    {.path = "state_dir", .type = CONF_PATH, .flags = CONF_WORKERS, .fallback = "\"/var/lib/sluice\"", .format = conf_format_not_empty,
     .doc = "everything that must survive a restart; relative paths start at this file's directory"},
    {.path = "run_dir", .type = CONF_PATH, .flags = CONF_WORKERS, .fallback = "\"\"",
     .doc = "sockets and locks; empty: state_dir/run"},
    {.path = "user", .type = CONF_STRING, .flags = 0, .fallback = "\"\"", .format = conf_format_line,
     .doc = "the account the service runs as when started by root; empty: stays what it is"},
    {.path = "group", .type = CONF_STRING, .flags = 0, .fallback = "\"\"", .format = conf_format_line,
     .doc = "its group; empty: the user's own"},
    {.path = "drain_s", .type = CONF_INT, .flags = ALL, .fallback = "25", .min = 1, .max = 3600,
     .doc = "how long a worker may finish its work when it stops"},
    {.path = "ready_s", .type = CONF_INT, .flags = R, .fallback = "15", .min = 1, .max = 600,
     .doc = "a worker that is not ready after this time has failed to start"},

    {.path = "log.file", .type = CONF_PATH, .flags = ALL, .fallback = "\"\"",
     .doc = "empty: standard error"},
    {.path = "log.format", .type = CONF_WORD, .flags = ALL, .fallback = "\"text\"", .words = "text|json",
     .doc = "a line of text or a JSON object for each event"},
    {.path = "log.level", .type = CONF_WORD, .flags = ALL, .fallback = "\"info\"", .words = "error|warn|info|debug",
     .doc = "what is less grave is not written"},

    {.path = "ingest.listen", .type = CONF_LIST, .flags = ING, .fallback = "[\"127.0.0.1:8080\"]", .min = 1, .max = 16, .format = conf_format_listen,
     .doc = "where webhooks come in"},
    {.path = "ingest.max_connections", .type = CONF_INT, .flags = ING, .fallback = "1024", .min = 1, .max = 65536,
     .doc = "accepting pauses at this number of connections"},
    {.path = "ingest.max_pending", .type = CONF_INT, .flags = ING, .fallback = "1024", .min = 1, .max = 65536,
     .doc = "webhooks whose answer is owed; 503 above it"},
    {.path = "ingest.max_held_mib", .type = CONF_INT, .flags = ING, .fallback = "128", .min = 2, .max = 65536,
     .doc = "bodies held in memory; 503 above it"},
    {.path = "ingest.request_deadline_ms", .type = CONF_INT, .flags = ING, .fallback = "15000", .min = 100, .max = 600000,
     .doc = "from a request's first byte to its last"},
    {.path = "ingest.idle_timeout_s", .type = CONF_INT, .flags = ING, .fallback = "60", .min = 1, .max = 3600,
     .doc = "an idle keep-alive connection is closed after it"},
    {.path = "ingest.retry_after_s", .type = CONF_INT, .flags = ING, .fallback = "5", .min = 1, .max = 3600,
     .doc = "Retry-After of a 503"},
    {.path = "ingest.public_retry_url", .type = CONF_STRING, .flags = ING, .fallback = "\"\"", .format = conf_format_url,
     .doc = "where callers of /api/v1/dlq on this listener are sent; empty: the first of retry.listen"},

    {.path = "consumer.workers", .type = CONF_INT, .flags = R, .fallback = "2", .min = 1, .max = 64,
     .doc = "consumer processes"},
    {.path = "consumer.in_flight", .type = CONF_INT, .flags = CON, .fallback = "64", .min = 1, .max = 1000,
     .doc = "events in work at once in each of them"},

    {.path = "retry.listen", .type = CONF_LIST, .flags = RET | CONF_INGEST, .fallback = "[\"127.0.0.1:8081\"]", .min = 1, .max = 16, .format = conf_format_listen,
     .doc = "the retry API and the status page"},
    {.path = "retry.max_connections", .type = CONF_INT, .flags = RET, .fallback = "128", .min = 1, .max = 65536,
     .doc = "accepting pauses at this number of connections"},
    {.path = "retry.tokens", .type = CONF_TOKENS, .flags = RET | CONF_SECRET, .fallback = "[]", .min = 0, .max = 64,
     .doc = "bearer tokens of the retry API: {\"name\", \"secret\" (16 characters or more), \"role\": read, redrive or admin}"},
    {.path = "retry.uids", .type = CONF_UIDS, .flags = RET, .fallback = "[]", .min = 0, .max = 64,
     .doc = "accounts that may use RUN/retry.sock beside root and the service's own"},
    {.path = "retry.open_on_loopback", .type = CONF_BOOL, .flags = RET, .fallback = "false",
     .doc = "whoever is on this host needs no token"},
    {.path = "retry.unix_socket", .type = CONF_BOOL, .flags = RET, .fallback = "true",
     .doc = "the retry API on RUN/retry.sock too, where the kernel says who asks"},
    {.path = "retry.max_redrive_s", .type = CONF_INT, .flags = RET, .fallback = "25", .min = 1, .max = 300,
     .doc = "a redrive request answers by then; what it did not try is left for the next"},

    {.path = "ledger.service", .type = CONF_WORD, .flags = CONF_CONSUMER | CONF_RETRY, .fallback = "\"embedded\"", .words = "embedded|aws",
     .doc = "who keeps the record of what was delivered"},
    {.path = "ledger.table", .type = CONF_STRING, .flags = CONF_CONSUMER | CONF_RETRY, .fallback = "\"sluice-ledger\"", .format = conf_format_table,
     .doc = "its table there"},
    {.path = "ledger.retention_s", .type = CONF_INT, .flags = CONF_CONSUMER | CONF_RETRY, .fallback = "3628800", .min = 3600, .max = 3660 * DAY,
     .doc = "how long it remembers an event; a repeat that comes later is delivered again"},
    {.path = "ledger.outage", .type = CONF_WORD, .flags = CONF_CONSUMER | CONF_RETRY, .fallback = "\"wait\"", .words = "wait|deliver",
     .doc = "while it cannot be reached; deliver: an event may then be delivered twice"},

    {.path = "dead_letters.service", .type = CONF_WORD, .flags = BOTH, .fallback = "\"embedded\"", .words = "embedded|aws",
     .doc = "who keeps the dead letters"},
    {.path = "dead_letters.bucket", .type = CONF_STRING, .flags = BOTH, .fallback = "\"sluice-dead-letters\"", .format = conf_format_bucket,
     .doc = "their S3 bucket there"},
    {.path = "dead_letters.prefix", .type = CONF_STRING, .flags = BOTH, .fallback = "\"dlq/\"", .format = conf_format_prefix,
     .doc = "what their keys begin with"},
    {.path = "dead_letters.max_redrives", .type = CONF_INT, .flags = BOTH, .fallback = "5", .min = 1, .max = 1000,
     .doc = "a dead letter that failed so many redrives is parked"},
    {.path = "dead_letters.sse", .type = CONF_WORD, .flags = BOTH, .fallback = "\"\"", .words = "|AES256|aws:kms",
     .doc = "on AWS: how the bucket is told to encrypt each of them; empty: as the bucket itself says"},
    {.path = "dead_letters.kms_key_id", .type = CONF_STRING, .flags = BOTH, .fallback = "\"\"", .format = conf_format_line,
     .doc = "with sse aws:kms: the key's id or ARN; empty: the account's own key for S3"},
    {.path = "dead_letters.conditional_writes", .type = CONF_BOOL, .flags = BOTH, .fallback = "true",
     .doc = "false: for a server that knows no If-None-Match and If-Match; two that redrive at once may then repeat a delivery"},

    {.path = "aws.region", .type = CONF_STRING, .flags = ING | CON | RET | KEY, .fallback = "\"\"", .format = conf_format_region,
     .doc = "of everything on AWS; empty: AWS_REGION, AWS_DEFAULT_REGION, the profile's, the queue URL's"},
    {.path = "aws.profile", .type = CONF_STRING, .flags = KEY, .fallback = "\"\"", .format = conf_format_line,
     .doc = "the profile of AWS's shared files; empty: AWS_PROFILE, else default"},
    {.path = "aws.endpoint_url", .type = CONF_STRING, .flags = R, .fallback = "\"\"", .format = conf_format_endpoint,
     .doc = "one endpoint for all services, for a compatible server; empty: AWS_ENDPOINT_URL, the profile's, AWS's own"},
    {.path = "aws.sqs_endpoint_url", .type = CONF_STRING, .flags = ING | CON | RET, .fallback = "\"\"", .format = conf_format_endpoint,
     .doc = "that of SQS alone; empty: endpoint_url, AWS_ENDPOINT_URL_SQS and so on"},
    {.path = "aws.s3_endpoint_url", .type = CONF_STRING, .flags = BOTH, .fallback = "\"\"", .format = conf_format_endpoint,
     .doc = "that of S3 alone"},
    {.path = "aws.dynamodb_endpoint_url", .type = CONF_STRING, .flags = CONF_CONSUMER | CONF_RETRY, .fallback = "\"\"", .format = conf_format_endpoint,
     .doc = "that of DynamoDB alone"},
    {.path = "aws.sts_endpoint_url", .type = CONF_STRING, .flags = KEY, .fallback = "\"\"", .format = conf_format_endpoint,
     .doc = "that of STS alone"},
    {.path = "aws.s3_addressing", .type = CONF_WORD, .flags = BOTH, .fallback = "\"auto\"", .words = "auto|path|virtual",
     .doc = "whether the bucket stands in the path or in the host name; auto: in the host name on AWS itself, where the bucket's name has no dot"},
    {.path = "aws.ca_file", .type = CONF_PATH, .flags = ING | CON | RET | KEY, .fallback = "\"\"", .format = conf_format_line,
     .doc = "certificates of authorities (PEM) for these endpoints; empty: AWS_CA_BUNDLE, the system's"},

    {.path = "store.listen", .type = CONF_LIST, .flags = CONF_STORE, .fallback = "[]", .min = 0, .max = 16, .format = conf_format_listen_local,
     .doc = "loopback endpoints at which SDKs reach the embedded store, beside its Unix socket"},
    {.path = "store.ballast_mib", .type = CONF_INT, .flags = CONF_STORE, .fallback = "16", .min = 1, .max = 1024,
     .doc = "disk space kept back, given up when the disk is full"},
    {.path = "store.max_mib", .type = CONF_INT, .flags = CONF_STORE, .fallback = "4096", .min = 64, .max = 1048576,
     .doc = "the embedded store refuses to grow beyond it"},

    {.path = "queues.*.service", .type = CONF_WORD, .flags = ING | CON | RET, .fallback = "\"embedded\"", .words = "embedded|aws",
     .doc = "who keeps the queue"},
    {.path = "queues.*.name", .type = CONF_STRING, .flags = ING | CON | RET, .fallback = "\"{name}\"", .format = conf_format_queue,
     .doc = "its name there; on AWS the end of its URL"},
    {.path = "queues.*.url", .type = CONF_STRING, .flags = ING | CON | RET, .fallback = "\"\"", .format = conf_format_queue_url,
     .doc = "on AWS, and only there: its URL"},

    {.path = "destinations.*.type", .type = CONF_WORD, .flags = BOTH, .words = "exec|file|http",
     .doc = "exec: a program for each event; file: a JSON line for each event; http: a request for each event"},
    {.path = "destinations.*.argv", .type = CONF_LIST, .flags = BOTH, .when = "exec", .min = 1, .max = 64,
     .doc = "the program and its arguments; no shell. Exit status 0: delivered, 65: never will, other: retry"},
    {.path = "destinations.*.timeout_s", .type = CONF_INT, .flags = BOTH, .fallback = "30", .when = "exec|http", .min = 1, .max = 39600,
     .doc = "a program or request that takes longer is ended and tried again later"},
    {.path = "destinations.*.max_running", .type = CONF_INT, .flags = BOTH, .fallback = "16", .when = "exec|http", .min = 1, .max = 1000,
     .doc = "programs or requests at once in each consumer"},
    {.path = "destinations.*.max_output_bytes", .type = CONF_INT, .flags = BOTH, .fallback = "65536", .when = "exec", .min = 0, .max = 16777216,
     .doc = "a program that writes more is killed"},
    {.path = "destinations.*.env", .type = CONF_MAP, .flags = BOTH | CONF_SECRET, .fallback = "{}", .when = "exec", .min = 0, .max = 128, .key_format = conf_format_variable,
     .doc = "added to the program's environment"},
    {.path = "destinations.*.path", .type = CONF_PATH, .flags = BOTH, .when = "file", .format = conf_format_template,
     .doc = "the file; {source} is the source's name"},
    {.path = "destinations.*.url", .type = CONF_STRING, .flags = BOTH, .when = "http", .format = conf_format_call_url,
     .doc = "where the body is sent. Status 2xx: delivered; 408, 425, 429, 5xx, no answer: retry; other: never will"},
    {.path = "destinations.*.method", .type = CONF_WORD, .flags = BOTH, .fallback = "\"POST\"", .when = "http", .words = "POST|PUT|PATCH",
     .doc = "of the request"},
    {.path = "destinations.*.headers", .type = CONF_MAP, .flags = BOTH | CONF_SECRET, .fallback = "{}", .when = "http", .min = 0, .max = 32, .format = conf_format_line, .key_format = conf_format_call_header,
     .doc = "added to each request"},
    {.path = "destinations.*.secrets", .type = CONF_LIST, .flags = BOTH | CONF_SECRET, .fallback = "[]", .when = "http", .min = 0, .max = 16, .format = conf_format_signing_secret,
     .doc = "requests are signed with each of them (Standard Webhooks)"},
    {.path = "destinations.*.connect_timeout_s", .type = CONF_INT, .flags = BOTH, .fallback = "5", .when = "http", .min = 1, .max = 300,
     .doc = "for finding the host, connecting and TLS"},
    {.path = "destinations.*.max_response_bytes", .type = CONF_INT, .flags = BOTH, .fallback = "65536", .when = "http", .min = 1024, .max = 16777216,
     .doc = "an answer is read up to here; its status counts all the same"},
    {.path = "destinations.*.retry_after_cap_s", .type = CONF_INT, .flags = BOTH, .fallback = "300", .when = "http", .min = 0, .max = 39600,
     .doc = "the longest wait that a Retry-After can ask for"},
    {.path = "destinations.*.breaker_open_s", .type = CONF_INT, .flags = BOTH, .fallback = "10", .when = "http", .min = 1, .max = 3600,
     .doc = "after three failures of its own in a row (no answer, 429, 502, 503, 504) it is left alone so long, then tried with one event"},
    {.path = "destinations.*.allow_networks", .type = CONF_LIST, .flags = BOTH, .fallback = "[]", .when = "http", .min = 0, .max = 64, .format = conf_format_network,
     .doc = "networks that are not public and may be called all the same"},
    {.path = "destinations.*.ca_file", .type = CONF_PATH, .flags = BOTH, .fallback = "\"\"", .when = "http", .format = conf_format_line,
     .doc = "certificates of authorities (PEM), trusted instead of the system's; empty: the system's"},
    {.path = "destinations.*.cert_file", .type = CONF_PATH, .flags = BOTH, .fallback = "\"\"", .when = "http", .format = conf_format_line,
     .doc = "the client certificate (PEM); empty: none"},
    {.path = "destinations.*.key_file", .type = CONF_PATH, .flags = BOTH, .fallback = "\"\"", .when = "http", .format = conf_format_line,
     .doc = "its key (PEM); empty: in cert_file"},

    {.path = "destinations.*.oauth", .type = CONF_STRING, .flags = BOTH, .fallback = "\"\"", .when = "http", .format = conf_format_name_or_none,
     .doc = "requests carry the access token of this one under oauth; empty: none"},

    {.path = "oauth.*.grant", .type = CONF_WORD, .flags = KEY, .fallback = "\"client_credentials\"", .words = "client_credentials|password",
     .doc = "what the token is given for"},
    {.path = "oauth.*.token_url", .type = CONF_STRING, .flags = KEY, .fallback = "\"\"", .format = conf_format_call_url_or_none,
     .doc = "where tokens are asked for; empty: discovery_url says where"},
    {.path = "oauth.*.discovery_url", .type = CONF_STRING, .flags = KEY, .fallback = "\"\"", .format = conf_format_call_url_or_none,
     .doc = "the issuer, or its document /.well-known/openid-configuration, which names the token URL"},
    {.path = "oauth.*.client_id", .type = CONF_STRING, .flags = KEY, .format = conf_format_secret,
     .doc = "the client as it is registered with the issuer"},
    {.path = "oauth.*.client_secret", .type = CONF_STRING, .flags = KEY | CONF_SECRET, .format = conf_format_secret,
     .doc = "its secret"},
    {.path = "oauth.*.auth", .type = CONF_WORD, .flags = KEY, .fallback = "\"basic\"", .words = "basic|post",
     .doc = "how the client proves itself: basic: in the Authorization header, post: in the form"},
    {.path = "oauth.*.scopes", .type = CONF_LIST, .flags = KEY, .fallback = "[]", .min = 0, .max = 64, .format = conf_format_scope,
     .doc = "what the token is to be good for; empty: what the issuer gives"},
    {.path = "oauth.*.username", .type = CONF_STRING, .flags = KEY, .fallback = "\"\"", .format = conf_format_line,
     .doc = "of grant password: the user or access key"},
    {.path = "oauth.*.password", .type = CONF_STRING, .flags = KEY | CONF_SECRET, .fallback = "\"\"", .format = conf_format_line,
     .doc = "of grant password: its password or secret key"},
    {.path = "oauth.*.ca_file", .type = CONF_PATH, .flags = KEY, .fallback = "\"\"", .format = conf_format_line,
     .doc = "certificates of authorities (PEM), trusted instead of the system's; empty: the system's"},
    {.path = "oauth.*.allow_networks", .type = CONF_LIST, .flags = KEY, .fallback = "[]", .min = 0, .max = 64, .format = conf_format_network,
     .doc = "networks that are not public and may be called all the same"},

    {.path = "sources.*.preset", .type = CONF_WORD, .flags = ING | CON | RET, .fallback = "\"generic\"", .words = "generic|genesys-outbound|cxone-data-actions",
     .doc = "what is not written is taken from it"},
    {.path = "sources.*.path", .type = CONF_STRING, .flags = ING | RET, .format = conf_format_url_path,
     .doc = "the URL path to which webhooks are posted"},
    {.path = "sources.*.verify.type", .type = CONF_WORD, .flags = ING, .words = "none|shared-header|bearer",
     .doc = "how a sender proves itself; none must be written out"},
    {.path = "sources.*.verify.header", .type = CONF_STRING, .flags = ING, .when = "shared-header", .format = conf_format_header_name,
     .doc = "the header that carries the secret"},
    {.path = "sources.*.verify.secrets", .type = CONF_LIST, .flags = ING | CONF_SECRET, .when = "shared-header|bearer", .min = 1, .max = 16, .format = conf_format_secret,
     .doc = "any one of them is good, so that they can be rotated"},
    {.path = "sources.*.ack_deadline_ms", .type = CONF_INT, .flags = ING, .fallback = "800", .min = 50, .max = 60000,
     .doc = "an event that is not on its queue by then is answered 503"},
    {.path = "sources.*.reply.status", .type = CONF_INT, .flags = ING, .fallback = "200", .min = 200, .max = 299,
     .doc = "the answer to an accepted webhook"},
    {.path = "sources.*.reply.content_type", .type = CONF_STRING, .flags = ING, .fallback = "\"application/json\"", .format = conf_format_line,
     .doc = "its Content-Type"},
    {.path = "sources.*.reply.body", .type = CONF_STRING, .flags = ING, .fallback = "\"{\\\"status\\\":\\\"accepted\\\"}\"",
     .doc = "its body"},
    {.path = "sources.*.body", .type = CONF_WORD, .flags = ING | BOTH, .fallback = "\"any\"", .words = "any|json",
     .doc = "json: what is not JSON gets a 400 and a copy on the inspection queue"},
    {.path = "sources.*.max_body_bytes", .type = CONF_INT, .flags = ING, .fallback = "0", .min = 0, .max = 1032192,
     .doc = "413 above it; 0: what a queue takes, 1 MiB less 16 KiB"},
    {.path = "sources.*.event_id.header", .type = CONF_STRING, .flags = ING | BOTH, .fallback = "\"\"", .format = conf_format_header_name,
     .doc = "the header that names the event; wins where it is present"},
    {.path = "sources.*.event_id.pointers", .type = CONF_LIST, .flags = ING | BOTH, .fallback = "[]", .min = 0, .max = 8, .format = conf_format_pointer,
     .doc = "members of the body that name it together; one missing: the trace id"},
    {.path = "sources.*.message_group", .type = CONF_STRING, .flags = ING, .fallback = "\"\"", .format = conf_format_pointer_or_none,
     .doc = "the member of the body that becomes the MessageGroupId: order within it on a FIFO queue, fair shares on a standard one"},
    {.path = "sources.*.required", .type = CONF_LIST, .flags = BOTH, .fallback = "[]", .min = 0, .max = 64, .format = conf_format_pointer,
     .doc = "members that an event must have, else it is dead at once (class validation)"},
    {.path = "sources.*.require", .type = CONF_CHOICES, .flags = BOTH, .fallback = "{}", .min = 0, .max = 64, .key_format = conf_format_pointer,
     .doc = "values that members must have, else it is dead at once (class unsupported_status)"},
    {.path = "sources.*.check.url", .type = CONF_STRING, .flags = BOTH, .fallback = "\"\"", .format = conf_format_call_template_or_none,
     .doc = "asked with GET before each delivery; {/pointer} is a member of the event; empty: no check"},
    {.path = "sources.*.check.oauth", .type = CONF_STRING, .flags = BOTH, .fallback = "\"\"", .format = conf_format_name_or_none,
     .doc = "the request carries the access token of this one under oauth; empty: none"},
    {.path = "sources.*.check.timeout_s", .type = CONF_INT, .flags = BOTH, .fallback = "10", .min = 1, .max = 300,
     .doc = "a check that takes longer is made again later"},
    {.path = "sources.*.check.allow_networks", .type = CONF_LIST, .flags = BOTH, .fallback = "[]", .min = 0, .max = 64, .format = conf_format_network,
     .doc = "networks that are not public and may be called all the same"},
    {.path = "sources.*.check.ca_file", .type = CONF_PATH, .flags = BOTH, .fallback = "\"\"", .format = conf_format_line,
     .doc = "certificates of authorities (PEM), trusted instead of the system's; empty: the system's"},
    {.path = "sources.*.acknowledge.url", .type = CONF_STRING, .flags = BOTH, .fallback = "\"\"", .format = conf_format_call_template_or_none,
     .doc = "told after each delivery, once its outcome is recorded; {/pointer} as in check.url; empty: nobody"},
    {.path = "sources.*.acknowledge.method", .type = CONF_WORD, .flags = BOTH, .fallback = "\"POST\"", .words = "POST|PUT|PATCH",
     .doc = "of the request"},
    {.path = "sources.*.acknowledge.oauth", .type = CONF_STRING, .flags = BOTH, .fallback = "\"\"", .format = conf_format_name_or_none,
     .doc = "the request carries the access token of this one under oauth; empty: none"},
    {.path = "sources.*.acknowledge.timeout_s", .type = CONF_INT, .flags = BOTH, .fallback = "10", .min = 1, .max = 300,
     .doc = "of one request; a few are made"},
    {.path = "sources.*.acknowledge.allow_networks", .type = CONF_LIST, .flags = BOTH, .fallback = "[]", .min = 0, .max = 64, .format = conf_format_network,
     .doc = "networks that are not public and may be called all the same"},
    {.path = "sources.*.acknowledge.ca_file", .type = CONF_PATH, .flags = BOTH, .fallback = "\"\"", .format = conf_format_line,
     .doc = "certificates of authorities (PEM), trusted instead of the system's; empty: the system's"},
    {.path = "sources.*.schema_version", .type = CONF_STRING, .flags = ING | CON | RET, .fallback = "\"\"", .format = conf_format_line,
     .doc = "recorded with each event"},
    {.path = "sources.*.queue", .type = CONF_STRING, .flags = ING | CON | RET, .fallback = "\"{name}\"", .format = conf_format_queue,
     .doc = "where its events wait"},
    {.path = "sources.*.inspection_queue", .type = CONF_STRING, .flags = ING | CON | RET, .fallback = "\"{name}-inspection\"", .format = conf_format_queue,
     .doc = "where malformed input goes, raw"},
    {.path = "sources.*.dead_letter.queue", .type = CONF_STRING, .flags = BOTH, .fallback = "\"{name}-dlq\"", .format = conf_format_queue_or_none,
     .doc = "where events go that finally failed; empty: to no queue"},
    {.path = "sources.*.dead_letter.s3", .type = CONF_BOOL, .flags = BOTH, .fallback = "true",
     .doc = "whether they are kept under dead_letters, where they can be looked at and redriven"},
    {.path = "sources.*.ledger", .type = CONF_BOOL, .flags = CONF_CONSUMER | CONF_RETRY, .fallback = "true",
     .doc = "whether it is recorded what was delivered, so that a repeat is not; off: attempts are what the queue counts"},
    {.path = "sources.*.destination", .type = CONF_STRING, .flags = CON | RET, .format = conf_format_name,
     .doc = "who gets its events: a name under destinations"},
    {.path = "sources.*.retry.strategy", .type = CONF_WORD, .flags = CON, .fallback = "\"visibility\"", .words = "visibility|requeue",
     .doc = "visibility: the same message again; requeue: a copy with a delay, then the original is deleted"},
    {.path = "sources.*.retry.base_s", .type = CONF_INT, .flags = CON, .fallback = "1", .min = 1, .max = 3600,
     .doc = "the wait after the first failure; doubles with each"},
    {.path = "sources.*.retry.cap_s", .type = CONF_INT, .flags = CON, .fallback = "30", .min = 1, .max = 39600,
     .doc = "the longest wait"},
    {.path = "sources.*.retry.max_retries", .type = CONF_INT, .flags = CON, .fallback = "5", .min = 0, .max = 1000,
     .doc = "attempts after the first; then the event is a dead letter"},
    {.path = "sources.*.retry.visibility_s", .type = CONF_INT, .flags = BOTH, .fallback = "30", .min = 10, .max = 43200,
     .doc = "how long a received event is nobody else's; extended while it is in work"},
    {.path = "sources.*.retry.wait_s", .type = CONF_INT, .flags = CON, .fallback = "20", .min = 0, .max = 20,
     .doc = "how long a poll waits for events"},
    {.path = "sources.*.retry.age_limit_s", .type = CONF_INT, .flags = CON, .fallback = "1209600", .min = 60, .max = 366 * DAY,
     .doc = "an event older than this is a dead letter (class expired)"},
};

static const struct {
    const char *name;
    const char *json;
} presets[] = {
    {"generic", "{}"},
    {"genesys-outbound",
     "{\"path\": \"/webhooks/genesys-outbound\", \"body\": \"json\","
     " \"event_id\": {\"header\": \"X-Genesys-Webhook-Id\","
     "   \"pointers\": [\"/callId\", \"/status\", \"/timestamp\"]},"
     " \"require\": {\"/status\": [\"CALL_COMPLETED\"]}}"},
    {"cxone-data-actions",
     "{\"path\": \"/webhook/cxone-data-actions\", \"body\": \"json\","
     " \"event_id\": {\"pointers\": [\"/tenant_id\", \"/event_id\"]},"
     " \"required\": [\"/event_id\", \"/tenant_id\", \"/payload/interaction_id\"],"
     " \"schema_version\": \"v2.1\","
     " \"dead_letter\": {\"queue\": \"\"}}"},
};
/* clang-format on */

size_t conf_keys_count(void)
{
    return sizeof(keys) / sizeof(keys[0]);
}

const struct conf_key *conf_keys_at(size_t i)
{
    return &keys[i];
}

bool conf_keys_has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = words; *p; p += strcspn(p, "|"), p += *p == '|')
        if (strcspn(p, "|") == len && strncmp(p, word, len) == 0)
            return true;
    return false;
}

/* The part of a key's path below an object, or NULL where the key is not below it. */
static const char *below(const char *path, const char *pattern)
{
    size_t len = strlen(pattern);
    if (len == 0)
        return path;
    return strncmp(path, pattern, len) == 0 && path[len] == '.' ? path + len + 1 : NULL;
}

/* The keys of an object's member stand together in the table, so a change of name is a new member.
 */
bool conf_keys_next(const char *pattern, size_t *i_inout, char name_out[CONF_KEYS_NAME_BYTES])
{
    const char *previous = NULL;
    if (*i_inout > 0)
        previous = below(keys[*i_inout - 1].path, pattern);
    for (size_t i = *i_inout; i < conf_keys_count(); i++) {
        const char *rest = below(keys[i].path, pattern);
        if (!rest)
            continue;
        size_t len = strcspn(rest, ".");
        if (previous && strcspn(previous, ".") == len && strncmp(previous, rest, len) == 0)
            continue;
        snprintf(name_out, CONF_KEYS_NAME_BYTES, "%.*s", (int)len, rest);
        *i_inout = i + 1;
        return true;
    }
    return false;
}

const struct conf_key *conf_keys_find(const char *path)
{
    for (size_t i = 0; i < conf_keys_count(); i++)
        if (strcmp(keys[i].path, path) == 0)
            return &keys[i];
    return NULL;
}

const char *conf_keys_preset(const char *name)
{
    for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
        if (strcmp(presets[i].name, name) == 0)
            return presets[i].json;
    return NULL;
}
