// What is held back: destinations that are out, sources that are paused.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import os from 'node:os';
import { test } from 'node:test';
import { request } from '../tools/http.mjs';
import { parse, valueOf } from '../tools/prometheus.mjs';
import { Receiver } from '../tools/receiver.mjs';
import { runProgram, Service } from '../tools/service.mjs';
import { attribute } from '../tools/sqs.mjs';
import { slow, until } from '../tools/wait.mjs';

const trials = Number(process.env.TRIALS ?? 1);

// A source crm at /crm that delivers to a receiver.
async function start(t, answer, { destination = {}, source = {}, env = {}, conf = {} } = {}) {
    const receiver = await Receiver.start(t, answer);
    const retry = { base_s: 1, cap_s: 1, max_retries: 5, ...source };
    const s = await Service.start(t, {
        env,
        conf: {
            destinations: { crm: {
                type: 'http', url: `${receiver.url}/`, allow_networks: ['127.0.0.0/8'], breaker_open_s: 1, ...destination,
            } },
            sources: { crm: { path: '/crm', verify: { type: 'none' }, destination: 'crm', ack_deadline_ms: 10_000, retry } },
            ...conf,
        },
    });
    return { s, receiver };
}

async function send(s) {
    const answer = await request({ port: s.ports.ingest }, '/crm', { method: 'POST', body: '{}', agent: s.agent });
    assert.equal(answer.status, 200, answer.text);
    return answer.headers['sluice-trace'];
}

async function sendMany(s, count) {
    const traces = [];
    while (traces.length < count) {
        const some = Math.min(50, count - traces.length);
        traces.push(...await Promise.all(Array.from({ length: some }, () => send(s))));
    }
    return traces;
}

const deadLetters = async (s) => (await s.sqs.peek('crm-dlq')).map((m) => attribute(m, 'SluiceDeadLetter'));
const empty = (s, seconds) => until('the queue to be empty', async () => (await s.sqs.depth('crm')) === 0, { seconds, every: 200 });
const gate = async (s) => (await s.status()).gates.find(({ key }) => key === 'destination:crm');
// What the consumers have in hand just now.
const inHand = async (s) => (await Promise.all((await s.workers('consumer')).map((w) => s.health(w.name))))
    .reduce((sum, h) => sum + h.in_flight, 0);
const ctl = (s, ...args) => runProgram('sluicectl', ['-c', s.confFile, ...args]);

test('an outage of the destination costs no event and no attempts', async (t) => {
    const [count, cycles] = trials > 1 ? [5000, 20] : [100, 3];
    let out = true;
    const { s, receiver } = await start(t, () => (out ? { status: 503 } : { status: 200 }));
    await ctl(s, 'pause', 'crm');
    const traces = await sendMany(s, count);
    await ctl(s, 'resume', 'crm');
    await until('the gate', () => gate(s));
    await until('the end of what was under way', async () => await inHand(s) === 0);
    const burst = receiver.requests.length;
    await until('the cycles', () => receiver.requests.length >= burst + cycles, { seconds: cycles * 3 + 20 });
    const during = receiver.requests.length;
    out = false;
    await until('all deliveries', () => new Set(receiver.requests.slice(during).map((r) => r.headers['sluice-trace'])).size === count,
        { seconds: 30 + count / 20, every: 100 });
    await empty(s, 30);
    // The first burst opened it; from then on at most one request a second.
    const probes = receiver.requests.slice(burst, during).map((r) => r.atMs);
    const gaps = probes.slice(1).map((ms, i) => ms - probes[i]);
    t.diagnostic(`${count} events, ${probes.length} probes, ${burst} requests before the first; ` +
        `gaps ${Math.round(Math.min(...gaps))} to ${Math.round(Math.max(...gaps))} ms`);
    assert.ok(gaps.every((ms) => ms > 900), `two probes in one cycle: ${gaps.map(Math.round)}`);
    assert.deepEqual(await deadLetters(s), []);
    const good = receiver.requests.slice(during);
    const attempts = good.map((r) => Number(r.headers['sluice-attempt']));
    t.diagnostic(`attempts counted at the recovery: ${attempts.filter((n) => n === 2).length} of ${count} events had one`);
    assert.ok(attempts.every((n) => n <= 2), `more than one counted attempt: ${attempts.filter((n) => n > 2)}`);
    assert.equal(good.length, count);
    assert.deepEqual(new Set(good.map((r) => r.headers['sluice-trace'])), new Set(traces));
    assert.equal(await gate(s), undefined);
});

