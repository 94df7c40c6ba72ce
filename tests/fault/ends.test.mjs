// A consumer that dies on the way from a verdict to the deletion, TRIALS times at each step: what was
// recorded is not repeated. Together they are the README's table of what a crash may repeat.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crash, startCrashing } from '../tools/crashes.mjs';
import { DeadLetters, drained, eventIdOf } from '../tools/dead-letters.mjs';
import { cxone, genesys, newId } from '../tools/events.mjs';
import { attribute } from '../tools/sqs.mjs';

const trials = Number(process.env.TRIALS ?? 1);

// Crashes at each point TRIALS times, with an event each; gives what was sent, when all has settled.
async function run(s, points, source, what) {
    const events = [];
    for (let i = 0; i < trials; i++) {
        for (const point of points) {
            const id = newId();
            const body = source === 'cxone' ? cxone({ id, what }) : genesys({ id, what });
            const answer = await crash(s, point, () => s.post(source, body));
            assert.equal(answer.status, 200);
            events.push({ id, point, trace: answer.headers['sluice-trace'] });
            await drained(s, source); // so that the next death is of the next event
        }
    }
    const lines = Map.groupBy(s.ledger(), (l) => l.trace);
    return events.map((event) => ({ ...event, lines: lines.get(event.trace) ?? [] }));
}

const statuses = (event) => event.lines.map((l) => l.status);

async function ends(s) {
    const letters = Map.groupBy(await new DeadLetters(s).list(), (l) => l.trace_id);
    const copies = Map.groupBy(await s.sqs.peek('cxone-dlq'), (m) => attribute(m, 'SluiceDeadLetter').trace_id);
    return { letters, copies };
}

describe('a consumer that dies', { concurrency: 4 }, () => {
    test('before a delivery, and between its record and the deletion: one delivery', async (t) => {
        const points = ['claimed', 'before_deliver', 'after_outcome', 'before_delete', 'deleted'].map((p) => `consumer.${p}`);
        const s = await startCrashing(t, points);
        for (const event of await run(s, points, 'cxone')) {
            assert.deepEqual(statuses(event), [0], event.point);
            const counted = /claimed|before_deliver/.test(event.point) ? 2 : 1;
            assert.equal(event.lines[0].attempt, counted, `${event.point}: a crash counts as an attempt`);
        }
    });

    test('between the delivery and its record: at most one delivery more', async (t) => {
        const points = ['consumer.delivered', 'consumer.before_outcome'];
        const s = await startCrashing(t, points);
        const events = await run(s, points, 'cxone');
        for (const event of events) {
            assert.ok(event.lines.length >= 1 && event.lines.length <= 2, event.point);
            assert.ok(statuses(event).every((status) => status === 0));
        }
        assert.ok(events.flatMap((e) => e.lines).length <= 2 * events.length);
    });

    test('from the last verdict to the deletion of a dead event: no delivery more, one object, one DLQ message', async (t) => {
        const points = ['after_dying', 'before_s3', 'after_s3', 'before_dlq', 'after_dead', 'before_delete'].map((p) => `consumer.${p}`);
        const s = await startCrashing(t, points);
        const events = await run(s, points, 'cxone', 'refuse');
        const { letters, copies } = await ends(s);
        for (const event of events) {
            assert.deepEqual(statuses(event), [65], event.point);
            assert.equal(letters.get(event.trace)?.length, 1, `${event.point}: one object`);
            assert.equal(copies.get(event.trace)?.length, 1, `${event.point}: one DLQ message`);
            assert.equal((await new DeadLetters(s).record('cxone', eventIdOf.cxone(event.id))).state, 'dead');
        }
        assert.equal(letters.size, events.length);
    });

    test('between the DLQ and the ledger: at most one DLQ message more, one object', async (t) => {
        const points = ['consumer.after_dlq'];
        const s = await startCrashing(t, points);
        const events = await run(s, [...points, ...points], 'cxone', 'refuse');
        const { letters, copies } = await ends(s);
        let extra = 0;
        for (const event of events) {
            assert.deepEqual(statuses(event), [65], event.point);
            assert.equal(letters.get(event.trace)?.length, 1);
            const count = copies.get(event.trace)?.length;
            assert.ok(count >= 1, 'never none');
            extra += count - 1;
        }
        assert.ok(extra <= events.length, `${extra} more than there were events`);
        t.diagnostic(`${events.length} crashes, ${extra} more DLQ messages`);
    });

    test('in a requeue: never none, and the extra copy is deleted undelivered', async (t) => {
        const points = ['before_outcome', 'requeue_moving', 'requeue_sent', 'requeue_open', 'before_delete', 'deleted']
            .map((p) => `consumer.${p}`);
        const s = await startCrashing(t, points, {
            conf: { sources: { genesys: { retry: { strategy: 'requeue', wait_s: 0, visibility_s: 10 } }, cxone: { retry: { wait_s: 0, visibility_s: 10 } } } },
        });
        const dlq = new DeadLetters(s);
        for (const event of await run(s, points, 'genesys', 'fail 1')) {
            // Before the record of the failure nothing tells that there was one but the attempt's number.
            assert.deepEqual(statuses(event), [75, 0], event.point);
            assert.deepEqual(event.lines.map((l) => l.attempt), [1, 2], event.point);
            assert.equal((await dlq.record('genesys', eventIdOf.genesys(event.id))).state, 'delivered');
        }
        assert.deepEqual(await dlq.list(), []);
        assert.equal((await s.sqs.peek('genesys-dlq')).length, 0);
    });
});
