// Events through SQS, S3 and DynamoDB, every request's signature recomputed on its way and every action
// held against the policy: none refused, no event lost, none delivered twice. TRIALS=20: 10,000 events.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Aws } from '../tools/aws.mjs';
import { genesys, newId, spread } from '../tools/events.mjs';
import { fill, readPolicy } from '../tools/iam.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const count = 500 * Number(process.env.TRIALS ?? 1);
const names = { queues: ['flow', 'flow-inspection', 'flow-dlq'], buckets: ['flow-letters'], tables: ['flow-ledger'] };
const key = { id: 'AKIDFLOW', secret: 'flow/secret+key', token: 'a/session+token==' };

test(`${count} events, all on AWS`, async (t) => {
    const aws = await Aws.start(t, {
        ...names, keys: [key], policy: fill(readPolicy('all'), {
            REGION: 'us-east-1', ACCOUNT: '000000000000', SOURCE_QUEUE: 'flow', INSPECTION_QUEUE: 'flow-inspection', DEAD_LETTER_QUEUE: 'flow-dlq',
            BUCKET: 'flow-letters', TABLE: 'flow-ledger', KEY_ID: 'none',
        }),
    });
    const s = await Service.create(t);
    const onAws = (name) => ({ service: 'aws', url: aws.queueUrl(name) });
    s.writeConf({
        ...s.conf,
        log: { level: 'warn' },
        queues: Object.fromEntries(names.queues.map((name) => [name, onAws(name)])),
        ledger: { service: 'aws', table: 'flow-ledger' },
        dead_letters: { service: 'aws', bucket: 'flow-letters' },
        destinations: { journal: { type: 'file', path: path.join(s.dir, '{source}.jsonl') } },
        sources: {
            genesys: {
                preset: 'genesys-outbound', verify: { type: 'none' }, destination: 'journal', ack_deadline_ms: 20_000, queue: 'flow',
                inspection_queue: 'flow-inspection', dead_letter: { queue: 'flow-dlq' },
            },
        },
    });
    await s.launch({ env: aws.front.env() });
    const bodies = Array.from({ length: count }, (_, i) => genesys({ id: newId(), ...(i % 20 === 7 ? { status: 'NO_ANSWER' } : {}) }));
    const started = performance.now();
    await spread(count, 32, async (i) => {
        const { status, text } = await s.post('genesys', bodies[i]);
        assert.equal(status, 200, text);
    });
    const takenS = (performance.now() - started) / 1000;
    const malformed = await s.post('genesys', 'no JSON');
    assert.equal(malformed.status, 400);

    const dead = Math.ceil((count - 7) / 20);
    const journal = () => {
        const file = path.join(s.dir, 'genesys.jsonl');
        return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];
    };
    await until('every event to reach its end', async () => await s.counter('consumer', 'delivered') + await s.counter('consumer', 'dead') >= count,
        { seconds: 60 + count / 20, every: 250 });
    const doneS = (performance.now() - started) / 1000;
    await until('the queue to be empty', async () => await aws.depth('flow') === 0, { seconds: 30 });

    const callId = (text) => JSON.parse(text).callId;
    const expected = (wanted) => bodies.filter((b) => (JSON.parse(b).status === 'NO_ANSWER') === wanted).map(callId).sort();
    const bodyOf = (line) => callId(line.body ?? JSON.stringify(line.event));
    assert.deepEqual(journal().map(bodyOf).sort(), expected(false), 'each once');
    assert.equal(expected(true).length, dead);
    const copies = (await aws.messages('flow-dlq')).map((m) => callId(m.Body)).sort();
    assert.deepEqual([...new Set(copies)], expected(true));
    if (copies.length > dead) { // a send that was answered too late was repeated
        t.diagnostic(`${copies.length - dead} more copies on the dead-letter queue: the machine was busy`);
    }
    const letters = await aws.objects('flow-letters');
    assert.deepEqual(letters.map((l) => l.json.original_event.callId).sort(), expected(true));
    assert.deepEqual((await aws.messages('flow-inspection')).map((m) => m.Body), ['no JSON']);

    const total = aws.front.requests.length;
    assert.deepEqual(aws.front.refused, []);
    const calls = Object.entries(Object.groupBy(aws.front.requests, (r) => r.operation)).map(([name, all]) => `${name} ${all.length}`).sort();
    t.diagnostic(`${count} events: taken in ${takenS.toFixed(1)} s, at their ends after ${doneS.toFixed(1)} s; ${total} requests signed, ` +
        `${aws.front.refused.length} refused: ${calls.join(', ')}`);
});
