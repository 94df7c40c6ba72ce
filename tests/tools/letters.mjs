// The dead letters of a service's embedded store, and its ledger, from outside: signed requests on
// node:crypto, and objects as the consumer writes them.
import crypto from 'node:crypto';
import { request } from './http.mjs';

const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');
const hmac = (key, data) => crypto.createHmac('sha256', key).update(data).digest();
const escape = (text) => encodeURIComponent(text)
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

export const bucket = 'sluice-dead-letters';
export const table = 'sluice-ledger';

let number = 0;

// A dead letter: {key, trace, id, object}. `more` is laid over the object.
export function letter({ body, source = 'cxone', trace, id, at = '2026-11-22T01:10:00.000Z', ...more }) {
    const bytes = Buffer.from(body);
    trace ??= `01KAM5E60000000000${String(number++).padStart(8, '0')}`;
    id ??= `t_456+${trace}`;
    const text = bytes.toString('utf8');
    const raw = Buffer.from(text).equals(bytes) && !/[\0-\x08\x0b\x0c\x0e-\x1f]/.test(text);
    const [year, month, day, hour] = at.split(/[-T:]/);
    return {
        key: `dlq/year=${year}/month=${month}/day=${day}/hour=${hour}/${trace}.json`,
        trace, id,
        object: {
            trace_id: trace, source, event_id: id, schema_version: 'v2.1', original_event: null,
            original_body: raw ? text : bytes.toString('base64'),
            original_encoding: bytes.length === 0 ? 'empty' : raw ? 'raw' : 'base64',
            content_type: 'application/json', error: 'it failed', error_class: 'exhausted',
            failed_at: at, first_failed_at: at, received_at: at, retry_count: 5,
            attempts: [{ at, attempt: 6, error: 'it failed', status: 75, ms: 12 }], sha256: sha256(bytes),
            redrives: 0, parked: false, revision: 0, message_id: 'm-1', dlq: false,
            ledger_key: { destination: 'ledger', source, event_id: id, id: `ledger|${source}|${id}` },
            ...more,
        },
    };
}

export class Letters {
    constructor(service) {
        this.service = service;
        this.target = { socketPath: `${service.state}/run/store.sock` };
    }

    async call(service, method, path, { query = {}, headers = {}, body = '' } = {}) {
        const { access_key_id: id, secret_access_key: secret } = this.service.keyPair();
        const amzDate = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
        const day = amzDate.slice(0, 8);
        const search = Object.keys(query).sort().map((name) => `${escape(name)}=${escape(query[name])}`).join('&');
        const where = path.split('/').map(escape).join('/');
        const signed = { host: 'store.local', 'x-amz-date': amzDate, 'x-amz-content-sha256': sha256(body), ...headers };
        const names = Object.keys(signed).sort();
        const canonical = [method, where, search, ...names.map((name) => `${name}:${signed[name]}`), '',
            names.join(';'), sha256(body)].join('\n');
        const scope = `${day}/local/${service}/aws4_request`;
        const toSign = ['AWS4-HMAC-SHA256', amzDate, scope, sha256(canonical)].join('\n');
        const key = [day, 'local', service, 'aws4_request'].reduce(hmac, `AWS4${secret}`);
        signed.authorization = `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names.join(';')}, ` +
            `Signature=${crypto.createHmac('sha256', key).update(toSign).digest('hex')}`;
        return request(this.target, where + (search && `?${search}`),
            { method, headers: { ...signed, 'content-length': Buffer.byteLength(body) }, body });
    }

    s3(method, key, options) {
        return this.call('s3', method, `/${bucket}/${key}`, options);
    }

    // Writes bytes or, as JSON, an object.
    async put(key, content) {
        const body = typeof content === 'string' ? content : JSON.stringify(content);
        const answer = await this.s3('PUT', key, {
            body,
            headers: {
                'content-type': 'application/json',
                'x-amz-checksum-sha256': crypto.createHash('sha256').update(body).digest('base64'),
            },
        });
        if (answer.status !== 200) {
            throw new Error(`${answer.status} ${answer.text}`);
        }
    }

    // A new one in the bucket.
    async add(what) {
        const made = letter(what);
        await this.put(made.key, made.object);
        return made;
    }

    // The object, or null.
    async get(key) {
        const answer = await this.s3('GET', key);
        return answer.status === 200 ? answer.json() : null;
    }

    remove(key) {
        return this.s3('DELETE', key);
    }

    async keys() {
        const all = [];
        for (;;) {
            const { text } = await this.call('s3', 'GET', `/${bucket}`, {
                query: { 'list-type': '2', prefix: 'dlq/', ...(all.length ? { 'start-after': all.at(-1) } : {}) },
            });
            all.push(...[...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map((m) => m[1]));
            if (!/<IsTruncated>true/.test(text)) {
                return all;
            }
        }
    }

    async ledger(operation, input) {
        const answer = await this.call('dynamodb', 'POST', '/', {
            body: JSON.stringify({ TableName: table, ...input }),
            headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `DynamoDB_20120810.${operation}` },
        });
        return answer.json();
    }

    // A record of the ledger by its id, or undefined.
    async record(id) {
        return (await this.ledger('GetItem', { Key: { id: { S: id } }, ConsistentRead: true })).Item;
    }

    // As if the time of every claim on a dead letter and its record had passed.
    async expireClaims({ key, object }) {
        const now = await this.get(key);
        if (now?.claimed_until) {
            await this.put(key, { ...now, claimed_until: '2026-01-01T00:00:00.000Z' });
        }
        const { id } = object.ledger_key;
        if ((await this.record(id))?.owner) {
            await this.ledger('UpdateItem', {
                Key: { id: { S: id } }, UpdateExpression: 'SET #u = :u',
                ExpressionAttributeNames: { '#u': 'until' }, ExpressionAttributeValues: { ':u': { N: '1' } },
            });
        }
    }

    // The retry API. A body makes it a POST.
    api(path, { json, headers = {}, ...more } = {}) {
        const body = json === undefined ? more.body : JSON.stringify(json);
        const typed = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
        return request({ port: this.service.ports.api }, path,
            { method: body === undefined ? 'GET' : 'POST', timeoutMs: 60_000, ...more, body, headers: { ...typed, ...headers } });
    }

    async retry(json = {}) {
        const answer = await this.api('/api/v1/dlq/retry', { json });
        if (answer.status !== 200) {
            throw new Error(`${answer.status} ${answer.text}`);
        }
        return answer.json();
    }
}
