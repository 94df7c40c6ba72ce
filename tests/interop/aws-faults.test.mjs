// The whole service on an AWS that fails: each fault in each call, while webhooks come in, are delivered,
// become dead letters and are redriven. Nothing is lost, and what was delivered is not delivered again. What
// was refused for good may be tried once more: a copy that a lost answer to a send made, and that was sent
// after the event had become a dead letter, begins a new round, as any later message of that event does.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Aws } from '../tools/aws.mjs';
import { genesys, newId, spread } from '../tools/events.mjs';
import {
    cut, delayed, entryFails, fails, garbled, hangs, internalEntry, lost, strange, throttled, throttledEntry,
} from '../tools/faulty-aws.mjs';
import { Receiver } from '../tools/receiver.mjs';
import { request } from '../tools/http.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const outwards = ['SendMessageBatch', 'ReceiveMessage', 'DeleteMessageBatch', 'ChangeMessageVisibilityBatch', 'UpdateItem', 'GetItem', 'PutObject', 'GetObject'];
const redrive = ['ListObjectsV2', 'GetObject', 'PutObject', 'DeleteObject', 'UpdateItem', 'GetItem'];
const batches = ['SendMessageBatch', 'DeleteMessageBatch', 'ChangeMessageVisibilityBatch'];
const perRound = 10;

const rounds = {
    'internal errors': fails(500, 'InternalError'),
    'pages of a proxy': strange(502),
    throttling: throttled,
    'cut at once': cut('at once'),
    'cut in the body': cut('in body'),
    'answers that nobody can read': garbled('{"half": '),
    'slow answers': delayed(700),
    'answers lost': lost,
    silence: hangs,
    'an entry throttled': entryFails(0, throttledEntry),
    'an entry in trouble': entryFails(0, internalEntry),
    'an entry forgotten': entryFails(0),
};
// These wait for time-outs, of the client and of messages: only with TRIALS.
const long = ['cut in the body', 'answers that nobody can read', 'silence'];
const played = Object.entries(rounds).filter(([name]) => Number(process.env.TRIALS ?? 1) > 1 || !long.includes(name));
const ofBatches = (name) => name.startsWith('an entry');

async function start(t) {
    const names = { queues: ['q', 'i', 'd'], buckets: ['letters'], tables: ['ledger'] };
    const aws = await Aws.start(t, names);
    const refusing = new Set();
    const target = await Receiver.start(t, (seen) => ({ status: refusing.has(JSON.parse(seen.body).callId) ? 400 : 200 }));
    const s = await Service.create(t);
    const onAws = (name) => ({ service: 'aws', url: aws.queueUrl(name) });
    s.writeConf({
        ...s.conf,
        log: { level: 'info' },
        consumer: { workers: 1 },
        queues: { main: onAws('q'), ins: onAws('i'), dlq: onAws('d') },
        ledger: { service: 'aws', table: 'ledger' },
        dead_letters: { service: 'aws', bucket: 'letters' },
        destinations: { crm: { type: 'http', url: target.url, allow_networks: ['127.0.0.0/8'] } },
        sources: {
            genesys: {
                preset: 'genesys-outbound', verify: { type: 'none' }, destination: 'crm', queue: 'main', inspection_queue: 'ins',
                dead_letter: { queue: 'dlq' }, ack_deadline_ms: 5_000, retry: { wait_s: 2, visibility_s: 15, cap_s: 2 },
            },
        },
    });
    await s.launch({ env: aws.front.env() });
    return { aws, s, target, refusing };
}

// Sends until it is taken, as a platform that tries again would: the event keeps its id.
async function deliver(s, body) {
    const headers = { 'x-genesys-webhook-id': JSON.parse(body).callId };
    await until('the event to be taken', async () => (await s.post('genesys', body, { headers })).status === 200, { seconds: 40, every: 100 });
}

async function playOut(rig, name, fault) {
    const { aws, s, target, refusing } = rig;
    const bodies = Array.from({ length: perRound }, () => genesys({ id: newId() }));
    const ids = bodies.map((b) => JSON.parse(b).callId);
    ids.slice(0, 2).forEach((id) => refusing.add(id));
    const before = aws.faulty.done.length;
    for (const operation of ofBatches(name) ? batches : outwards) {
        aws.faulty.add(operation, fault, { times: 2 });
    }
    await spread(perRound, 5, (i) => deliver(s, bodies[i]));
    const seen = (id) => target.requests.filter((r) => JSON.parse(r.body).callId === id).length;
    await until(`all of round "${name}" to reach the destination`, () => ids.every((id) => seen(id) >= 1), { seconds: 60, every: 100 });
    const letters = await until(`the dead letters of round "${name}"`, async () => {
        const all = (await aws.objects('letters')).filter((l) => ids.includes(l.json.original_event.callId));
        return all.length === 2 && all;
    }, { seconds: 60, every: 200 });
    await until('the queue to be empty', async () => await aws.depth('q') === 0, { seconds: 60, every: 200 });
    aws.faulty.clear();
    const dead = (await aws.messages('d')).map((m) => JSON.parse(m.Body).callId).sort();
    assert.deepEqual([...new Set(dead)], ids.slice(0, 2).sort(), name);
    assert.ok(dead.length <= 4, `${name}: ${dead.length} copies on the dead-letter queue`);
    assert.deepEqual(ids.slice(2).map(seen), ids.slice(2).map(() => 1), `${name}: each is delivered once`);
    const refused = ids.slice(0, 2).map(seen);
    assert.ok(refused.every((times) => times <= 2), `${name}: ${refused}`);
    return { letters, ids, refused, played: aws.faulty.done.length - before };
}

async function playBack(rig, name, fault, { letters, ids, refused }) {
    const { aws, s, target, refusing } = rig;
    ids.forEach((id) => refusing.delete(id));
    for (const operation of ofBatches(name) ? [] : redrive) {
        aws.faulty.add(operation, fault, { times: 1 });
    }
    const keys = letters.map((l) => l.key);
    await until(`the redrive of round "${name}"`, async () => {
        const body = JSON.stringify({ limit: 100, next_token: '' });
        await request({ port: s.ports.api }, '/api/v1/dlq/retry', { method: 'POST', body, headers: { 'content-type': 'application/json', 'content-length': body.length }, timeoutMs: 60_000 });
        return !(await aws.objects('letters')).some((l) => keys.includes(l.key));
    }, { seconds: 90, every: 300 });
    aws.faulty.clear();
    const seen = (id) => target.requests.filter((r) => JSON.parse(r.body).callId === id).length;
    assert.deepEqual(ids.slice(0, 2).map(seen), refused.map((times) => times + 1), `${name}: redriven once`);
}

describe('the service on an AWS that fails', () => {
    test(`${played.length} faults in each call, out and back`, async (t) => {
        const rig = await start(t);
        for (const [name, fault] of played) {
            const started = performance.now();
            const round = await playOut(rig, name, fault);
            const outS = (performance.now() - started) / 1000;
            await playBack(rig, name, fault, round);
            t.diagnostic(`${name}: ${round.played} faults met; out after ${outS.toFixed(1)} s, back after ${((performance.now() - started) / 1000).toFixed(1)} s`);
        }
        assert.deepEqual(rig.aws.front.refused, [], 'every signature was right');
    });
});
