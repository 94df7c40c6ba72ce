// Dead letters and ledger records from a test's side, by the retry API.
import { request } from './http.mjs';
import { until } from './wait.mjs';

export class DeadLetters {
    constructor(s) {
        this.s = s;
    }

    // A request to the API: {status, headers, text, json()}. target: another way in than loopback.
    ask(path, { method = 'GET', body, headers = {}, target, ...more } = {}) {
        const text = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
        return request(target ?? { port: this.s.ports.api }, path, {
            method, body: text, ...more,
            headers: {
                ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
                ...(text === undefined ? {} : { 'content-length': Buffer.byteLength(text) }), ...headers,
            },
        });
    }

    async answer(path, options) {
        const got = await this.ask(path, options);
        if (got.status !== 200) {
            throw new Error(`${options?.method ?? 'GET'} ${path}: ${got.status} ${got.text}`);
        }
        return got.json();
    }

    // POST /api/v1/dlq/retry
    retry(body) {
        return this.answer('/api/v1/dlq/retry', { method: 'POST', body, timeoutMs: 60_000 });
    }

    // All of them, page by page.
    async list(query = {}) {
        const all = [];
        let token = '';
        do {
            const page = await this.answer(`/api/v1/dlq/events?${new URLSearchParams({ limit: 100, next_token: token, ...query })}`);
            all.push(...page.events);
            token = page.next_token;
        } while (token !== '');
        return all;
    }

    get(key) {
        return this.answer(`/api/v1/dlq/events/${key}`);
    }

    // The ledger's record of an event, or null.
    async record(source, eventId) {
        const got = await this.ask(`/api/v1/trace?${new URLSearchParams({ source, event_id: eventId })}`);
        if (got.status !== 200 && got.status !== 404) {
            throw new Error(`trace: ${got.status} ${got.text}`);
        }
        return got.json().ledger;
    }

    // Waits for so many of them; gives the entries of the list.
    some(count = 1, { seconds = 20 } = {}) {
        return until(`${count} dead letters`, async () => {
            const all = await this.list();
            if (all.length !== count) {
                throw new Error(`there are ${all.length}`);
            }
            return all;
        }, { seconds, every: 100 });
    }
}

// Waits until the queues hold nothing.
export function drained(s, ...queues) {
    return until(`${queues} to run empty`, async () => {
        const depths = await Promise.all(queues.map((queue) => s.sqs.depth(queue)));
        return depths.every((depth) => depth === 0);
    }, { seconds: 40, every: 100 });
}

// The event ids that the presets take from the tests' events.
export const eventIdOf = {
    cxone: (id) => `t_456+${id}`,
    genesys: (id) => `${id}+CALL_COMPLETED+2026-11-21T09:30:00Z`,
};
