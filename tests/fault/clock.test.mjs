// A crash between the dead letter's object and the deletion, and the clock over the hour before the
// second try: the object's key is that of the first failure, so there is one object. The whole service
// runs under libfaketime then: its parts sign and check with one clock.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { crash, startCrashing } from '../tools/crashes.mjs';
import { DeadLetters, drained } from '../tools/dead-letters.mjs';
import { cxone } from '../tools/events.mjs';
import { attribute } from '../tools/sqs.mjs';
import { until } from '../tools/wait.mjs';

const trials = Number(process.env.TRIALS ?? 1);

// An event whose source is paused before the verdict.
async function crashPaused(s, source) {
    fs.rmSync(path.join(s.ledgerDir, 'released'), { force: true });
    const answer = await s.post(source, cxone({ what: 'hold refuse' }));
    await until('its delivery', () => s.started().some((name) => name.startsWith(answer.headers['sluice-trace'])));
    const [consumer] = await s.workers('consumer');
    const { paused_sources: before } = (await s.health(consumer.name)).gauges;
    await s.control({ cmd: 'pause', source });
    await until('the consumer to know', async () => (await s.health(consumer.name)).gauges.paused_sources > before);
    s.release();
    return answer;
}

test(`a crash and a clock that is an hour later, ${trials} times at each step: one object`, async (t) => {
    // The library's path, as the command says it.
    const preload = execFileSync('faketime', ['-f', '+1h', 'printenv', 'LD_PRELOAD']).toString().trim();
    const points = ['after_dying', 'after_s3', 'before_dlq', 'after_dead', 'before_delete'].map((p) => `consumer.${p}`);
    // A source for each crash, which is paused before it: every second try comes after the hour.
    const names = points.flatMap((_, n) => Array.from({ length: trials }, (__, i) => `s${n}-${i}`));
    const sources = Object.fromEntries(names.map((name) => [name, {
        preset: 'cxone-data-actions', path: `/${name}`, verify: { type: 'none' }, destination: 'ledger',
        dead_letter: { queue: 'cxone-dlq' }, ack_deadline_ms: 25_000, retry: { wait_s: 0, visibility_s: 10 },
    }]));
    const s = await startCrashing(t, points, { conf: { sources } });
    const dlq = new DeadLetters(s);
    const traces = [];
    const keys = new Map();
    for (const name of names) {
        const point = points[traces.length % points.length];
        const answer = await crash(s, point, () => crashPaused(s, name));
        traces.push(answer.headers['sluice-trace']);
        (await dlq.list()).forEach((l) => keys.set(l.trace_id, l.key));
    }
    const left = await Promise.all(names.map((name) => s.sqs.depth(name)));
    assert.deepEqual(left, names.map(() => 1), 'each is still on its queue');
    const attempts = s.ledger().length;
    await s.stop();
    await s.launch({ env: { LD_PRELOAD: preload, FAKETIME: '+1h', DONT_FAKE_MONOTONIC: '1' } });
    s.sqs.aheadMs = 3_600_000;
    await s.control({ cmd: 'resume' });
    const all = await until('every dead letter', async () => {
        const list = await dlq.list();
        return list.length >= traces.length && list;
    }, { seconds: 20 });
    await drained(s, ...names);
    assert.equal(s.ledger().length, attempts, 'no further delivery');
    assert.equal(attempts, traces.length);
    assert.deepEqual((await dlq.list()).map((l) => l.key).sort(), all.map((l) => l.key).sort());
    assert.deepEqual(all.map((l) => l.trace_id).sort(), traces.toSorted(), 'one object each');
    for (const letter of all) {
        const key = keys.get(letter.trace_id);
        assert.ok(key === undefined || key === letter.key, 'the same object');
        const hour = letter.first_failed_at.match(/^(\d+)-(\d+)-(\d+)T(\d+)/);
        assert.ok(letter.key.includes(`/year=${hour[1]}/month=${hour[2]}/day=${hour[3]}/hour=${hour[4]}/`), letter.key);
        assert.ok(Math.abs(Date.parse(letter.first_failed_at) - Date.now()) < 1_800_000, 'of the first failure');
    }
    const copies = (await s.sqs.peek('cxone-dlq')).map((m) => attribute(m, 'SluiceDeadLetter').trace_id);
    assert.deepEqual(copies.sort(), traces.toSorted(), 'one DLQ message each');
});