test('a lone event that always gets 500 ends in its dead letter', async (t) => {
    const { s, receiver } = await start(t, () => ({ status: 500 }));
    const trace = await send(s);
    const [letter] = await until('the dead letter', async () => {
        const all = await deadLetters(s);
        return all.length > 0 && all;
    }, { seconds: 30, every: 200 });
    assert.equal(letter.trace_id, trace);
    assert.equal(letter.error_class, 'exhausted');
    assert.equal(receiver.requests.length, 6);
    assert.equal(await gate(s), undefined);
});

test('a lone event outlives an outage, and a new one is tried at once in it', async (t) => {
    let out = true;
    const { s, receiver } = await start(t, () => (out ? { status: 502 } : { status: 200 }));
    for (let i = 0; i < 3; i++) {
        await send(s);
    }
    await until('the gate', () => gate(s));
    out = false;
    await until('all deliveries', () => receiver.requests.filter((r) => r.headers['sluice-attempt']).length >= 6, { seconds: 20 });
    await empty(s, 10);
    await until('the gate to be gone', async () => !(await gate(s)));
    assert.deepEqual(await deadLetters(s), []);
});

test("one worker's 429 holds back all", async (t) => {
    let asked = false;
    const { s, receiver } = await start(t, () => {
        if (asked) {
            return { status: 200 };
        }
        asked = true;
        return { status: 429, headers: { 'retry-after': '6' } };
    }, { conf: { consumer: { workers: 3 } } });
    const first = await send(s);
    await until('the gate', () => gate(s));
    await sendMany(s, 30);
    await until('all deliveries', () => receiver.requests.length >= 32, { seconds: 20 });
    await empty(s, 10);
    const [refused, ...rest] = receiver.requests;
    const at = rest.map((r) => Math.round(r.atMs - refused.atMs)).sort((a, b) => a - b);
    t.diagnostic(`ms after the 429: ${at.join(' ')}`);
    assert.equal(refused.headers['sluice-trace'], first);
    assert.ok(at[0] >= 5950, `a request came after ${at[0]} ms`);
    assert.equal(receiver.of(first).at(-1).headers['sluice-attempt'], '1'); // the 429 counted nothing
    assert.equal(rest.length, 31);
});

test('the probe of a worker that is killed goes to another', async (t) => {
    let mode = 'out';
    const { s, receiver } = await start(t, () => ({ out: { status: 503 }, hang: undefined, good: { status: 200 } })[mode],
        { destination: { timeout_s: 300 }, source: { visibility_s: 10, wait_s: 0 } });
    await sendMany(s, 10);
    const held = await until('the gate, and the end of what was under way', async () => await inHand(s) === 0 && gate(s));
    assert.match(held.why, /^HTTP status 503/);
    mode = 'hang';
    const before = receiver.requests.length;
    const { probe } = await until('a probe that hangs', async () => {
        const now = await gate(s);
        return receiver.requests.length > before && now.probe && now;
    }, { seconds: 15 });
    assert.equal(receiver.requests.length, before + 1);
    mode = 'good';
    s.signal('SIGKILL', probe);
    await until('all deliveries', async () => (await s.sqs.depth('crm')) === 0, { seconds: 40, every: 200 });
    assert.deepEqual(await deadLetters(s), []);
    assert.equal(await gate(s), undefined);
});

