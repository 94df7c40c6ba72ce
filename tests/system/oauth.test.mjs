// Access tokens, the check before a delivery and the acknowledgement after it, against a strict
// token endpoint and API (tests/tools/cxone.mjs).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Cxone } from '../tools/cxone.mjs';
import { drained } from '../tools/dead-letters.mjs';
import { request } from '../tools/http.mjs';
import { Service, runProgram } from '../tools/service.mjs';
import { attribute } from '../tools/sqs.mjs';
import { until } from '../tools/wait.mjs';

const open = { allow_networks: ['127.0.0.0/8'] };
let count = 0;
const event = (more = {}) => JSON.stringify({ event_id: `evt_${++count}`, tenant_id: 't_1', payload: { interaction_id: `i ${count}/x` }, ...more });

// A source at /name that delivers to the API's /NAME with a token, or to another destination.
function source(name, api, { destination = {}, ...more } = {}) {
    return {
        destinations: { [name]: { type: 'http', url: `${api.url}/${name}`, oauth: 'cxone', timeout_s: 30, ...open, ...destination } },
        sources: { [name]: {
            path: `/${name}`, body: 'json', verify: { type: 'none' }, destination: name, ack_deadline_ms: 10_000,
            event_id: { pointers: ['/event_id'] }, retry: { base_s: 1, cap_s: 2, max_retries: 3 }, ...more,
        } },
    };
}

const together = (parts) => ({
    destinations: Object.assign({}, ...parts.map((p) => p.destinations)),
    sources: Object.assign({}, ...parts.map((p) => p.sources)),
});

async function send(s, name, body = event()) {
    const answer = await s.post(name, body);
    assert.equal(answer.status, 200, answer.text);
    return answer.headers['sluice-trace'];
}

const all = (n, f) => Promise.all(Array.from({ length: n }, (_, i) => f(i)));
const accepted = (api, trace, path) => api.of(trace).filter((r) => r.url === path && r.status === 200);

async function deadLetter(s, name, trace) {
    return until('the dead letter', async () => (await s.sqs.peek(`${name}-dlq`))
        .map((m) => attribute(m, 'SluiceDeadLetter')).find((letter) => letter.trace_id === trace), { seconds: 30 });
}

