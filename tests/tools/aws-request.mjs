// What a request to AWS asks for, read off the wire, and errors as AWS's services write them.
import crypto from 'node:crypto';

const targets = { AmazonSQS: 'sqs', DynamoDB_20120810: 'dynamodb' };
const bucketQueries = { versioning: 'GetBucketVersioning', 'list-type': 'ListObjectsV2' };

function s3Operation(method, key, query) {
    if (key !== '') {
        return { GET: 'GetObject', HEAD: 'HeadObject', PUT: 'PutObject', DELETE: 'DeleteObject' }[method];
    }
    const asked = Object.keys(bucketQueries).find((name) => query.has(name));
    return asked ? bucketQueries[asked] : { HEAD: 'HeadBucket', PUT: 'CreateBucket' }[method];
}

// The bucket is the path's first part, or (virtual-host style) what stands before ".s3." in the host.
function s3Request({ method, headers, path, query }) {
    const virtual = headers.host.match(/^(.+?)\.s3[.-]/)?.[1];
    const [, first, rest = ''] = path.match(/^\/([^/]*)(?:\/(.*))?$/s);
    const bucket = virtual ?? first;
    const key = decodeURIComponent(virtual ? path.slice(1) : rest);
    return { service: 's3', operation: s3Operation(method, key, query), bucket, key, virtual: virtual !== undefined };
}

// {method, url, path, query, headers, body} and: service, operation, and of a JSON service its input
// (json), of S3 bucket and key.
export function readRequest({ method, url, headers, body }) {
    const [path, search = ''] = url.split(/\?(.*)/s);
    const asked = { method, url, path, query: new URLSearchParams(search), headers, body };
    const [prefix, operation] = (headers['x-amz-target'] ?? '').split('.');
    if (targets[prefix]) {
        return { ...asked, service: targets[prefix], operation, json: JSON.parse(body.toString() || '{}') };
    }
    if (headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
        return { ...asked, service: 'sts', operation: new URLSearchParams(body.toString()).get('Action') };
    }
    return { ...asked, ...s3Request(asked) };
}

const xml = (text) => String(text).replace(/[<>&"]/g, (c) => `&#${c.charCodeAt(0)};`);

// An error answer of this service. code: S3's, STS's and DynamoDB's; of SQS the new spelling, with
// `legacy` the one of the header x-amzn-query-error. HEAD gets no body.
export function errorAnswer({ service, method }, status, code, message, { legacy, headers = {}, more = {}, prefix } = {}) {
    const id = crypto.randomUUID();
    const members = Object.entries(more).map(([name, value]) => `<${name}>${xml(value)}</${name}>`).join('');
    const inside = `<Code>${xml(code)}</Code><Message>${xml(message)}</Message>`;
    const xmlAnswer = (body) => ({
        status, body: Buffer.from(method === 'HEAD' ? '' : `<?xml version="1.0" encoding="UTF-8"?>\n${body}`),
        headers: { 'content-type': 'application/xml', 'x-amz-request-id': id, ...headers },
    });
    if (service === 's3') {
        return xmlAnswer(`<Error>${inside}${members}<RequestId>${id}</RequestId><HostId>h</HostId></Error>`);
    }
    if (service === 'sts') {
        return xmlAnswer(`<ErrorResponse><Error><Type>Sender</Type>${inside}</Error><RequestId>${id}</RequestId></ErrorResponse>`);
    }
    const place = prefix ?? { sqs: 'com.amazonaws.sqs#', dynamodb: 'com.amazonaws.dynamodb.v20120810#' }[service];
    return {
        status, body: Buffer.from(JSON.stringify({ __type: `${place}${code}`, message })),
        headers: {
            'content-type': 'application/x-amz-json-1.0', 'x-amzn-requestid': id,
            ...(legacy ? { 'x-amzn-query-error': `${legacy};Sender` } : {}), ...headers,
        },
    };
}
