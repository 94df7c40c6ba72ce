// The retry API: redrives, and what is listed, shown, dropped and found.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Letters } from '../tools/letters.mjs';
import { cxone } from '../tools/events.mjs';
import { request } from '../tools/http.mjs';
import { shortLeases } from '../tools/load.mjs';
import { Receiver } from '../tools/receiver.mjs';
import { alive, merge, Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

async function start(t, conf = {}) {
    const s = await Service.start(t, { conf });
    return { s, d: new Letters(s) };
}

const nothing = { processed: [], failed: [], errors: [], next_token: '' };

describe('one redrive', { concurrency: 2 }, () => {
    test('delivers once, and is in the ledger', async (t) => {
        const { s, d } = await start(t);
        const one = await d.add({ body: cxone() });
        const processed = [{ key: one.key, trace_id: one.trace, event_id: one.id }];
        assert.deepEqual(await d.retry(), { ...nothing, processed });
        assert.deepEqual(s.ledger().map((l) => l.attempt), [7]);
        assert.deepEqual(await d.keys(), []);
        const record = await d.record(one.object.ledger_key.id);
        assert.equal(record.state.S, 'delivered');
        assert.equal(record.owner, undefined, 'the claim was given back');

        await d.put(one.key, one.object);
        assert.deepEqual(await d.retry(), { ...nothing, processed: [{ ...processed[0], note: 'already delivered' }] });
        assert.equal(s.ledger().length, 1);
        assert.deepEqual(await d.keys(), []);

        await d.put(one.key, one.object);
        assert.deepEqual(await d.retry({ force: true }), { ...nothing, processed });
        assert.equal(s.ledger().length, 2);
        assert.equal(await s.counter('retry', 'redriven'), 3);
    });

    test('that the ledger cannot be told of is told by the dead letter, and not repeated', async (t) => {
        const env = { SLUICE_FAULT_ROLE: 'retry', SLUICE_FAULT: [1, 2, 3].map((n) => `retry.before_outcome:${n}:fail`).join() };
        const told = await Receiver.start(t, () => ({ status: 200 }));
        const acknowledge = { url: `${told.url}/done/{/event_id}`, allow_networks: ['127.0.0.0/8'] };
        const s = await Service.start(t, { conf: merge(shortLeases, { sources: { cxone: { acknowledge } } }), env });
        const d = new Letters(s);
        const one = await d.add({ body: cxone() });
        const { processed } = await d.retry();
        assert.match(processed[0].note, /the ledger could not be told/);
        await until('the acknowledgement', () => told.requests.length > 0, { seconds: 20 });
        assert.ok(Date.parse((await d.get(one.key)).delivered_at) > 0);
        assert.equal((await d.record(one.object.ledger_key.id)).state.S, 'dead');
        await until('the claim to run out', async () => (await d.retry()).processed[0]?.note === 'already delivered',
            { seconds: 40, every: 500 });
        assert.equal(s.ledger().length, 1);
        assert.deepEqual(await d.keys(), []);
        assert.equal((await d.record(one.object.ledger_key.id)).state.S, 'delivered');
        await s.stop(); // what is under way is ended first
        assert.equal(told.requests.length, 1);
    });

    test('that fails updates its own object until it is parked', async (t) => {
        const { s, d } = await start(t, { dead_letters: { max_redrives: 2 } });
        const one = await d.add({ body: cxone({ what: 'fail always' }) });
        const failed = [{
            key: one.key, trace_id: one.trace, event_id: one.id,
            error: 'told to fail at attempt 7', class: 'exhausted', retry_count: 6,
        }];
        assert.deepEqual(await d.retry(), { ...nothing, failed });
        const { attempts, failed_at, ...after } = await d.get(one.key);
        const { attempts: history, failed_at: before, ...rest } = one.object;
        assert.deepEqual(after, { ...rest, error: failed[0].error, retry_count: 6, redrives: 1 });
        assert.deepEqual(attempts.slice(0, 1), history);
        assert.equal(attempts[1].attempt, 7);
        assert.ok(failed_at > before);
        const record = await d.record(one.object.ledger_key.id);
        assert.deepEqual([record.state.S, record.owner, record.dlq_key.S], ['dead', undefined, one.key]);

        assert.equal((await d.retry()).failed[0].retry_count, 7);
        assert.equal((await d.get(one.key)).parked, true);
        assert.deepEqual(await d.retry(), nothing, 'a sweep passes over it');
        assert.equal((await d.retry({ keys: [one.key] })).failed[0].class, 'parked');
        assert.equal((await d.retry({ keys: [one.key], force: true })).failed[0].retry_count, 8);
        assert.deepEqual(await d.keys(), [one.key]);
        assert.equal(s.ledger().length, 3);
    });

    test('says which failure is whose', async (t) => {
        const { d } = await start(t);
        const classOf = async (key) => (await d.retry({ keys: [key] })).failed[0]?.class;
        assert.equal(await classOf((await d.add({ body: cxone({ what: 'refuse' }) })).key), 'rejected');
        assert.equal(await classOf((await d.add({ body: '{"event_id":"e"}' })).key), 'validation');
        assert.equal(await classOf((await d.add({ body: cxone(), source: 'gone' })).key), 'configuration');
        assert.equal(await classOf((await d.add({ body: cxone(), sha256: '0' })).key), 'unreadable');
        const held = { claimed_by: 'another host', claimed_until: '2999-01-01T00:00:00.000Z' };
        assert.equal(await classOf((await d.add({ body: cxone(), ...held })).key), 'in_progress');
        assert.equal(await classOf('dlq/year=2026/month=11/day=22/hour=09/nobody.json'), 'missing');
        const open = await d.add({ body: cxone() });
        const item = { id: { S: open.object.ledger_key.id }, state: { S: 'open' }, attempts: { N: '1' }, payload: { S: open.object.sha256 } };
        await d.ledger('PutItem', { Item: item });
        assert.equal(await classOf(open.key), 'in_progress', 'its message is on the queue again');
        assert.equal((await d.get(open.key)).claimed_by, undefined);
    });

    test('gives the destination the exact bytes', async (t) => {
        const raw = { path: '/raw', preset: 'generic', verify: { type: 'none' }, destination: 'ledger' };
        const { s, d } = await start(t, { sources: { raw } });
        const bodies = ['{"a":12345678901234567890123,"b":100.10,"b":1e5,"c":"\\u0041\\/"}', '', 'x\r\n\t\u00e4',
            Buffer.from([0xff, 0, 0x80, 10])];
        for (const body of bodies) {
            const one = await d.add({ body, source: 'raw' });
            const shown = await d.api(`/api/v1/dlq/events/${one.key}`);
            assert.deepEqual(shown.json(), { key: one.key, ...one.object });
            assert.equal((await d.retry()).processed.length, 1);
            assert.deepEqual(s.deliveredBody(s.ledger().at(-1)), Buffer.from(body));
        }
    });
});

describe('many redrives', { concurrency: 2 }, () => {
    for (const ledger of [true, false]) {
        test(`three sweeps of one page at once deliver each event once, ledger ${ledger ? 'on' : 'off'}`, async (t) => {
            const { s, d } = await start(t, { sources: { cxone: { ledger } } });
            for (let i = 0; i < 20; i++) {
                await d.add({ body: cxone({ what: i % 2 ? 'sleep 0.3' : undefined }) });
            }
            const answers = await Promise.all([1, 2, 3].map(() => d.retry({ limit: 100 })));
            assert.equal(answers.flatMap((a) => a.processed).filter((p) => !p.note).length, 20);
            assert.ok(answers.flatMap((a) => a.failed).every((f) => f.class === 'in_progress'));
            assert.equal(s.ledger().length, 20);
            assert.equal(new Set(s.ledger().map((l) => l.trace)).size, 20);
            assert.deepEqual(await d.keys(), []);
        });
    }

    test('250 are swept while others are deleted: each is met once', async (t) => {
        const { d } = await start(t);
        const all = [];
        for (let i = 0; i < 250; i++) {
            all.push(await d.add({ body: cxone({ what: i % 5 ? undefined : 'fail always' }), at: `2026-11-22T0${i % 7}:10:00.000Z` }));
        }
        const met = [];
        const deleted = new Set();
        let token = '';
        do {
            const page = await d.retry({ limit: 100, next_token: token });
            const keys = [...page.processed, ...page.failed].map((one) => one.key);
            assert.ok(keys.length <= 100);
            met.push(...keys);
            token = page.next_token;
            const left = all.filter(({ key }) => !met.includes(key) && !deleted.has(key));
            for (const { key } of left.filter((_, i) => i % 9 === 0)) {
                deleted.add(key);
                await d.remove(key);
            }
        } while (token);
        assert.equal(new Set(met).size, met.length);
        assert.deepEqual(all.map(({ key }) => key).filter((key) => !deleted.has(key)).sort(), met.sort());
        assert.equal((await d.keys()).length, (await d.api('/api/v1/dlq/summary')).json().total);
    });

    test('an answer comes in time, and what is slow goes on', async (t) => {
        const { s, d } = await start(t, { retry: { max_redrive_s: 3 } });
        await d.add({ body: cxone({ what: 'hold' }) });
        const { processed, failed } = await d.retry();
        assert.equal(s.ledger().length, 0, 'not by the end of the work');
        assert.deepEqual([processed, failed[0].class], [[], 'in_progress']);
        assert.equal((await d.retry()).failed[0].class, 'in_progress');
        s.release();
        await until('its end', async () => (await d.keys()).length === 0, { seconds: 20 });
        assert.equal(s.ledger().length, 1);
    });

    test('what is not tried in time is in neither list', async (t) => {
        const { s, d } = await start(t, { retry: { max_redrive_s: 3 } });
        for (let i = 0; i < 30; i++) {
            await d.add({ body: cxone({ what: 'sleep 1' }) });
        }
        const first = await d.retry({ limit: 100 });
        const tried = first.processed.length + first.failed.length;
        assert.ok(tried > 0 && tried < 30, `${tried} tried`);
        assert.notEqual(first.next_token, '');
        for (let token = first.next_token; token;) {
            token = (await d.retry({ limit: 100, next_token: token })).next_token;
        }
        await until('the last ones', async () => (await d.keys()).length === 0);
        assert.equal(s.ledger().length, 30);
    });

    test('a drain ends what is under way', async (t) => {
        const { s, d } = await start(t);
        for (let i = 0; i < 4; i++) {
            await d.add({ body: cxone({ what: 'sleep 2' }) });
        }
        const answer = d.retry();
        await until('all to be started', () => s.started().length === 4);
        const ended = s.stop();
        assert.equal((await answer).processed.length, 4);
        assert.equal((await ended).status, 0);
        assert.equal(s.ledger().length, 4);
    });
});

describe('a redrive that takes its time', { concurrency: 3 }, () => {
    test('keeps its claim in the ledger, and ends when that is lost', async (t) => {
        const { s, d } = await start(t);
        const [kept, lost] = [await d.add({ body: cxone({ what: 'hold' }) }), await d.add({ body: cxone({ what: 'hold' }) })];
        const answer = d.retry();
        await until('both to be started', () => s.started().length === 2);
        const claimedUntil = async () => Number((await d.record(kept.object.ledger_key.id)).until?.N);
        const first = await claimedUntil();
        await d.ledger('UpdateItem', {
            Key: { id: { S: lost.object.ledger_key.id } }, UpdateExpression: 'SET #o = :o',
            ExpressionAttributeNames: { '#o': 'owner' }, ExpressionAttributeValues: { ':o': { S: 'somebody else' } },
        });
        await until('the extension', async () => await claimedUntil() > first, { seconds: 18 });
        const program = Number(s.started().find((name) => name.startsWith(lost.trace)).split('.')[2]);
        await until('the end of the one that lost its claim', () => !alive(program));
        s.release();
        const { processed, failed } = await answer;
        assert.deepEqual(processed.map((one) => one.key), [kept.key]);
        assert.deepEqual(failed.map((one) => [one.key, one.class, one.retry_count]), [[lost.key, 'in_progress', 5]]);
        assert.equal((await d.get(lost.key)).claimed_by, undefined);
        assert.equal((await d.record(lost.object.ledger_key.id)).owner.S, 'somebody else');
    });

    test('at a destination that takes one at a time', async (t) => {
        const { s, d } = await start(t, { destinations: { ledger: { max_running: 1, timeout_s: 6 } } });
        for (let i = 0; i < 5; i++) {
            await d.add({ body: cxone({ what: 'sleep 0.5' }) });
        }
        await d.add({ body: cxone({ what: 'sleep 60' }) });
        const { processed, failed } = await d.retry();
        assert.equal(processed.length, 5);
        assert.deepEqual(failed.map((one) => [one.class, one.retry_count]), [['exhausted', 6]]);
        assert.match(failed[0].error, /6 s/);
        assert.equal(s.ledger().length, 5);
    });

    test('that has not begun when the service stops leaves no trace', async (t) => {
        const { s, d } = await start(t, { destinations: { ledger: { max_running: 1 } } });
        for (let i = 0; i < 5; i++) {
            await d.add({ body: cxone({ what: 'hold' }) });
        }
        const answer = d.retry();
        await until('one to be started', () => s.started().length === 1);
        const ended = s.stop();
        await until('the drain', () => / retry draining: /.test(s.log()));
        s.release();
        const { processed, failed } = await answer;
        assert.equal(processed.length, 1);
        assert.deepEqual(failed.map((one) => [one.class, one.retry_count]), Array(4).fill(['stopped', 5]));
        await ended;
        await s.launch();
        assert.equal((await d.retry()).processed.length, 4, 'no claim is in the way');
        assert.equal(s.ledger().length, 5);
    });
});

describe('the API', { concurrency: 2 }, () => {
    test('lists, filters, counts, shows, finds and drops', async (t) => {
        const { s, d } = await start(t);
        const all = [];
        for (let i = 0; i < 30; i++) {
            all.push(await d.add({
                body: cxone(), at: `2026-11-2${i % 2}T0${i % 10}:10:00.000Z`, source: i % 2 ? 'cxone' : 'genesys',
                error_class: i % 3 ? 'exhausted' : 'rejected',
            }));
        }
        const seen = [];
        let token = '';
        do {
            const page = (await d.api(`/api/v1/dlq/events?limit=7&next_token=${token}`)).json();
            seen.push(...page.events.map((e) => e.key));
            token = page.next_token;
        } while (token);
        assert.deepEqual(seen, all.map(({ key }) => key).sort());
        const count = async (query) => (await d.api(`/api/v1/dlq/events?limit=100&${query}`)).json().events.length;
        const expect = (wanted) => all.filter(({ object }) => wanted(object)).length;
        assert.equal(await count('source=cxone&error_class=rejected'), expect((o) => o.source === 'cxone' && o.error_class === 'rejected'));
        assert.equal(await count('from=2026-11-20T02:10:00Z&to=2026-11-20T06:10:00Z'),
            expect((o) => o.failed_at >= '2026-11-20T02:10:00.000Z' && o.failed_at <= '2026-11-20T06:10:00.000Z'));
        const summary = (await d.api('/api/v1/dlq/summary')).json();
        assert.deepEqual([summary.total, summary.complete, summary.counts.length], [30, true, 4]);

        const [one, two] = [all[3], all[5]];
        const dry = await d.retry({ dry_run: true, source: 'genesys', limit: 100 });
        assert.equal(dry.processed.length, 15);
        assert.equal(s.ledger().length, 0);
        assert.equal((await d.api(`/api/v1/dlq/events/${encodeURIComponent(one.key)}`)).json().trace_id, one.trace);
        const found = (await d.api(`/api/v1/trace/${one.trace}`)).json();
        assert.deepEqual([found.dead_letter.key, found.ledger], [one.key, null]);
        const unknown = await d.api('/api/v1/trace/01KAM5E6000000000099999999');
        assert.deepEqual([unknown.status, unknown.json().complete], [404, true]);
        await d.retry({ keys: [two.key] });
        const named = (await d.api(`/api/v1/trace?source=cxone&event_id=${encodeURIComponent(two.id)}`)).json();
        assert.deepEqual([named.dead_letter, named.ledger.state], [null, 'delivered']);

        const drop = () => d.api(`/api/v1/dlq/events/${one.key}`, { method: 'DELETE' });
        assert.deepEqual((await drop()).json(), { dropped: one.key, trace_id: one.trace });
        assert.equal((await drop()).status, 404);
        assert.match(s.log(), new RegExp(`audit: drop by loopback trace=${one.trace}`));

        await d.put('dlq/year=2026/month=11/day=22/hour=09/broken.json', '{"x":1}');
        await d.put('dlq/readme.txt', 'hello');
        const last = (await d.api('/api/v1/dlq/events?limit=100')).json().events.at(-1);
        assert.equal(last.error_class, 'unreadable');
    });

    test('refuses what it does not understand', async (t) => {
        const { s, d } = await start(t);
        const key = 'dlq/year=2026/month=11/day=22/hour=09/a.json';
        const retry = '/api/v1/dlq/retry';
        const cases = [
            [retry, {}, 405, /.*/], [retry, { json: { limit: 'x' } }, 400, /"field":"limit"/],
            [retry, { json: { limit: 101 } }, 400, /"field":"limit"/], [retry, { json: { dryrun: true } }, 400, /"field":"dryrun"/],
            [retry, { json: { next_token: 'x' } }, 400, /"field":"next_token"/], [retry, { body: '[' }, 400, /JSON/],
            [retry, { json: { keys: ['etc/passwd'] } }, 400, /"field":"keys"/],
            [retry, { body: '{}', headers: { 'content-type': 'text/plain' } }, 415, /application\/json/],
            [retry, { json: {}, headers: { origin: 'http://attacker.example' } }, 403, /.*/],
            [retry, { json: {}, headers: { host: 'attacker.example' } }, 421, /.*/],
            [retry, { json: {}, headers: { authorization: 'Bearer wrong' } }, 401, /.*/],
            [retry, { body: JSON.stringify({ source: 'a'.repeat(70_000) }) }, 413, /.*/],
            ['/api/v1/dlq/events?limit=x', {}, 400, /"field":"limit"/], ['/api/v1/dlq/events', { method: 'DELETE' }, 405, /.*/],
            [`/api/v1/dlq/events/${key}`, {}, 404, /.*/], ['/api/v1/dlq/events/etc/passwd', {}, 404, /.*/],
            ['/api/v1/trace', {}, 400, /.*/], ['/api/v1/trace/a.b', {}, 404, /.*/], ['/api/v1/nothing', {}, 404, /.*/],
        ];
        for (const [where, options, status, text] of cases) {
            const answer = await d.api(where, options);
            assert.equal(answer.status, status, `${where} ${answer.text}`);
            assert.match(answer.text, text);
        }
        const local = await request({ socketPath: path.join(s.state, 'run/retry.sock') }, '/api/v1/dlq/events');
        assert.equal(local.status, 200);
    });

    test('knows tokens and their roles', async (t) => {
        const tokens = [{ name: 'eyes', secret: 'reader-0123456789', role: 'read' }, { name: 'hands', secret: 'driver-0123456789', role: 'redrive' }];
        const { d } = await start(t, { retry: { open_on_loopback: false, tokens } });
        const as = (token, where, options) => d.api(where, { ...options, headers: { authorization: `Bearer ${token}` } });
        const none = await d.api('/api/v1/dlq/events');
        assert.equal(none.status, 401);
        assert.match(none.headers['www-authenticate'], /^Bearer/);
        assert.equal((await as('reader-0123456789', '/api/v1/dlq/events')).status, 200);
        const reader = await as('reader-0123456789', '/api/v1/dlq/retry', { json: {} });
        assert.equal(reader.status, 403);
        assert.match(reader.text, /redrive/);
        assert.equal((await as('driver-0123456789', '/api/v1/dlq/retry', { json: {} })).status, 200);
        const key = 'dlq/year=2026/month=11/day=22/hour=09/a.json';
        assert.equal((await as('driver-0123456789', `/api/v1/dlq/events/${key}`, { method: 'DELETE' })).status, 403);
        for (let i = 0; i < 10; i++) {
            assert.equal((await as('guess', '/api/v1/dlq/events')).status, 401);
        }
        const limited = await until('it to be enough', async () => {
            const guess = await as('guess', '/api/v1/dlq/events');
            return guess.status === 429 && guess;
        }, { every: 0 });
        assert.ok(limited.headers['retry-after'] > 0);
        assert.equal((await as('reader-0123456789', '/api/v1/dlq/events')).status, 200);
    });
});
