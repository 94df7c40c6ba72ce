// The ledger: what reached a destination is not sent there again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeadLetters, drained, eventIdOf } from '../tools/dead-letters.mjs';
import { cxone, genesys, newId } from '../tools/events.mjs';
import { merge, Service } from '../tools/service.mjs';
import { attribute } from '../tools/sqs.mjs';
import { until } from '../tools/wait.mjs';

const quick = { wait_s: 1, visibility_s: 11 };
const conf = { sources: { cxone: { retry: quick }, genesys: { retry: quick } } };

test('the same event id: one delivery; with another payload: two, counted', async (t) => {
    const s = await Service.start(t, { conf });
    const dlq = new DeadLetters(s);
    const id = newId();
    const body = cxone({ id });
    // Several at once and one afterwards.
    await Promise.all(Array.from({ length: 6 }, () => s.post('cxone', body)));
    await until('the delivery', () => s.ledger().length > 0);
    assert.equal((await s.post('cxone', body)).status, 200);
    await drained(s, 'cxone');
    assert.deepEqual(s.ledger().map((l) => [l.attempt, l.status]), [[1, 0]]);
    assert.equal(await s.counter('consumer', 'key_conflict'), 0);
    assert.equal(await s.counter('consumer', 'duplicates'), 6);
    assert.equal((await dlq.record('cxone', eventIdOf.cxone(id))).state, 'delivered');

    const other = cxone({ id, note: 'not the same' });
    await s.post('cxone', other);
    await s.post('cxone', other);
    await drained(s, 'cxone');
    assert.equal(s.ledger().length, 2);
    assert.ok(s.deliveredBody(s.ledger()[1]).equals(Buffer.from(other)));
    assert.equal(await s.counter('consumer', 'key_conflict'), 1);

    // The same id at another source is another event.
    await s.post('genesys', genesys({ id }), { headers: { 'x-genesys-webhook-id': eventIdOf.cxone(id) } });
    await until('its delivery', () => s.ledger().length === 3);
    await drained(s, 'genesys');
    // A header's id wins over the pointers.
    await s.post('genesys', genesys({ id }), { headers: { 'x-genesys-webhook-id': eventIdOf.cxone(id) } });
    await drained(s, 'genesys');
    assert.equal(s.ledger().length, 3);
});

test('who meets an event in progress waits and counts no attempt', async (t) => {
    const s = await Service.start(t, { conf });
    const dlq = new DeadLetters(s);
    const id = newId();
    const body = cxone({ id, what: 'hold' });
    await s.post('cxone', body);
    await until('the delivery to begin', () => s.started().length === 1);
    await s.post('cxone', body);
    await until('a deferral', async () => (await s.counter('consumer', 'deferred')) > 0);
    assert.equal((await dlq.record('cxone', eventIdOf.cxone(id))).attempts, 1);
    s.release();
    await drained(s, 'cxone');
    assert.equal(s.started().length, 1);
    assert.deepEqual(s.ledger().map((l) => [l.attempt, l.status]), [[1, 0]]);
    assert.equal((await dlq.record('cxone', eventIdOf.cxone(id))).attempts, 1);
});

test('without an answer of the ledger events wait, or are delivered where that is written', async (t) => {
    const env = { SLUICE_FAULT: 'store.update_item:1:always', SLUICE_FAULT_ROLE: 'store' };
    const s = await Service.start(t, { conf: merge(conf, { ledger: { outage: 'deliver' } }), env });
    await s.post('cxone', cxone());
    await until('the delivery', () => s.ledger().length === 1, { seconds: 20 });
    await drained(s, 'cxone');
    await s.stop();

    s.writeConf({ ...s.conf, ledger: { outage: 'wait' } });
    await s.launch();
    const body = cxone();
    await s.post('cxone', body);
    await until('the consumer to say so', async () =>
        (await s.workers('consumer')).some((w) => w.beat.waiting?.some((text) => /^events wait \(ledger\.outage\): table "/.test(text))), { seconds: 20 });
    assert.equal(s.ledger().length, 1);
    assert.equal(await s.sqs.depth('cxone'), 1);
    await s.stop();
    await s.launch({ env: {} });
    await until('the delivery', () => s.ledger().length === 2, { seconds: 20 });
    await drained(s, 'cxone');
    assert.ok(s.deliveredBody(s.ledger()[1]).equals(Buffer.from(body)));
    assert.deepEqual(s.ledger().map((l) => [l.attempt, l.status]), [[1, 0], [1, 0]]);
});

test('a dead event that is sent back gets a full new round', async (t) => {
    const s = await Service.start(t, { conf: { sources: { cxone: { retry: { ...quick, max_retries: 2 } } } } });
    const dlq = new DeadLetters(s);
    const id = newId();
    await s.post('cxone', cxone({ id, what: 'fail always' }));
    const [first] = await dlq.some();
    await drained(s, 'cxone');
    assert.deepEqual(s.ledger().map((l) => l.attempt), [1, 2, 3]);
    const before = await dlq.get(first.key);

    const [dead] = await s.sqs.peek('cxone-dlq');
    const sendBack = (message) => s.sqs.call('SendMessage', {
        QueueUrl: s.sqs.url('cxone'), MessageBody: message.Body, MessageAttributes: message.MessageAttributes,
    });
    await sendBack(dead);
    await until('a full second round', () => s.ledger().length === 6);
    await drained(s, 'cxone');
    assert.deepEqual(s.ledger().map((l) => l.attempt), [1, 2, 3, 1, 2, 3]);
    assert.ok(s.ledger().every((l) => l.trace === first.trace_id), 'one trace');
    const [again] = await until('the same object again', async () => {
        const all = await dlq.some();
        return all[0].failed_at !== first.failed_at && all;
    });
    assert.equal(again.key, first.key);
    const after = await dlq.get(first.key);
    assert.equal(after.first_failed_at, before.first_failed_at);
    assert.equal(after.attempts.length, 6);
    assert.deepEqual(after.attempts.slice(0, 3), before.attempts);
    assert.equal(after.retry_count, 5);
    const copies = await s.sqs.peek('cxone-dlq');
    assert.equal(copies.length, 2, 'a message for each death');
    assert.ok(copies.every((m) => attribute(m, 'SluiceDeadLetter').trace_id === first.trace_id));
    assert.deepEqual(copies.map((m) => m.Body), [dead.Body, dead.Body]);
});

test('a duplicate that was sent before the death is deleted undelivered', async (t) => {
    const s = await Service.start(t, { conf });
    const dlq = new DeadLetters(s);
    const id = newId();
    const body = cxone({ id, what: 'refuse' });
    await s.sqs.call('SendMessage', { QueueUrl: s.sqs.url('cxone'), MessageBody: body, DelaySeconds: 4 });
    await s.post('cxone', body);
    const [letter] = await dlq.some();
    await until('the record to say dead', async () => (await dlq.record('cxone', eventIdOf.cxone(id))).state === 'dead');
    await drained(s, 'cxone');
    assert.equal(s.ledger().length, 1);
    assert.equal(await s.counter('consumer', 'duplicates'), 1);
    assert.equal((await dlq.some())[0].failed_at, letter.failed_at);
    assert.equal((await s.sqs.peek('cxone-dlq')).length, 1);
});