test('a pause outlives consumers, reloads and the service', async (t) => {
    const { s, receiver } = await start(t, () => ({ status: 200 }));
    const quiet = async (what) => {
        await send(s);
        const polls = await s.counter('consumer', 'received');
        await until(`two beats after ${what}`, async () => (await Promise.all((await s.workers('consumer')).map((w) => s.health(w.name))))
            .every((h) => h.status === 200 && h.gauges.paused_sources === 1), { seconds: 10 });
        assert.equal(await s.counter('consumer', 'received'), polls);
        assert.equal(receiver.requests.length, 0, `delivered after ${what}`);
    };
    const wrong = await ctl(s, 'pause', 'crn');
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /there is no source "crn"/);
    assert.match((await ctl(s, 'pause', 'crm')).stdout, /^paused crm/);
    await quiet('the pause');
    const [consumer] = await s.workers('consumer');
    s.signal('SIGKILL', consumer.pid);
    await until('another consumer', async () => (await s.workers('consumer')).every((w) => w.state === 'UP' && w.pid !== consumer.pid));
    await quiet('the death of a consumer');
    s.writeConf({ ...s.conf, consumer: { in_flight: 32 } });
    assert.equal((await ctl(s, 'reload')).status, 0);
    await until('the new generation', async () => (await s.workers('consumer')).every((w) => w.state === 'UP' && w.generation === 2));
    await quiet('a reload');
    await s.stop();
    await s.launch();
    await quiet('a restart of the service');
    const [pause, ...more] = (await s.status()).paused;
    assert.deepEqual([pause.source, pause.by, more], ['crm', process.env.SUDO_USER || os.userInfo().username, []]);
    assert.ok(Math.abs(Date.now() - Date.parse(pause.at)) < 600_000, pause.at);
    assert.match((await ctl(s, 'status')).stdout, /paused\s+crm since \S+Z by \S+: its events wait; sluicectl resume crm/);
    const all = await ctl(s, '--json', 'resume');
    assert.deepEqual(JSON.parse(all.stdout).paused, []);
    assert.equal(s.log().match(/source crm is resumed/g).length, 1);
    await until('the deliveries', () => receiver.requests.length === 4, { seconds: 10 });
    await empty(s, 10);
});

test('what is past its age limit is taken out of a paused queue', async (t) => {
    const { s, receiver } = await start(t, () => ({ status: 200 }),
        { source: { age_limit_s: 60 }, env: { SLUICE_FAULT_SWEEP_MS: '1000' } });
    await ctl(s, 'pause', 'crm');
    const meta = (id) => JSON.stringify({
        v: 1, trace: id, source: 'crm', event_id: id, at: Date.now() - 120_000, ct: 'application/json', enc: 'raw',
        sha256: crypto.createHash('sha256').update('{}').digest('hex'), sv: '',
    });
    const old = 25;
    for (let i = 0; i < old; i++) {
        const id = `old-${i}`;
        await s.sqs.call('SendMessage', {
            QueueUrl: s.sqs.url('crm'), MessageBody: '{}',
            MessageAttributes: { Sluice: { DataType: 'String', StringValue: meta(id) } },
        });
    }
    await sendMany(s, 5);
    const letters = await until('the dead letters', async () => {
        const all = await deadLetters(s);
        return all.length >= old && all;
    }, { seconds: 30, every: 300 });
    assert.equal(letters.length, old);
    assert.ok(letters.every((l) => l.error_class === 'expired' && l.retry_count === 0));
    await until('the others alone to be left', async () => await s.sqs.depth('crm') === 5);
    assert.equal(receiver.requests.length, 0);
    await ctl(s, 'resume', 'crm');
    await until('the others', () => receiver.requests.length === 5, { seconds: 20 });
});

