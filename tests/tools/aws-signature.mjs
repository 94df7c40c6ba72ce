// Checks a request's signature as AWS does, with the SDK's own signer: undefined, or the error answer.
import crypto from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { errorAnswer } from './aws-request.mjs';

const toleranceMs = 15 * 60_000;
const coral = 'com.amazon.coral.service#';
const signed = (ms) => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');
const readDate = (text) => Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));

// Each way to be refused, in the words of S3 and of the JSON services.
const refusals = {
    missing: (r) => (r.service === 's3'
        ? errorAnswer(r, 403, 'AccessDenied', 'Access Denied')
        : errorAnswer(r, 403, 'MissingAuthenticationTokenException', 'Request is missing Authentication Token', { legacy: 'MissingAuthenticationToken', prefix: coral })),
    unknown: (r, { id }) => (r.service === 's3'
        ? errorAnswer(r, 403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.', { more: { AWSAccessKeyId: id } })
        : errorAnswer(r, r.service === 'sqs' ? 403 : 400, 'UnrecognizedClientException', 'The security token included in the request is invalid.', { legacy: 'InvalidClientTokenId', prefix: coral })),
    expired: (r) => (r.service === 's3'
        ? errorAnswer(r, 400, 'ExpiredToken', 'The provided token has expired.')
        : errorAnswer(r, r.service === 'sqs' ? 403 : 400, 'ExpiredTokenException', 'The security token included in the request is expired', { legacy: 'ExpiredToken', prefix: coral })),
    region: (r, { region, wanted }) => (r.service === 's3'
        ? errorAnswer(r, 400, 'AuthorizationHeaderMalformed', `The authorization header is malformed; the region '${region}' is wrong; expecting '${wanted}'`,
            { more: { Region: wanted }, headers: { 'x-amz-bucket-region': wanted } })
        : mismatch(r, `Credential should be scoped to a valid region, not '${region}'.`)),
    service: (r, { service }) => mismatch(r, `Credential should be scoped to correct service: '${r.service}', not '${service}'.`),
    skewed: (r, { at, now }) => {
        if (r.service === 's3') {
            return errorAnswer(r, 403, 'RequestTimeTooSkewed', 'The difference between the request time and the current time is too large.',
                { more: { RequestTime: signed(at), ServerTime: new Date(now).toISOString(), MaxAllowedSkewMilliseconds: toleranceMs } });
        }
        return mismatch(r, at < now
            ? `Signature expired: ${signed(at)} is now earlier than ${signed(now - toleranceMs)} (${signed(now)} - 15 min.)`
            : `Signature not yet current: ${signed(at)} is still later than ${signed(now + toleranceMs)} (${signed(now)} + 15 min.)`);
    },
    unsigned: (r, { names }) => errorAnswer(r, 403, 'AccessDenied', 'There were headers present in the request which were not signed', { more: { HeadersNotSigned: names } }),
    digest: (r) => errorAnswer(r, 400, 'XAmzContentSHA256Mismatch', "The provided 'x-amz-content-sha256' header does not match what was computed."),
    signature: (r) => mismatch(r, 'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.'),
};

function mismatch(r, message) {
    return r.service === 's3' || r.service === 'sts'
        ? errorAnswer(r, 403, 'SignatureDoesNotMatch', message)
        : errorAnswer(r, r.service === 'sqs' ? 403 : 400, 'InvalidSignatureException', message, { legacy: 'SignatureDoesNotMatch', prefix: coral });
}

function parse(authorization) {
    const found = authorization?.match(/^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/);
    return found && { id: found[1], date: found[2], region: found[3], service: found[4], names: found[5].split(';'), signature: found[6] };
}

// The query as the SDK's signer takes it: decoded, a repeated name's values in a list.
function queryOf(search) {
    const all = {};
    for (const [name, value] of search.entries()) {
        all[name] = name in all ? [all[name], value].flat() : value;
    }
    return all;
}

async function recompute(r, said, { id, secret, token }) {
    const s3 = r.service === 's3';
    const credentials = { accessKeyId: id, secretAccessKey: secret, sessionToken: token };
    const signer = new SignatureV4({ credentials, region: said.region, service: said.service, sha256: Sha256, uriEscapePath: !s3, applyChecksum: s3 });
    const headers = Object.fromEntries(said.names.map((name) => [name, r.headers[name] ?? '']));
    const request = { method: r.method, protocol: 'http:', hostname: r.headers.host, path: r.path, query: queryOf(r.query), headers, body: r.body };
    const again = await signer.sign(request, { signingDate: new Date(readDate(r.headers['x-amz-date'])) });
    return parse(again.headers.authorization);
}

// What keeps the request from being accepted: {why, ...} or nothing. keys: those that AWS knows, each
// {id, secret, token, expired}.
async function find(r, { keys, region, now }) {
    const said = parse(r.headers.authorization);
    const date = r.headers['x-amz-date'] ?? '';
    if (!said || !/^\d{8}T\d{6}Z$/.test(date)) {
        return { why: 'missing' };
    }
    const key = keys.find(({ id }) => id === said.id);
    if (!key || key.token !== r.headers['x-amz-security-token']) {
        return { why: 'unknown', id: said.id };
    }
    if (said.region !== region) {
        return { why: 'region', region: said.region, wanted: region };
    }
    if (said.service !== r.service) {
        return { why: 'service', service: said.service };
    }
    if (Math.abs(readDate(date) - now) > toleranceMs) {
        return { why: 'skewed', at: readDate(date), now };
    }
    const names = Object.keys(r.headers).filter((name) => (name === 'host' || name.startsWith('x-amz-')) && !said.names.includes(name));
    if (names.length > 0) {
        return { why: 'unsigned', names };
    }
    if (r.service === 's3' && r.headers['x-amz-content-sha256'] !== crypto.createHash('sha256').update(r.body).digest('hex')) {
        return { why: 'digest' };
    }
    const again = await recompute(r, said, key);
    if (said.date !== date.slice(0, 8) || again.signature !== said.signature || again.names.join() !== said.names.join()) {
        return { why: 'signature' };
    }
    return key.expired ? { why: 'expired' } : undefined;
}

export async function checkSignature(request, rules) {
    const found = await find(request, rules);
    return found && { why: found.why, answer: refusals[found.why](request, found) };
}
