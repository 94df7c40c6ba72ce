// AWS's own SDK against the store: each operation, and an error of each.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import * as sdk from '@aws-sdk/client-sqs';
import { Service } from '../tools/service.mjs';
import { authorization } from '../tools/sqs.mjs';
import { until } from '../tools/wait.mjs';

const md5 = (text) => crypto.createHash('md5').update(text).digest('hex');

describe('SQS by the SDK', { concurrency: false }, () => {
    let s;
    let client;
    const send = (Command, input) => client.send(new sdk[`${Command}Command`](input));
    let number = 0;
    async function newQueue(Attributes) {
        const { QueueUrl } = await send('CreateQueue', { QueueName: `q${++number}`, Attributes });
        return QueueUrl;
    }
    const fails = (promise, name) => assert.rejects(promise, (error) => {
        assert.equal(error.name.replace(/^.*\./, ''), name.replace(/^.*\./, ''), `${error.name}: ${error.message}`);
        return true;
    });
    const none = 'http://store.local/000000000000/no-such-queue';
    const connect = (more = {}) => {
        const pair = s.keyPair();
        return new sdk.SQSClient({
            region: 'local', endpoint: `http://127.0.0.1:${s.ports.store}`, maxAttempts: 1, useQueueUrlAsEndpoint: false,
            credentials: { accessKeyId: pair.access_key_id, secretAccessKey: pair.secret_access_key }, ...more,
        });
    };

    before(async () => {
        s = await Service.start();
        client = connect();
    });
    after(() => {
        client?.destroy();
        return s?.dispose();
    });

    test('CreateQueue is idempotent, and minds other attributes', async () => {
        const input = { QueueName: 'plain', Attributes: { VisibilityTimeout: '40' } };
        const { QueueUrl } = await send('CreateQueue', input);
        assert.match(QueueUrl, /\/000000000000\/plain$/);
        assert.equal((await send('CreateQueue', input)).QueueUrl, QueueUrl);
        await fails(send('CreateQueue', { QueueName: 'plain', Attributes: { VisibilityTimeout: '41' } }), 'QueueNameExists');
        await fails(send('CreateQueue', { QueueName: 'bad name!' }), 'InvalidParameterValue');
    });
    test('GetQueueUrl', async () => {
        assert.match((await send('GetQueueUrl', { QueueName: 'plain' })).QueueUrl, /\/plain$/);
        await fails(send('GetQueueUrl', { QueueName: 'nowhere' }), 'QueueDoesNotExist');
    });
    test('GetQueueAttributes', async () => {
        const QueueUrl = await newQueue({ VisibilityTimeout: '40', DelaySeconds: '0' });
        const { Attributes } = await send('GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] });
        assert.equal(Attributes.VisibilityTimeout, '40');
        assert.equal(Attributes.ApproximateNumberOfMessages, '0');
        assert.match(Attributes.QueueArn, /^arn:aws:sqs:local:000000000000:q\d+$/);
        await fails(send('GetQueueAttributes', { QueueUrl: none, AttributeNames: ['All'] }), 'QueueDoesNotExist');
    });
    test('SendMessage and ReceiveMessage: body, attributes, MD5s', async () => {
        const QueueUrl = await newQueue();
        const MessageBody = 'Grüße "quoted" <xml> \u{1f600}\n\ttab';
        const MessageAttributes = {
            Text: { DataType: 'String', StringValue: 'ä value' },
            Count: { DataType: 'Number', StringValue: '12.5' },
            Bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([0, 1, 254, 255]) },
            Kind: { DataType: 'String.custom', StringValue: 'x' },
        };
        const sent = await send('SendMessage', { QueueUrl, MessageBody, MessageAttributes });
        assert.equal(sent.MD5OfMessageBody, md5(MessageBody)); // the SDK compares too
        assert.match(sent.MD5OfMessageAttributes, /^[0-9a-f]{32}$/);
        const { Messages: [m] } = await send('ReceiveMessage', {
            QueueUrl, MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'], VisibilityTimeout: 30,
        });
        assert.equal(m.Body, MessageBody);
        assert.equal(m.MessageId, sent.MessageId);
        assert.equal(m.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
        assert.deepEqual(Buffer.from(m.MessageAttributes.Bytes.BinaryValue), Buffer.from([0, 1, 254, 255]));
        assert.equal(m.MessageAttributes.Count.StringValue, '12.5');
        assert.equal(m.MessageAttributes.Kind.DataType, 'String.custom');
        assert.equal(m.Attributes.ApproximateReceiveCount, '1');
        assert.ok(Math.abs(Number(m.Attributes.SentTimestamp) - Date.now()) < 60_000);
        assert.equal((await send('ReceiveMessage', { QueueUrl })).Messages, undefined, 'it is invisible now');
        await fails(send('SendMessage', { QueueUrl: none, MessageBody: 'x' }), 'QueueDoesNotExist');
        await fails(send('SendMessage', { QueueUrl, MessageBody: 'bad \u0001' }), 'InvalidMessageContents');
        await fails(send('SendMessage', { QueueUrl, MessageBody: 'x'.repeat(1024 * 1024 + 1) }), 'InvalidParameterValue');
        await fails(send('ReceiveMessage', { QueueUrl, MaxNumberOfMessages: 11 }), 'InvalidParameterValue');
        await fails(send('ReceiveMessage', { QueueUrl: none }), 'QueueDoesNotExist');
    });
    test('attribute names are asked for by name and by prefix', async () => {
        const QueueUrl = await newQueue();
        const text = (StringValue) => ({ DataType: 'String', StringValue });
        await send('SendMessage', { QueueUrl, MessageBody: 'x', MessageAttributes: { 'a.one': text('1'), 'a.two': text('2'), b: text('3') } });
        const names = async (MessageAttributeNames) => {
            const { Messages: [m] } = await send('ReceiveMessage', { QueueUrl, MessageAttributeNames, VisibilityTimeout: 0 });
            return Object.keys(m.MessageAttributes ?? {}).sort();
        };
        assert.deepEqual(await names(['b']), ['b']);
        assert.deepEqual(await names(['a.*']), ['a.one', 'a.two']);
        assert.deepEqual(await names([]), []);
        assert.deepEqual(await names(['All']), ['a.one', 'a.two', 'b']);
    });
    test('SendMessageBatch: good and failed entries side by side', async () => {
        const QueueUrl = await newQueue();
        const answer = await send('SendMessageBatch', {
            QueueUrl, Entries: [{ Id: 'a', MessageBody: 'one' }, { Id: 'b', MessageBody: 'bad \u0002' }, { Id: 'c', MessageBody: 'three' }],
        });
        assert.deepEqual(answer.Successful.map((e) => e.Id), ['a', 'c']);
        assert.deepEqual(answer.Failed.map((e) => [e.Id, e.SenderFault]), [['b', true]]);
        const entry = (Id) => ({ Id, MessageBody: 'x' });
        await fails(send('SendMessageBatch', { QueueUrl, Entries: [entry('a'), entry('a')] }), 'BatchEntryIdsNotDistinct');
        await fails(send('SendMessageBatch', { QueueUrl, Entries: [] }), 'EmptyBatchRequest');
        await fails(send('SendMessageBatch', { QueueUrl, Entries: Array.from({ length: 11 }, (_, i) => entry(`i${i}`)) }), 'TooManyEntriesInBatchRequest');
        await fails(send('SendMessageBatch', { QueueUrl, Entries: [entry('not an id!')] }), 'InvalidBatchEntryId');
    });
    test('DeleteMessage and DeleteMessageBatch', async () => {
        const QueueUrl = await newQueue();
        await send('SendMessageBatch', { QueueUrl, Entries: ['a', 'b', 'c'].map((Id) => ({ Id, MessageBody: Id })) });
        const { Messages } = await send('ReceiveMessage', { QueueUrl, MaxNumberOfMessages: 10 });
        assert.equal(Messages.length, 3);
        await send('DeleteMessage', { QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle });
        await send('DeleteMessage', { QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle }); // again: no error
        const batch = await send('DeleteMessageBatch', {
            QueueUrl, Entries: [...Messages.slice(1).map((m, i) => ({ Id: `${i}`, ReceiptHandle: m.ReceiptHandle })), { Id: 'x', ReceiptHandle: 'nonsense' }],
        });
        assert.deepEqual(batch.Successful.map((e) => e.Id), ['0', '1']);
        assert.deepEqual(batch.Failed.map((e) => [e.Id, e.Code]), [['x', 'ReceiptHandleIsInvalid']]);
        const { Attributes: a } = await send('GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] });
        assert.equal(a.ApproximateNumberOfMessagesNotVisible, '0');
        await fails(send('DeleteMessage', { QueueUrl, ReceiptHandle: 'nonsense' }), 'ReceiptHandleIsInvalid');
    });
    test('ChangeMessageVisibility and its batch', async () => {
        const QueueUrl = await newQueue();
        await send('SendMessageBatch', { QueueUrl, Entries: ['a', 'b'].map((Id) => ({ Id, MessageBody: Id })) });
        const { Messages: [a, b] } = await send('ReceiveMessage', { QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 60 });
        await send('ChangeMessageVisibility', { QueueUrl, ReceiptHandle: a.ReceiptHandle, VisibilityTimeout: 0 });
        const { Messages: [again] } = await send('ReceiveMessage', { QueueUrl, MessageSystemAttributeNames: ['ApproximateReceiveCount'] });
        assert.equal(again.MessageId, a.MessageId);
        assert.equal(again.Attributes.ApproximateReceiveCount, '2');
        const batch = await send('ChangeMessageVisibilityBatch', {
            QueueUrl, Entries: [{ Id: 'b', ReceiptHandle: b.ReceiptHandle, VisibilityTimeout: 0 }, { Id: 'x', ReceiptHandle: 'nonsense', VisibilityTimeout: 0 }],
        });
        assert.deepEqual(batch.Successful.map((e) => e.Id), ['b']);
        assert.equal(batch.Failed[0].Code, 'ReceiptHandleIsInvalid');
        await fails(send('ChangeMessageVisibility', { QueueUrl, ReceiptHandle: b.ReceiptHandle, VisibilityTimeout: 43201 }), 'InvalidParameterValue');
        await send('DeleteMessage', { QueueUrl, ReceiptHandle: again.ReceiptHandle });
        await fails(send('ChangeMessageVisibility', { QueueUrl, ReceiptHandle: again.ReceiptHandle, VisibilityTimeout: 5 }), 'InvalidParameterValue');
    });
    test('a delay holds a message back', async () => {
        const QueueUrl = await newQueue();
        const started = performance.now();
        await send('SendMessage', { QueueUrl, MessageBody: 'later', DelaySeconds: 2 });
        assert.equal((await send('ReceiveMessage', { QueueUrl })).Messages, undefined);
        const { Messages } = await send('ReceiveMessage', { QueueUrl, WaitTimeSeconds: 10 });
        assert.equal(Messages[0].Body, 'later');
        const ms = performance.now() - started;
        assert.ok(ms > 1500, `after ${ms} ms`);
        await fails(send('SendMessage', { QueueUrl, MessageBody: 'x', DelaySeconds: 901 }), 'InvalidParameterValue');
    });
    test('a long poll ends with the message, or empty at its time', async () => {
        const QueueUrl = await newQueue();
        let started = performance.now();
        assert.equal((await send('ReceiveMessage', { QueueUrl, WaitTimeSeconds: 1 })).Messages, undefined);
        assert.ok(performance.now() - started > 900);
        started = performance.now();
        const poll = send('ReceiveMessage', { QueueUrl, WaitTimeSeconds: 20 });
        await until('the poll to be parked', async () => performance.now() - started > 300);
        await send('SendMessage', { QueueUrl, MessageBody: 'now' });
        assert.equal((await poll).Messages[0].Body, 'now');
        assert.ok(performance.now() - started < 15_000, 'before the poll would have ended');
    });
    test('a poll whose client left takes nothing', async () => {
        const QueueUrl = await newQueue();
        const abort = new AbortController();
        const poll = client.send(new sdk.ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20, VisibilityTimeout: 600 }), { abortSignal: abort.signal });
        setTimeout(() => abort.abort(), 300);
        await assert.rejects(poll);
        await send('SendMessage', { QueueUrl, MessageBody: 'mine' });
        const { Messages } = await send('ReceiveMessage', { QueueUrl, WaitTimeSeconds: 20 });
        assert.equal(Messages[0].Body, 'mine');
    });
    test('a redrive policy moves what was received too often', async () => {
        const dead = await newQueue();
        const { Attributes: { QueueArn } } = await send('GetQueueAttributes', { QueueUrl: dead, AttributeNames: ['QueueArn'] });
        const QueueUrl = await newQueue({ RedrivePolicy: JSON.stringify({ deadLetterTargetArn: QueueArn, maxReceiveCount: 2 }) });
        await send('SendMessage', { QueueUrl, MessageBody: 'tired', MessageAttributes: { A: { DataType: 'String', StringValue: '1' } } });
        for (let i = 0; i < 2; i++) {
            assert.equal((await send('ReceiveMessage', { QueueUrl, VisibilityTimeout: 0 })).Messages.length, 1);
        }
        assert.equal((await send('ReceiveMessage', { QueueUrl, VisibilityTimeout: 0 })).Messages, undefined);
        const { Messages: [m] } = await send('ReceiveMessage', { QueueUrl: dead, MessageAttributeNames: ['All'], WaitTimeSeconds: 20 });
        assert.equal(m.Body, 'tired');
        assert.equal(m.MessageAttributes.A.StringValue, '1');
    });
    test('who signs wrong is refused', async () => {
        const { access_key_id: accessKeyId, secret_access_key: secretAccessKey } = s.keyPair();
        const refused = async (credentials, more) => {
            const other = connect({ credentials, ...more });
            await assert.rejects(other.send(new sdk.GetQueueUrlCommand({ QueueName: 'plain' })), (error) => {
                assert.equal(error.$metadata.httpStatusCode, 403, error.message);
                return true;
            });
            other.destroy();
        };
        await refused({ accessKeyId, secretAccessKey: `${secretAccessKey}x` });
        await refused({ accessKeyId: 'AKIDNOBODY', secretAccessKey });
        await refused({ accessKeyId, secretAccessKey }, { region: 'elsewhere' });
        await refused({ accessKeyId, secretAccessKey }, { systemClockOffset: 20 * 60 * 1000 });
    });
    test('an operation that is not there', async () => {
        await assert.rejects(send('AddPermission', { QueueUrl: none, Label: 'x', AWSAccountIds: ['1'], Actions: ['*'] }), (error) => error.$metadata.httpStatusCode >= 400);
    });
    test('our test signer signs as the SDK does', async () => {
        let seen;
        const spy = connect();
        spy.middlewareStack.add((next) => async (args) => {
            seen = args.request;
            return next(args);
        }, { step: 'finalizeRequest', priority: 'low' });
        await spy.send(new sdk.GetQueueUrlCommand({ QueueName: 'plain' }));
        spy.destroy();
        const pair = s.keyPair();
        const names = seen.headers.authorization.match(/SignedHeaders=([^,]+)/)[1].split(';');
        const ours = authorization({
            id: pair.access_key_id, secret: pair.secret_access_key, region: 'local', service: 'sqs', amzDate: seen.headers['x-amz-date'],
            headers: Object.fromEntries(names.map((n) => [n, seen.headers[n].trim().replace(/\s+/g, ' ')])), body: seen.body,
        });
        assert.equal(ours, seen.headers.authorization);
    });
});