test('redrives to a destination that is out are left for later', async (t) => {
    let status = 400;
    const { s, receiver } = await start(t, () => ({ status }), { destination: { breaker_open_s: 9 } });
    const count = 12;
    await sendMany(s, count);
    await until('the dead letters', async () => (await deadLetters(s)).length === count, { seconds: 20 });
    await empty(s, 10);
    const retry = async (next_token = '') => {
        const body = JSON.stringify({ limit: 100, next_token });
        const answer = await request({ port: s.ports.api }, '/api/v1/dlq/retry', {
            method: 'POST', body, headers: { 'content-type': 'application/json' },
        });
        assert.equal(answer.status, 200, answer.text);
        return answer.json();
    };
    status = 503;
    const first = await retry(); // two count, the third has them all hold back
    assert.equal(first.failed.length, 2, JSON.stringify(first));
    assert.deepEqual(first.processed, []);
    assert.match(first.errors[0], /^destination:crm is held back, try again in \d+ s: HTTP status 503/);
    assert.notEqual(first.next_token, '');
    const { state, why } = await until('the gate', () => gate(s));
    assert.deepEqual([state, why], ['open', 'HTTP status 503']);
    status = 200;
    const asked = receiver.requests.length;
    const second = await retry(first.next_token);
    assert.deepEqual([second.processed, second.failed, second.errors.length], [[], [], 1]);
    assert.equal(receiver.requests.length, asked);
    const processed = new Set();
    await until('all redrives', async () => { // no event comes: a redrive is the probe
        (await retry()).processed.forEach(({ key }) => processed.add(key));
        return processed.size === count;
    }, { seconds: 20, every: 300 });
    assert.equal(await gate(s), undefined);
    assert.equal(receiver.requests.length, asked + count);
});

test('the retry listener tells what is held back and paused', async (t) => {
    const { s } = await start(t, () => ({ status: 429, headers: { 'retry-after': '600' } }),
        { destination: { retry_after_cap_s: 3600 } });
    const ask = (where) => request({ port: s.ports.api }, where, { timeoutMs: 10_000 * slow });
    const sources = async () => (await ask('/api/v1/sources')).json();
    const value = async (name, labels) => valueOf(parse((await ask('/metrics')).text), name, labels);
    assert.deepEqual((await sources()).held, []);
    assert.equal(await value('sluice_source_held_back', { source: 'crm' }), 0);
    await send(s);
    await until('the gate', () => gate(s));
    await ctl(s, 'pause', 'crm');
    const { held: [paused, out, ...more], trouble } = await sources();
    assert.deepEqual(more, []);
    assert.equal(trouble, '', 'all workers are well');
    const near = (text, atMs) => assert.ok(Math.abs(Date.parse(text) - atMs) < 300_000, text);
    near(paused.since, Date.now());
    near(out.since, Date.now());
    near(out.until, Date.now() + 600_000);
    assert.deepEqual({ ...paused, since: 0, by: 0 }, { kind: 'paused', name: 'crm', sources: ['crm'], since: 0, until: null, by: 0 });
    assert.deepEqual({ ...out, since: 0, until: 0 },
        { kind: 'destination', name: 'crm', sources: ['crm'], since: 0, until: 0, why: 'HTTP status 429' });
    const names = [['source_paused', 'source'], ['source_held_back', 'source'], ['destination_held_back', 'destination']];
    for (const [name, label] of names) {
        assert.equal(await value(`sluice_${name}`, { [label]: 'crm' }), 1, name);
        assert.equal(await value(`sluice_${name}`, { [label]: label === 'source' ? 'cxone' : 'ledger' }), 0, name);
    }
    await ctl(s, 'resume', 'crm');
    assert.deepEqual((await sources()).held.map(({ kind }) => kind), ['destination']);
    assert.equal(await value('sluice_source_paused', { source: 'crm' }), 0);
    s.signal('SIGSTOP');
    t.after(() => s.signal('SIGCONT'));
    const unknown = await sources();
    s.signal('SIGCONT');
    assert.equal(unknown.held, null);
    assert.match(unknown.trouble, /the supervisor did not answer in time/);
    assert.equal(unknown.sources.length, 3);
});
