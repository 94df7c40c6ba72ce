// The strategy "requeue": a delayed copy in place of a longer invisibility.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DeadLetters, drained, eventIdOf } from '../tools/dead-letters.mjs';
import { genesys, newId } from '../tools/events.mjs';
import { Service } from '../tools/service.mjs';
import { attribute } from '../tools/sqs.mjs';
import { until } from '../tools/wait.mjs';

const retry = { strategy: 'requeue', base_s: 1, cap_s: 4, wait_s: 1, visibility_s: 20 };
const conf = { sources: { genesys: { retry } } };

// Sends a message as other software would.
function send(s, body, attributes = {}) {
    const MessageAttributes = Object.fromEntries(Object.entries(attributes)
        .map(([name, [DataType, StringValue]]) => [name, { DataType, StringValue }]));
    return s.sqs.call('SendMessage', { QueueUrl: s.sqs.url('genesys'), MessageBody: body, MessageAttributes });
}

describe('requeue', { concurrency: 2 }, () => {
    test('exactly six attempts in growing gaps, every attribute kept, one dead letter', async (t) => {
        const s = await Service.start(t, { conf });
        const dlq = new DeadLetters(s);
        const id = newId();
        const body = genesys({ id, what: 'fail always' });
        await send(s, body, { Colour: ['String', 'blue'], Weight: ['Number.kg', '100.10'] });
        const [letter] = await dlq.some(1, { seconds: 60 });
        await drained(s, 'genesys');
        const lines = s.ledger();
        assert.deepEqual(lines.map((l) => l.attempt), [1, 2, 3, 4, 5, 6]);
        // lo..hi of A7 for base 1 s, cap 4 s.
        const bounds = [[1, 2], [1, 2], [2, 4], [2, 4], [2, 4]];
        const gaps = lines.slice(1).map((l, i) => (l.startMs - lines[i].endMs) / 1000);
        gaps.forEach((gap, i) => assert.ok(gap >= bounds[i][0] - 0.1, `gaps ${gaps}`));
        const delays = [...s.log().matchAll(/ event retried .* delay_s=(\d+)/g)].map((found) => Number(found[1]));
        assert.equal(delays.length, 5);
        delays.forEach((delay, i) => assert.ok(delay >= bounds[i][0] && delay <= bounds[i][1], `delays ${delays}`));
        assert.equal(await s.counter('consumer', 'requeued'), 5);
        assert.equal(letter.error_class, 'exhausted');
        assert.equal(letter.retry_count, 5);
        const [copy, ...more] = await s.sqs.peek('genesys-dlq');
        assert.equal(more.length, 0);
        assert.equal(copy.Body, body);
        assert.equal(copy.MessageAttributes.Colour.StringValue, 'blue');
        assert.deepEqual([copy.MessageAttributes.Weight.DataType, copy.MessageAttributes.Weight.StringValue], ['Number.kg', '100.10']);
        assert.deepEqual([copy.MessageAttributes.RetryCount.DataType, copy.MessageAttributes.RetryCount.StringValue], ['Number', '5']);
        assert.equal((await dlq.record('genesys', eventIdOf.genesys(id))).seq, 5);

        // Sent back, it has a round of six again, however high its number is.
        await s.sqs.call('SendMessage', {
            QueueUrl: s.sqs.url('genesys'), MessageBody: copy.Body, MessageAttributes: copy.MessageAttributes,
        });
        await until('a second round', () => s.ledger().length === 12, { seconds: 60 });
        await drained(s, 'genesys');
        assert.deepEqual(s.ledger().slice(6).map((l) => l.attempt), [1, 2, 3, 4, 5, 6]);
        assert.equal((await dlq.list()).length, 1);
        assert.equal((await s.sqs.peek('genesys-dlq')).length, 2);
    });

    test('an older copy is deleted undelivered, and a number that is no sense is none', async (t) => {
        const s = await Service.start(t, { conf });
        const dlq = new DeadLetters(s);
        const id = newId();
        const body = genesys({ id, what: 'fail 2' });
        await s.post('genesys', body);
        await until('two attempts', () => s.ledger().length === 2);
        const before = await s.counter('consumer', 'duplicates');
        await send(s, body);
        await send(s, body, { RetryCount: ['Number', '1'] });
        await until('the third attempt', () => s.ledger().length === 3);
        await drained(s, 'genesys');
        assert.deepEqual(s.ledger().map((l) => [l.attempt, l.status]), [[1, 75], [2, 75], [3, 0]]);
        assert.equal(await s.counter('consumer', 'duplicates'), before + 2);
        assert.equal((await dlq.record('genesys', eventIdOf.genesys(id))).state, 'delivered');

        for (const value of ['-1', '99999999999', '1.5', '2147483647']) {
            const other = newId();
            await send(s, genesys({ id: other, what: 'fail 1' }), { RetryCount: ['Number', value] });
            await until(`its delivery with ${value}`, () => s.ledger().some((l) => l.eventId.startsWith(`${other}+`) && l.status === 0));
            const lines = s.ledger().filter((l) => l.eventId.startsWith(`${other}+`));
            assert.deepEqual(lines.map((l) => l.attempt), [1, 2], value);
        }
        await drained(s, 'genesys');
        assert.equal((await s.sqs.peek('genesys-dlq')).length, 0);
    });

    test('the copy of an event from ingest keeps its trace and its content type', async (t) => {
        const s = await Service.start(t, { conf: { sources: { genesys: { retry: { ...retry, max_retries: 1 } } } } });
        const answer = await s.post('genesys', genesys({ what: 'fail always' }), { headers: { 'content-type': 'application/x-odd; a=b' } });
        const [letter] = await new DeadLetters(s).some();
        assert.equal(letter.trace_id, answer.headers['sluice-trace']);
        assert.equal((await new DeadLetters(s).get(letter.key)).content_type, 'application/x-odd; a=b');
        const [copy] = await s.sqs.peek('genesys-dlq');
        assert.deepEqual(Object.keys(copy.MessageAttributes).sort(), ['RetryCount', 'Sluice', 'SluiceDeadLetter']);
        assert.equal(attribute(copy, 'SluiceDeadLetter').trace_id, letter.trace_id);
    });
});
