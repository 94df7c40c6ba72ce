// A lease holds for as long as the work goes on, and runs from the answer's first byte.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { genesys } from '../tools/events.mjs';
import { Service } from '../tools/service.mjs';
import { slow, until } from '../tools/wait.mjs';

test('work of more than two visibility timeouts is one delivery and at least two extensions', async (t) => {
    const visibility_s = 14;
    const s = await Service.start(t, { conf: { sources: { genesys: { retry: { wait_s: 0, visibility_s } } } } });
    await s.post('genesys', genesys({ what: `sleep ${2 * visibility_s + 3}` }));
    await until('the delivery', () => s.ledger().length > 0, { seconds: 60, every: 200 });
    await until('the deletion', async () => (await s.sqs.depth('genesys')) === 0);
    assert.deepEqual(s.ledger().map((l) => [l.attempt, l.status]), [[1, 0]]);
    assert.equal(s.started().length, 1, 'it was started once');
    const extended = await s.counter('store', 'visibility_changes');
    assert.ok(extended >= 2, `the store counted ${extended} extensions`);
    assert.equal(await s.counter('consumer', 'extended'), extended);
});

test('a message sent late into a long poll is delivered once', async (t) => {
    const retry = { wait_s: 20, visibility_s: 30 };
    const s = await Service.start(t, { conf: { consumer: { workers: 1 }, sources: { genesys: { retry } } } });
    // The poll under way began before "up": the store counts each one when it begins.
    await pause(18_500);
    await s.post('genesys', genesys({ what: 'sleep 5' }));
    await until('the delivery', () => s.ledger().length > 0, { seconds: 20, every: 100 });
    // Were the lease thought to run from the poll's start, it would have been given up or extended late.
    await until('the deletion', async () => (await s.sqs.depth('genesys')) === 0);
    assert.deepEqual(s.ledger().map((l) => [l.attempt, l.status]), [[1, 0]]);
    assert.equal(s.started().length, 1, 'it was started once');
});

test('a stop releases what is held, and the next start delivers it', async (t) => {
    // The lease would last longer than anybody waits here.
    const s = await Service.start(t, { conf: { drain_s: 2, sources: { genesys: { retry: { visibility_s: 3600 } } } } });
    await s.post('genesys', genesys({ what: 'sleep 600' }));
    await until('the delivery to begin', () => s.started().length === 1);
    const { status } = await s.stop();
    assert.equal(status, 0);
    await s.launch();
    await until('the second try', () => s.started().length === 2, { seconds: 10 });
});

test('an idle service stops within two seconds', async (t) => {
    const s = await Service.create(t);
    // A machine that stands still once does not do so three times in a row.
    const took = [];
    while (took.length < 3 && !(took.at(-1) < 2000 * slow)) {
        await s.launch();
        const started = performance.now();
        assert.deepEqual(await s.stop(), { status: 0, signal: null });
        took.push(performance.now() - started);
    }
    assert.ok(took.at(-1) < 2000 * slow, `it took ${took} ms`);
});
