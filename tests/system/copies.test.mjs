// Copies of one event on its queue: which of them goes on, which is dropped, and that one always does.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';
import * as sdk from '@aws-sdk/client-dynamodb';
import { drained, eventIdOf } from '../tools/dead-letters.mjs';
import { cxone, newId } from '../tools/events.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const retry = { wait_s: 1, visibility_s: 11, strategy: 'requeue', max_retries: 2 };
const conf = { sources: { cxone: { retry }, plain: {
    preset: 'generic', path: '/plain', verify: { type: 'none' }, destination: 'ledger', dead_letter: { queue: 'plain-dlq' },
    retry: { ...retry, base_s: 1, cap_s: 1, max_retries: 1 },
} } };

// A record as a worker that died left it.
async function putRecord(s, id, body, members) {
    const pair = s.keyPair();
    const client = new sdk.DynamoDBClient({
        region: 'local', endpoint: `http://127.0.0.1:${s.ports.store}`,
        credentials: { accessKeyId: pair.access_key_id, secretAccessKey: pair.secret_access_key },
    });
    const record = {
        attempts: 1, not_before: 0, ...members,
        id: `ledger|cxone|${eventIdOf.cxone(id)}`, payload: crypto.createHash('sha256').update(body).digest('hex'),
    };
    const Item = Object.fromEntries(Object.entries(record).map(([name, value]) =>
        [name, typeof value === 'number' ? { N: String(value) } : { S: value }]));
    await client.send(new sdk.PutItemCommand({ TableName: 'sluice-ledger', Item }));
    client.destroy();
}

const send = (s, queue, body, attributes = {}) => s.sqs.call('SendMessage', {
    QueueUrl: s.sqs.url(queue), MessageBody: body, MessageAttributes: attributes,
});
const retryCount = (n) => ({ RetryCount: { DataType: 'Number', StringValue: String(n) } });

test('an event that others put on the queue without an id ends after its attempts', async (t) => {
    const s = await Service.start(t, { conf });
    const body = '{"do":"fail always"}';
    await send(s, 'plain', body);
    const [dead] = await until('the dead letter', async () => {
        const all = await s.sqs.peek('plain-dlq');
        return all.length > 0 && all;
    }, { seconds: 20, every: 300 });
    await drained(s, 'plain');
    assert.equal(dead.Body, body);
    assert.deepEqual(s.ledger().map((l) => l.attempt), [1, 2]);
    assert.equal(new Set(s.ledger().map((l) => l.trace)).size, 1, 'one trace');
});

test('a copy of a finished round does not stand for the round that is being moved', async (t) => {
    const s = await Service.start(t, { conf });
    const id = newId();
    const body = cxone({ id });
    await s.control({ cmd: 'pause', source: 'cxone' });
    await until('all to know of the pause', async () => (await Promise.all((await s.workers('consumer')).map((w) => s.health(w.name))))
        .every((h) => h.gauges.paused_sources === 1));
    await send(s, 'cxone', body, retryCount(5));
    const at = Date.now() + 100;
    await putRecord(s, id, body, { state: 'moving', seq: 1, at, message_id: 'before' });
    await s.control({ cmd: 'resume', source: 'cxone' });
    await until('the old copy to be dropped', async () => (await s.counter('consumer', 'duplicates')) === 1);
    await drained(s, 'cxone');
    assert.equal(s.ledger().length, 0);
    await until('the old round to be over', () => Date.now() > at + 100);
    await send(s, 'cxone', body);
    await until('the delivery', () => s.ledger().length === 1);
    await drained(s, 'cxone');
    assert.deepEqual(s.ledger().map((l) => [l.attempt, l.status]), [[2, 0]]);
});

test('a message that has no room for a number goes on itself where its copy may be missing', async (t) => {
    const s = await Service.start(t, { conf });
    const id = newId();
    const body = cxone({ id });
    await putRecord(s, id, body, { state: 'moving', seq: 1 });
    await send(s, 'cxone', body, Object.fromEntries(Array.from({ length: 10 }, (_, i) =>
        [`a${i}`, { DataType: 'String', StringValue: 'x' }])));
    await until('the delivery', () => s.ledger().length === 1);
    await drained(s, 'cxone');
    assert.deepEqual(s.ledger().map((l) => [l.attempt, l.status]), [[2, 0]]);
});

test('the group of an event goes with it and with its copies', async (t) => {
    const s = await Service.start(t, { conf: { sources: { plain: { ...conf.sources.plain, message_group: '/tenant' } } } });
    const bodies = ['{"do":"fail always","tenant":"t-1"}', '{"do":"fail always"}'];
    for (const body of bodies) {
        assert.equal((await s.post('plain', body)).status, 200);
    }
    const dead = await until('the dead letters', async () => {
        const all = await s.sqs.peek('plain-dlq');
        return all.length === 2 && all;
    }, { seconds: 20, every: 300 });
    const groups = Object.fromEntries(dead.map((m) => [m.Body, m.Attributes.MessageGroupId]));
    assert.deepEqual(groups, { [bodies[0]]: 't-1', [bodies[1]]: undefined });
    assert.equal(await s.counter('consumer', 'requeued'), 2, 'dead letters of copies');
});