// Everything that an onlooker can see: logs, status, health, and what the kernel shows of workers.
async function visible(s) {
    const workers = await s.workers('keyring').then(() => s.status()).then(({ workers: w }) => w);
    const texts = [s.log(), JSON.stringify(await s.status())];
    for (const { name, pid, role } of workers) {
        texts.push(JSON.stringify(await s.health(name)), fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
        if (role !== 'keyring') {
            texts.push(fs.readFileSync(`/proc/${pid}/environ`, 'utf8'));
        }
    }
    texts.push((await runProgram('sluicectl', ['-c', s.confFile, '--json', 'status'])).stdout);
    return texts.join('\n');
}

async function assertNoSecret(s, api) {
    const text = await visible(s);
    const { secret } = api.client;
    const form = (v) => encodeURIComponent(v).replace(/%20/g, '+');
    const secrets = [secret, form(secret), form(api.user.password),
        Buffer.from(`${form(api.client.id)}:${form(secret)}`).toString('base64'), ...api.issued];
    for (const one of secrets) {
        assert.ok(!text.includes(one), `"${one}" is visible`);
    }
}

describe('an API with tokens', { concurrency: false }, () => {
    let s, api;
    before(async () => {
        api = await Cxone.start();
        s = await Service.create(undefined, { conf: { consumer: { workers: 4 } } });
        const checked = {
            check: { url: `${api.url}/interactions/{/payload/interaction_id}?t={/tenant_id}`, oauth: 'cxone', timeout_s: 5, ...open },
            acknowledge: { url: `${api.url}/done/{/event_id}`, oauth: 'cxone', ...open },
        };
        s.writeConf({ ...s.conf, oauth: { cxone: api.conf() },
            ...together([source('plain', api), source('checked', api, checked)]) });
        await s.launch();
    });
    after(async () => {
        await s?.dispose();
        await api?.stop();
    });
    const reset = () => {
        api.apiAnswer = () => ({ status: 200 });
    };

    test('is asked for one token by four consumers that deliver 100 events', async () => {
        api.tokenAnswer = () => ({ delayMs: 300 });
        const traces = await all(100, () => send(s, 'plain'));
        await until('the deliveries', () => traces.every((t) => accepted(api, t, '/plain').length === 1), { seconds: 30 });
        assert.equal(api.tokenRequests.length, 1);
        assert.equal(api.tokenRequests[0].refused, undefined);
        assert.ok(api.requests.every((r) => r.status === 200));
    });

    test('that refuses the token gets one new one from all workers, and no attempt is counted', async () => {
        const before = api.tokenRequests.length;
        const retried = await s.counter('consumer', 'retried');
        api.expireAll();
        const traces = await all(60, () => send(s, 'plain'));
        await until('the deliveries', () => traces.every((t) => accepted(api, t, '/plain').length === 1), { seconds: 30 });
        assert.equal(api.tokenRequests.length, before + 1);
        assert.ok(traces.some((t) => api.of(t).length === 2), 'none met the refusal');
        assert.ok(traces.every((t) => api.of(t).length <= 2));
        assert.ok(traces.every((t) => api.of(t).every((r) => r.headers['sluice-attempt'] === '1')));
        assert.equal(await s.counter('consumer', 'retried'), retried);
    });

    test('goes on when the keyring is killed while it asks', async () => {
        const [{ pid }] = await s.workers('keyring');
        const before = api.tokenRequests.length;
        api.tokenAnswer = () => ({ delayMs: 1000 });
        api.expireAll();
        const trace = await send(s, 'plain');
        await until('a token request', () => api.tokenRequests.length > before);
        s.signal('SIGKILL', pid);
        await until('the delivery', () => accepted(api, trace, '/plain').length === 1, { seconds: 30 });
        assert.equal(accepted(api, trace, '/plain').length, 1);
        api.tokenAnswer = null;
    });

    const verdicts = [
        { answers: [200], ends: 'delivered' },
        { answers: [204], ends: 'delivered' },
        { answers: [404], ends: 'validation' },
        { answers: [410], ends: 'validation' },
        { answers: [422], ends: 'validation' },
        { answers: [500, 200], ends: 'delivered' },
        { answers: [429, 200], ends: 'delivered', headers: { 'retry-after': '3' }, waitMs: 2900 },
        { answers: [403, 200], ends: 'delivered' },
        { answers: [302, 200], ends: 'delivered', headers: { location: '/elsewhere' } },
        { answers: [undefined, 200], ends: 'delivered' }, // no answer in time
    ];
    test('is asked about an event before it is delivered, and told after', async () => {
        const plan = new Map();
        api.apiAnswer = (seen, nth) => {
            const steps = plan.get(seen.headers['sluice-trace']) ?? plan.get(seen.url);
            if (!seen.url.startsWith('/interactions/') || !steps) {
                return { status: 200 };
            }
            return { status: steps.answers[Math.min(nth, steps.answers.length) - 1], headers: steps.headers };
        };
        await Promise.all(verdicts.map(async (v) => {
            const body = event();
            const id = JSON.parse(body).payload.interaction_id;
            const url = `/interactions/${encodeURIComponent(id)}?t=t_1`;
            plan.set(url, v);
            const trace = await send(s, 'checked', body);
            if (v.ends === 'delivered') {
                await until(`the acknowledgement after ${v.answers}`, () => api.of(trace).some((r) => r.url.startsWith('/done/')), { seconds: 30 });
                assert.equal(accepted(api, trace, '/checked').length, 1);
            } else {
                const letter = await deadLetter(s, 'checked', trace);
                assert.equal(letter.error_class, v.ends);
                assert.match(letter.error, /^check: HTTP status/);
                assert.ok(api.of(trace).every((r) => r.url === url));
            }
            const checks = api.of(trace).filter((r) => r.url === url);
            assert.equal(checks.length, v.answers.length);
            assert.ok(checks.every((r) => r.method === 'GET' && r.body === ''));
            if (v.waitMs) {
                assert.ok(checks[1].atMs - checks[0].atMs >= v.waitMs);
            }
        }));
        reset();
    });

    test('is not asked about an event without what the URL needs', async () => {
        const trace = await send(s, 'checked', event({ payload: {} }));
        const letter = await deadLetter(s, 'checked', trace);
        assert.equal(letter.error_class, 'validation');
        assert.match(letter.error, /the field \/payload\/interaction_id is missing/);
        assert.equal(api.of(trace).length, 0);
    });

    test('that refuses the acknowledgement gets no second delivery', async () => {
        const failed = await s.counter('consumer', 'acknowledge_failed');
        api.apiAnswer = (seen) => ({ status: seen.url.startsWith('/done/') ? 500 : 200 });
        const body = event();
        const trace = await send(s, 'checked', body);
        await until('the failure', async () => (await s.counter('consumer', 'acknowledge_failed')) === failed + 1, { seconds: 20 });
        const notes = api.of(trace).filter((r) => r.url.startsWith('/done/'));
        assert.equal(notes.length, 3);
        assert.equal(notes[0].method, 'POST');
        const { trace_id: id, source: from, event_id: eventId } = JSON.parse(notes[0].body);
        assert.deepEqual([id, from, eventId], [trace, 'checked', JSON.parse(body).event_id]);
        assert.equal(accepted(api, trace, '/checked').length, 1);
        assert.match(s.log(), new RegExp(`acknowledgement failed trace=${trace}`));
        reset();
    });

    test('is reached by a redrive with a token, a check and an acknowledgement', async () => {
        api.apiAnswer = (seen) => ({ status: seen.url === '/checked' ? 400 : 200 });
        const trace = await send(s, 'checked');
        await deadLetter(s, 'checked', trace);
        await drained(s, 'checked'); // until then the ledger may not know of the death
        reset();
        const before = api.of(trace).length;
        const answer = await request({ port: s.ports.api }, '/api/v1/dlq/retry', {
            method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"limit":100,"source":"checked","error_class":"rejected"}',
        });
        assert.deepEqual(answer.json().processed.map((p) => p.trace_id), [trace], answer.text);
        await until('the acknowledgement', () => api.of(trace).some((r) => r.url.startsWith('/done/')));
        const urls = api.of(trace).slice(before).map((r) => r.url.split('/')[1]);
        assert.deepEqual(urls, ['interactions', 'checked', 'done']);
    });

    test('that repeats the token in its refusals finds it in no log and no dead letter', async () => {
        const answers = [401, 401, 500, 400];
        api.apiAnswer = (seen, nth) => ({
            status: answers[Math.min(nth, answers.length) - 1], headers: { 'content-type': 'text/plain' },
            body: `not with ${seen.headers.authorization}`,
        });
        const trace = await send(s, 'plain');
        const letter = await deadLetter(s, 'plain', trace);
        assert.match(letter.error, /^HTTP status 400: not with Bearer \*+$/);
        assert.match(s.log(), new RegExp(`event retried trace=${trace}.*HTTP status 401: not with Bearer \\*`));
        reset();
    });

    test('leaves no secret where others can see it', () => assertNoSecret(s, api));
});

