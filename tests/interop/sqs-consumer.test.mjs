// sqs-consumer and sqs-producer against the store: what an application on SQS would run.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import * as sdk from '@aws-sdk/client-sqs';
import { Consumer } from 'sqs-consumer';
import { Producer } from 'sqs-producer';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const none = 'http://store.local/000000000000/no-such-queue';

describe('sqs-consumer and sqs-producer', { concurrency: false }, () => {
    let s;
    let sqs;
    let number = 0;
    const consumers = [];
    const send = (Command, input) => sqs.send(new sdk[`${Command}Command`](input));
    async function newQueue(Attributes) {
        return (await send('CreateQueue', { QueueName: `peer${++number}`, Attributes })).QueueUrl;
    }
    async function counts(QueueUrl) {
        const { Attributes: a } = await send('GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] });
        return [Number(a.ApproximateNumberOfMessages), Number(a.ApproximateNumberOfMessagesNotVisible)];
    }
    // A running consumer that notes its events; errors are the test's to look at.
    function consume(options) {
        const c = Consumer.create({ sqs, waitTimeSeconds: 1, strictReturn: true, ...options });
        c.seen = { errors: [], processing: [], processed: [], empty: 0 };
        // (The poll that `stop` aborts is an "error" to the consumer.)
        c.on('error', (error) => c.stopped && error.code === 'AbortError' || c.seen.errors.push(error));
        c.on('processing_error', (error) => c.seen.processing.push(error));
        c.on('message_processed', (message) => c.seen.processed.push(message.Body));
        c.on('empty', () => c.seen.empty++);
        consumers.push(c);
        c.start();
        return c;
    }
    const stop = (c) => new Promise((resolve) => {
        c.once('stopped', resolve);
        c.stop({ abort: true });
    });

    before(async () => {
        s = await Service.start();
        const pair = s.keyPair();
        sqs = new sdk.SQSClient({
            region: 'local', endpoint: `http://127.0.0.1:${s.ports.store}`, maxAttempts: 1, useQueueUrlAsEndpoint: false,
            credentials: { accessKeyId: pair.access_key_id, secretAccessKey: pair.secret_access_key },
        });
    });
    after(async () => {
        consumers.forEach((c) => c.stop({ abort: true }));
        sqs?.destroy();
        await s?.dispose();
    });

    test('the producer sends one, a list in batches of ten, and attributes', async () => {
        const queueUrl = await newQueue();
        const producer = Producer.create({ queueUrl, sqs });
        const [one] = await producer.send('plain-text');
        assert.match(one.MessageId, /^[0-9a-f-]{36}$/);
        const list = Array.from({ length: 23 }, (_, i) => ({
            id: `id${i}`, body: `body ${i} ä`, messageAttributes: { n: { DataType: 'Number', StringValue: String(i) } },
        }));
        const sent = await producer.send(list);
        assert.deepEqual(sent.map((r) => r.Id), list.map((m) => m.id));
        assert.equal(await producer.queueSize(), 24);
    });
    test('the producer names the failed entries of a batch and the error of a queue that is not there', async () => {
        const queueUrl = await newQueue();
        const producer = Producer.create({ queueUrl, sqs });
        await assert.rejects(producer.send([{ id: 'good', body: 'x' }, { id: 'bad', body: 'bell \u0007' }]), (error) => {
            assert.equal(error.message, 'Failed to send messages: bad');
            return true;
        });
        assert.equal(await producer.queueSize(), 1, 'the good one was taken');
        await assert.rejects(Producer.create({ queueUrl: none, sqs }).send('x'), /QueueDoesNotExist|does not exist/);
    });
    test('one message at a time: handled, deleted, attributes as sent', async () => {
        const queueUrl = await newQueue();
        await Producer.create({ queueUrl, sqs }).send(['a', 'b', { id: 'c', body: 'c', messageAttributes: { k: { DataType: 'String', StringValue: 'v' } } }]);
        const attributes = new Map();
        const c = consume({
            queueUrl, messageAttributeNames: ['All'], messageSystemAttributeNames: ['All'], handleMessage: async (m) => {
                assert.equal(m.Attributes.ApproximateReceiveCount, '1');
                attributes.set(m.Body, m.MessageAttributes?.k?.StringValue);
                return m;
            },
        });
        await until('three messages', () => c.seen.processed.length === 3);
        assert.deepEqual([...c.seen.processed].sort(), ['a', 'b', 'c']);
        assert.equal(attributes.get('c'), 'v');
        await stop(c);
        assert.deepEqual(await counts(queueUrl), [0, 0]);
        assert.deepEqual(c.seen.errors, []);
    });
    test('batches of ten: all handled once, what is not acknowledged stays', async () => {
        const queueUrl = await newQueue({ VisibilityTimeout: '60' });
        await Producer.create({ queueUrl, sqs }).send(Array.from({ length: 30 }, (_, i) => ({ id: String(i), body: `m${i}` })));
        const sizes = [];
        const c = consume({
            queueUrl, batchSize: 10, handleMessageBatch: async (messages) => {
                sizes.push(messages.length);
                return messages.filter((m) => !['m7', 'm13'].includes(m.Body));
            },
        });
        await until('28 messages', () => c.seen.processed.length === 28);
        await stop(c);
        assert.equal(sizes.reduce((a, b) => a + b), 30);
        assert.ok(Math.max(...sizes) > 1, `batches of ${sizes}`);
        assert.equal(new Set(c.seen.processed).size, 28);
        assert.deepEqual(await counts(queueUrl), [0, 2], 'two are still in flight');
        assert.deepEqual(c.seen.errors, []);
    });
    test('heartbeats extend the visibility: a slow message is handled once', async () => {
        const queueUrl = await newQueue({ VisibilityTimeout: '6' });
        const producer = Producer.create({ queueUrl, sqs });
        await producer.send('slow');
        let calls = 0;
        const c = consume({
            queueUrl, visibilityTimeout: 6, heartbeatInterval: 1, handleMessage: async (m) => {
                calls++;
                await pause(8500); // past its visibility timeout, and not at a heartbeat
                return m;
            },
        });
        await until('its start', () => calls === 1);
        const other = consume({ queueUrl, visibilityTimeout: 6, handleMessage: async () => assert.fail('it is leased') });
        await until('the slow message', () => c.seen.processed.length === 1, { seconds: 20 });
        await stop(c);
        await stop(other);
        assert.deepEqual([calls, c.seen.processed, other.seen.processing.length], [1, ['slow'], 0]);
        assert.deepEqual(await counts(queueUrl), [0, 0]);
        assert.deepEqual([...c.seen.errors, ...other.seen.errors], []);
    });
    test('a handler that throws: visible again at once, counted, delivered later', async () => {
        const queueUrl = await newQueue({ VisibilityTimeout: '600' });
        await Producer.create({ queueUrl, sqs }).send('twice');
        const received = [];
        const c = consume({
            queueUrl, terminateVisibilityTimeout: true, messageSystemAttributeNames: ['ApproximateReceiveCount'],
            handleMessage: async (m) => {
                received.push(m.Attributes.ApproximateReceiveCount);
                if (received.length < 3) {
                    throw new Error('not yet');
                }
                return m;
            },
        });
        await until('it at last', () => c.seen.processed.length === 1);
        await stop(c);
        assert.deepEqual(received, ['1', '2', '3']);
        assert.equal(c.seen.processing.length, 2);
        assert.deepEqual(c.seen.errors, []);
    });
    test('long poll: an empty one lasts its time, a waiting one gets a new message at once', async () => {
        const queueUrl = await newQueue();
        const c = consume({ queueUrl, waitTimeSeconds: 2, handleMessage: async (m) => m });
        const started = performance.now();
        await until('an empty answer', () => c.seen.empty === 1);
        assert.ok(performance.now() - started > 1900, 'the poll waited');
        c.updateOption('waitTimeSeconds', 20);
        await until('the next empty answer', () => c.seen.empty === 2);
        await pause(200); // the poll of 20 s has begun; the store answers it when something comes
        const sent = performance.now();
        await Producer.create({ queueUrl, sqs }).send('wake');
        await until('the message', () => c.seen.processed.length === 1);
        assert.ok(performance.now() - sent < 15_000, 'well before the poll ended');
        await stop(c);
        assert.deepEqual(c.seen.errors, []);
    });
    test('errors of the store reach the consumer by name', async () => {
        const missing = consume({ queueUrl: none, handleMessage: async (m) => m, pollingWaitTimeMs: 1000 });
        await until('an error', () => missing.seen.errors.length > 0);
        await stop(missing);
        const [error] = missing.seen.errors;
        assert.equal(error.name, 'SQSError');
        assert.match(error.code, /QueueDoesNotExist$/);
        assert.equal(error.statusCode, 400);

        const queueUrl = await newQueue();
        const stranger = new sdk.SQSClient({
            region: 'local', endpoint: `http://127.0.0.1:${s.ports.store}`, maxAttempts: 1, useQueueUrlAsEndpoint: false,
            credentials: { accessKeyId: s.keyPair().access_key_id, secretAccessKey: 'wrong' },
        });
        const denied = consume({ queueUrl, sqs: stranger, handleMessage: async (m) => m, authenticationErrorTimeout: 30_000 });
        await until('a refusal', () => denied.seen.errors.length > 0);
        await stop(denied);
        stranger.destroy();
        assert.equal(denied.seen.errors[0].statusCode, 403);
        assert.match(denied.seen.errors[0].code, /SignatureDoesNotMatch/);
    });
});
