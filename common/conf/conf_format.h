#ifndef COMMON_CONF_CONF_FORMAT_H
#define COMMON_CONF_CONF_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

/* What a text must look like. Each answers NULL where it does, else what was expected, in words
 * that go on from "must be ". Pure. */
typedef const char *conf_format(const char *text);

conf_format conf_format_not_empty;
conf_format conf_format_line;        /* no control bytes */
conf_format conf_format_secret;      /* a line that is not empty */
conf_format conf_format_header_name; /* an HTTP token, or empty */
conf_format conf_format_name;        /* of a source, queue or destination: fits an SQS queue name */
conf_format conf_format_name_or_none;
conf_format conf_format_queue; /* an SQS queue name */
conf_format conf_format_queue_or_none;
conf_format conf_format_table;    /* a DynamoDB table name */
conf_format conf_format_bucket;   /* an S3 bucket name */
conf_format conf_format_prefix;   /* of object keys: empty, or parts that each end with "/" */
conf_format conf_format_token;    /* a bearer token that cannot be guessed by trying */
conf_format conf_format_url_path; /* "/webhooks/x" */
conf_format conf_format_url;      /* http or https, or empty */
conf_format conf_format_call_url; /* http or https, without credentials and fragment */
conf_format conf_format_call_url_or_none;
conf_format conf_format_call_template_or_none; /* the same with {/json/pointer} behind its host */
conf_format conf_format_scope;                 /* of an OAuth token */
conf_format conf_format_region;                /* "eu-central-1", or empty */
conf_format conf_format_endpoint;              /* http or https, without a query, or empty */
conf_format conf_format_queue_url;             /* https://HOST/ACCOUNT/NAME[.fifo], or empty */
conf_format conf_format_call_header; /* the name of a header that a request may be given */
conf_format conf_format_signing_secret;
conf_format conf_format_network; /* "10.0.0.0/8", "fd00::/8", "127.0.0.1" */
conf_format conf_format_listen;  /* "127.0.0.1:8080", "[::1]:8080", "localhost:8080" */
conf_format conf_format_listen_local;
conf_format conf_format_pointer; /* a JSON pointer to a member */
conf_format conf_format_pointer_or_none;
conf_format conf_format_variable; /* the name of an environment variable */
conf_format conf_format_template; /* a file path in which {source} is the only placeholder */

/* Whether the name of a queue (or its URL) is that of a FIFO queue: no other ends so. */
bool conf_format_is_fifo(const char *queue);

/* Whether a well-formed listener address is reachable from this host only. */
bool conf_format_is_loopback(const char *listen);

#endif
