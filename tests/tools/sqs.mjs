// A signed client of the embedded store's SQS side: our own few lines of SigV4 on node:crypto.
import crypto from 'node:crypto';
import http from 'node:http';
import { request } from './http.mjs';

const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');
const hmac = (key, data) => crypto.createHmac('sha256', key).update(data).digest();

// The Authorization header of a POST to "/" with these headers (lower-case names).
export function authorization({ id, secret, region, service, amzDate, headers, body }) {
    const day = amzDate.slice(0, 8);
    const names = Object.keys(headers).sort();
    const canonical = ['POST', '/', '', ...names.map((name) => `${name}:${headers[name]}`), '',
        names.join(';'), sha256(body)].join('\n');
    const scope = `${day}/${region}/${service}/aws4_request`;
    const toSign = ['AWS4-HMAC-SHA256', amzDate, scope, sha256(canonical)].join('\n');
    const key = [day, region, service, 'aws4_request'].reduce(hmac, `AWS4${secret}`);
    const signature = crypto.createHmac('sha256', key).update(toSign).digest('hex');
    return `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names.join(';')}, ` +
        `Signature=${signature}`;
}

export class SqsError extends Error {
    constructor(status, text) {
        let said = {};
        try {
            said = JSON.parse(text);
        } catch {
            // not JSON: the status has to do
        }
        super(`${status} ${said.__type ?? ''} ${said.message ?? text}`);
        this.status = status;
        this.code = (said.__type ?? '').split('#').at(-1);
    }
}

// target: {socketPath} or {port}; pair: () => ({access_key_id, secret_access_key}).
export class Sqs {
    constructor(target, pair, { connections = 64 } = {}) {
        this.target = target;
        this.pair = pair;
        this.aheadMs = 0; // of the store's clock, where a test has moved that
        this.agent = new http.Agent({ keepAlive: true, maxSockets: connections });
    }

    async call(operation, input, { tamper } = {}) {
        const { access_key_id: id, secret_access_key: secret } = this.pair();
        const body = JSON.stringify(input);
        const amzDate = new Date(Date.now() + this.aheadMs).toISOString().replace(/[-:]|\.\d+/g, '');
        const headers = {
            'content-type': 'application/x-amz-json-1.0',
            host: 'store.local',
            'x-amz-date': amzDate,
            'x-amz-target': `AmazonSQS.${operation}`,
        };
        headers.authorization = authorization({ id, secret, region: 'local', service: 'sqs', amzDate, headers, body });
        tamper?.(headers);
        const answer = await request(this.target, '/', {
            method: 'POST', headers: { ...headers, 'content-length': Buffer.byteLength(body) }, body, agent: this.agent,
        });
        if (answer.status !== 200) {
            throw new SqsError(answer.status, answer.text);
        }
        return answer.text === '' ? {} : answer.json();
    }

    url(queue) {
        return `http://store.local/000000000000/${queue}`;
    }

    // Everything a queue shows, left there (visible again afterwards).
    async peek(queue) {
        const QueueUrl = this.url(queue);
        const all = [];
        for (;;) {
            const { Messages: got = [] } = await this.call('ReceiveMessage', {
                QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 60, MessageAttributeNames: ['All'],
                MessageSystemAttributeNames: ['All'],
            });
            if (got.length === 0) {
                break;
            }
            all.push(...got);
        }
        for (let at = 0; at < all.length; at += 10) {
            await this.call('ChangeMessageVisibilityBatch', {
                QueueUrl,
                Entries: all.slice(at, at + 10).map((m, i) => ({ Id: String(i), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0 })),
            });
        }
        return all;
    }

    // Visible, in flight and delayed messages of a queue.
    async depth(queue) {
        const { Attributes: a } = await this.call('GetQueueAttributes', { QueueUrl: this.url(queue), AttributeNames: ['All'] });
        return Number(a.ApproximateNumberOfMessages) + Number(a.ApproximateNumberOfMessagesNotVisible) +
            Number(a.ApproximateNumberOfMessagesDelayed);
    }

    close() {
        this.agent.destroy();
    }
}

// The attribute of a message that holds JSON, or undefined.
export function attribute(message, name) {
    const text = message.MessageAttributes?.[name]?.StringValue;
    return text === undefined ? undefined : JSON.parse(text);
}