// One event to the end with a service of its own.
async function small(t, api, conf, more) {
    const s = await Service.create(t);
    s.writeConf({ ...s.conf, oauth: { cxone: conf }, ...together([source('plain', api, more)]) });
    await s.launch();
    return s;
}

describe('tokens', { concurrency: 2 }, () => {
    test('of 12 KiB are renewed early, found by discovery, for a user, with the secret in the form', async (t) => {
        const api = await Cxone.start(t, { auth: 'post', grant: 'password', lifetimeS: 3, asText: true, tokenBytes: 12_288 });
        const s = await small(t, api, api.conf({ discovery_url: api.url }));
        while (api.tokenRequests.length < 5) {
            const trace = await send(s, 'plain');
            await until('the delivery', () => accepted(api, trace, '/plain').length === 1, { seconds: 20 });
        }
        assert.ok(api.tokenRequests.every((r) => !r.refused), JSON.stringify(api.tokenRequests));
        // Early by a tenth: a machine that stands still just then can make one late, but not all.
        const lives = api.tokenRequests.slice(1).map((r, i) => r.atMs - api.tokenRequests[i].atMs);
        assert.ok(lives.filter((ms) => ms < 3000).length >= 2, `asked for after ${lives} ms`);
        assert.ok(api.requests.filter((r) => r.status !== 200).length <= 2, 'tokens were used past their end');
        assert.equal(api.discoveries, 1);
        await assertNoSecret(s, api);
    });

    for (const [name, header] of [['seconds', () => '2'], ['a date', () => new Date(Date.now() + 3000).toUTCString()]]) {
        test(`are asked for again after a Retry-After in ${name}`, async (t) => {
            const api = await Cxone.start(t, { lifetimeS: undefined });
            api.tokenAnswer = (n) => (n === 1 ? { status: 429, headers: { 'retry-after': header() } } : null);
            const s = await small(t, api, api.conf());
            const trace = await send(s, 'plain');
            await until('the delivery', () => accepted(api, trace, '/plain').length === 1, { seconds: 30 });
            const [first, second] = api.tokenRequests;
            assert.ok(second.atMs - first.atMs >= 1900, `${second.atMs - first.atMs} ms`);
            assert.equal(api.tokenRequests.length, 2);
        });
    }

    test('that cannot be had leave the event waiting and say what to correct, without the secret', async (t) => {
        const api = await Cxone.start(t);
        const s = await small(t, api, api.conf({ client_secret: 'wr ong/secret' }));
        const began = performance.now();
        const trace = await send(s, 'plain');
        await until('the reason in a consumer', async () => {
            const healths = await Promise.all((await s.workers('consumer')).map((w) => s.health(w.name)));
            return healths.some((h) => h.waiting.some((text) => /oauth cxone: .*invalid_client: correct client_id/.test(text)));
        }, { seconds: 20 });
        await until('the attempt', () => new RegExp(`event put off trace=${trace}.*no access token for oauth "cxone"`).test(s.log()), { seconds: 20 });
        assert.equal(api.of(trace).length, 0);
        // Once more every half minute at most.
        const asked = api.tokenRequests.length;
        assert.ok(asked <= 2 + (performance.now() - began) / 30_000, `${asked} token requests`);
        const text = await visible(s);
        assert.ok(text.includes('you sent'), 'the description is not shown at all');
        for (const secret of ['wr ong/secret', 'wr+ong%2Fsecret']) {
            assert.ok(!text.includes(secret) && !text.includes(Buffer.from(secret).toString('base64')));
        }
    });

    test('that are refused by an answer with status 200 are so with its words', async (t) => {
        const api = await Cxone.start(t);
        api.tokenAnswer = () => api.json(200, { error: 'invalid_scope', error_description: 'not for you' });
        const s = await small(t, api, api.conf());
        await send(s, 'plain');
        await until('the reason', () => s.log().includes('invalid_scope: correct scopes (not for you)'), { seconds: 20 });
    });

    test('that are out cost an event no attempts', async (t) => {
        const cycles = 12;
        const api = await Cxone.start(t);
        api.tokenAnswer = () => ({ status: 503 });
        const s = await small(t, api, api.conf(), { destination: { timeout_s: 1, breaker_open_s: 1 } });
        const trace = await send(s, 'plain');
        const cycle = new RegExp(`event put off trace=${trace}.*no access token`, 'g');
        await until(`${cycles} cycles`, () => (s.log().match(cycle) ?? []).length >= cycles, { seconds: 90, every: 200 });
        api.tokenAnswer = null;
        await until('the delivery', () => accepted(api, trace, '/plain').length === 1, { seconds: 90, every: 200 });
        const [delivery, ...more] = api.of(trace);
        t.diagnostic(`${s.log().match(cycle).length} cycles, ${api.tokenRequests.length} token requests, delivered as attempt ${delivery.headers['sluice-attempt']}`);
        assert.ok(Number(delivery.headers['sluice-attempt']) <= 2);
        assert.deepEqual(more, []);
    });

    test('that the API refuses each time do not make the keyring ask each time', async (t) => {
        const api = await Cxone.start(t);
        const s = await small(t, api, api.conf());
        const give = api.giveToken.bind(api);
        api.giveToken = (...args) => {
            const answer = give(...args);
            api.expireAll();
            return answer;
        };
        const traces = await all(10, () => send(s, 'plain'));
        await until('the reason', () => /tokens are given, but refused/.test(s.log()) || /a new one too/.test(s.log()), { seconds: 20 });
        await until('refusals', () => traces.filter((x) => api.of(x).length >= 2).length >= 1, { seconds: 20 });
        assert.ok(api.tokenRequests.length <= 3, `${api.tokenRequests.length} token requests`);
    });
});

