// A consumer that dies at a named step of its work.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cxone } from '../tools/events.mjs';
import { check, shortLeases } from '../tools/load.mjs';
import { merge, Service } from '../tools/service.mjs';
import { attribute } from '../tools/sqs.mjs';
import { until } from '../tools/wait.mjs';

// One worker, so that it is known who dies.
const conf = merge(shortLeases, { consumer: { workers: 1 } });

// A worker dies at its third event, and so does each that is started after it; four events are few enough for
// the second to get through.
// A crash at each named step of the consumer: what was accepted is delivered, at most twice.
const steps = ['received', 'before_deliver', 'delivered', 'before_delete', 'deleted'];
describe('a consumer that dies at a step', { concurrency: 4 }, () => {
    for (const step of steps) {
        test(`consumer.${step}`, async (t) => {
            const env = { SLUICE_FAULT: `consumer.${step}:3`, SLUICE_FAULT_ROLE: 'consumer' };
            const s = await Service.start(t, { conf, env });
            const accepted = [];
            for (let i = 0; i < 4; i++) {
                const trace = (await s.post('cxone', cxone())).headers['sluice-trace'];
                accepted.push(trace);
                // One after the other, its deletion included, so that it is known what a death can repeat.
                await until('its end, or a death', async () => (await s.sqs.depth('cxone')) === 0 ||
                    (await s.workers('consumer')).some((w) => w.restarts > 0));
            }
            const twice = await check(s, accepted);
            const restarts = (await s.workers('consumer')).reduce((sum, w) => sum + w.restarts, 0);
            assert.ok(restarts > 0, 'the point was reached');
            t.diagnostic(`${step}: ${restarts} deaths, ${twice} of 4 delivered twice`);
            if (step === 'received' || step === 'before_deliver') {
                assert.equal(twice, 0, 'nothing was delivered before the crash');
            }
        });
    }
});

describe('a consumer that dies around the dead letter', { concurrency: 4 }, () => {
    for (const step of ['before_dlq', 'after_dlq']) {
        test(`consumer.${step}`, async (t) => {
            const env = { SLUICE_FAULT: `consumer.${step}:2`, SLUICE_FAULT_ROLE: 'consumer' };
            const s = await Service.start(t, { conf, env });
            const accepted = [];
            const settled = () => s.counter('consumer', 'dead').catch(() => 0);
            for (let i = 0; i < 2; i++) {
                const before = await settled();
                accepted.push((await s.post('cxone', cxone({ what: 'refuse' }))).headers['sluice-trace']);
                await until('its end, or a death', async () => (await settled()) !== before ||
                    (await s.workers('consumer')).some((w) => w.restarts > 0));
            }
            await until('every dead letter', async () => {
                const dead = new Set((await s.sqs.peek('cxone-dlq')).map((m) => attribute(m, 'SluiceDeadLetter').trace_id));
                return accepted.every((trace) => dead.has(trace));
            }, { seconds: 60, every: 300 });
            await until('the queue to run empty', async () => (await s.sqs.depth('cxone')) === 0, { seconds: 60, every: 300 });
        });
    }
});

test('an event whose dead letter cannot be written stays on its queue', async (t) => {
    const env = { SLUICE_FAULT: 'consumer.before_dlq:1:always', SLUICE_FAULT_ROLE: 'consumer' };
    const s = await Service.start(t, { conf, env });
    const body = cxone({ what: 'refuse' });
    await s.post('cxone', body);
    await until('the verdict', () => s.ledger().length > 0);
    // A deletion that did not wait for the copy would have been made by the time of a few more deliveries.
    for (let i = 0; i < 3; i++) {
        await s.post('cxone', cxone());
        await until('a delivery', () => s.ledger().filter((l) => l.status === 0).length === i + 1);
    }
    await until('only the event to be left', async () => (await s.sqs.depth('cxone')) <= 1);
    assert.equal(await s.sqs.depth('cxone'), 1, 'it is still there');
    assert.equal(await s.sqs.depth('cxone-dlq'), 0);
    await s.stop();
    await s.launch({ env: {} });
    const [dead] = await until('the dead letter', async () => {
        const all = await s.sqs.peek('cxone-dlq');
        return all.length > 0 && all;
    }, { seconds: 20, every: 300 });
    assert.equal(dead.Body, body);
    await until('the deletion', async () => (await s.sqs.depth('cxone')) === 0);
});