describe('a check that is refused', { concurrency: 2 }, () => {
    for (const [name, header] of [['seconds', () => '10'], ['a date', () => new Date(Date.now() + 11_000).toUTCString()]]) {
        test(`with a Retry-After in ${name} holds back all workers, but no other source`, async (t) => {
            const api = await Cxone.start(t);
            let refusals = 0;
            api.apiAnswer = (seen) => (seen.url.startsWith('/check/') && refusals++ === 0
                ? { status: 429, headers: { 'retry-after': header() } } : { status: 200 });
            const s = await Service.create(t, { conf: { consumer: { workers: 3 } } });
            const check = { url: `${api.url}/check/{/event_id}`, oauth: 'cxone', ...open };
            const conf = together([source('plain', api), source('checked', api, { check })]);
            conf.sources.checked.destination = 'plain';
            s.writeConf({ ...s.conf, oauth: { cxone: api.conf() }, ...conf });
            await s.launch();
            const first = await send(s, 'checked');
            const gate = await until('the gate', async () => (await s.status()).gates.find(({ key }) => key === 'destination:plain/checked'));
            assert.match(gate.why, /^check: HTTP status 429/);
            const others = await all(20, () => send(s, 'plain'));
            const traces = [first, ...await all(20, () => send(s, 'checked'))];
            await until('the deliveries', () => [...traces, ...others].every((x) => accepted(api, x, '/plain').length === 1), { seconds: 60 });
            const [refused, ...rest] = api.requests.filter((r) => r.url.startsWith('/check/'));
            const at = rest.map((r) => Math.round(r.atMs - refused.atMs)).sort((a, b) => a - b);
            const lastOther = Math.max(...others.map((x) => Math.round(accepted(api, x, '/plain')[0].atMs - refused.atMs)));
            t.diagnostic(`checks, ms after the 429: ${at.join(' ')}; the other source was done after ${lastOther}`);
            assert.ok(at[0] >= 9950, `a check came after ${at[0]} ms`);
            assert.equal(rest.length, 21);
            assert.ok(lastOther < at[0], `${lastOther} ms`);
            assert.equal(accepted(api, first, '/plain')[0].headers['sluice-attempt'], '1'); // the 429 counted nothing
            assert.equal((await s.status()).gates.length, 0);
        });
    }
});
