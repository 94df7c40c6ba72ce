// Every call that we make, and every way in which AWS can answer it: what our client makes of it. Behind
// the front are fauxqs (SQS, S3) and dynalite (DynamoDB).
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import dynalite from 'dynalite';
import { startFauxqs } from 'fauxqs';
import { AwsFront } from '../tools/aws-front.mjs';
import {
    FaultyAws, cut, delayed, entryFails, fails, garbled, hangs, internalEntry, lost, lostInSilence, senderFaultEntry, strange, throttled,
    throttledEntry, wrongHeader, wrongMd5,
} from '../tools/faulty-aws.mjs';
import { Peer } from '../tools/peer.mjs';
import { until } from '../tools/wait.mjs';

const bucket = 'letters';
const table = 'ledger';
const impatient = { timeout_ms: 800 };

// Each call: its service, how it is asked for, and what must be there first.
const calls = {
    SendMessageBatch: { service: 'sqs', ask: async () => ['sqs.send', { messages: [{ body: 'one' }, { body: 'two' }] }] },
    ReceiveMessage: { service: 'sqs', ask: async () => ['sqs.receive', { max: 10, wait_s: 0, visibility_s: 5 }], alone: true },
    DeleteMessageBatch: { service: 'sqs', ask: async (rig) => ['sqs.delete', { handles: await rig.handles(2) }] },
    ChangeMessageVisibilityBatch: { service: 'sqs', ask: async (rig) => ['sqs.visibility', { handles: await rig.handles(2), visibility_s: 60 }] },
    GetQueueAttributes: { service: 'sqs', ask: async () => ['sqs.attributes', {}] },
    // The answer to a HEAD has no body: only its status speaks.
    HeadBucket: { service: 's3', ask: async () => ['s3.head', {}], bodiless: true,
        head: { throttling: ['transient', true], 'throttling by KMS': ['invalid', false], 'a connection cut in the body': 'cannot be' } },
    PutObject: { service: 's3', ask: async () => ['s3.put', { key: 'k', body: '{"a":1}', content_type: 'application/json' }], unread: true },
    GetObject: { service: 's3', ask: async () => ['s3.get', { key: 'there' }], unread: true },
    DeleteObject: { service: 's3', ask: async () => ['s3.delete', { key: 'gone' }], bodiless: true },
    ListObjectsV2: { service: 's3', ask: async () => ['s3.list', { prefix: '', start_after: '', max: 10 }] },
    DescribeTable: { service: 'dynamodb', ask: async () => ['dynamodb.call', { operation: 'DescribeTable', input: { TableName: table } }] },
    GetItem: { service: 'dynamodb', ask: async () => ['dynamodb.call', { operation: 'GetItem', input: { TableName: table, Key: { id: { S: 'a' } } } }] },
    UpdateItem: {
        service: 'dynamodb',
        ask: async () => ['dynamodb.call', { operation: 'UpdateItem', input: {
            TableName: table, Key: { id: { S: 'a' } }, UpdateExpression: 'SET n = :n', ExpressionAttributeValues: { ':n': { N: '1' } },
        } }],
    },
};

// What an answer means, by service. `again`: another attempt is made.
const answers = {
    'an internal error': [{ sqs: fails(500, 'InternalError'), s3: fails(500, 'InternalError'), dynamodb: fails(500, 'InternalServerError') }, 'transient', true],
    'a 503 that names no code': [fails(503, 'ServiceUnavailable'), 'transient', true],
    'the page of a proxy, 502': [strange(502), 'transient', true],
    '504 and nothing': [strange(504, ''), 'transient', true],
    throttling: [throttled, 'throttled', true],
    'throttling in the other spelling': [{
        sqs: fails(403, 'SomethingNew', { legacy: 'RequestThrottled' }), s3: fails(503, 'ServiceUnavailable', { message: 'Reduce your request rate.' }),
        dynamodb: fails(400, 'ThrottlingException', { prefix: 'com.amazon.coral.availability#' }),
    }, { sqs: 'throttled', s3: 'transient', dynamodb: 'throttled' }, true],
    'throttling by KMS': [{ sqs: fails(400, 'KmsThrottled', { legacy: 'KMS.ThrottlingException' }), s3: fails(400, 'KMS.ThrottlingException'), dynamodb: fails(400, 'ThrottlingException', { prefix: '' }) }, 'throttled', true],
    denied: [{
        sqs: fails(403, 'AccessDeniedException', { legacy: 'AccessDenied' }), s3: fails(403, 'AccessDenied'),
        dynamodb: fails(400, 'AccessDeniedException', { prefix: 'com.amazon.coral.service#' }),
    }, 'denied', false],
    missing: [{
        sqs: fails(400, 'QueueDoesNotExist', { legacy: 'AWS.SimpleQueueService.NonExistentQueue' }), s3: fails(404, 'NoSuchBucket'),
        dynamodb: fails(400, 'ResourceNotFoundException'),
    }, 'missing', false],
    'missing in the old spelling alone': [{
        sqs: fails(400, 'Sender', { legacy: 'AWS.SimpleQueueService.NonExistentQueue' }), s3: fails(404, 'NoSuchBucket'),
        dynamodb: fails(400, 'ResourceNotFoundException', { prefix: '' }),
    }, 'missing', false],
    invalid: [{ sqs: fails(400, 'InvalidParameterValueException', { legacy: 'InvalidParameterValue' }), s3: fails(400, 'InvalidRequest'), dynamodb: fails(400, 'ValidationException') }, 'invalid', false],
    'a code that nobody knows': [fails(400, 'BrandNewException'), 'invalid', false],
};
const broken = {
    // Where a kept connection ends before the first byte of an answer, libcurl sends once more by itself.
    'a connection cut at once, and the next': [cut('at once'), 'transient', true, { times: 2 }],
    'a connection cut in the head': [cut('in head'), 'transient', true],
    'a connection cut in the body': [cut('in body'), 'transient', true],
    'no answer': [hangs, 'transient', true, impatient],
    'the work done and its answer lost, and the next': [lost, 'transient', true, { times: 2 }],
    'the work done and silence': [lostInSilence, 'transient', true, impatient],
};

const of = (choice, service) => (typeof choice === 'object' ? choice[service] : choice);

let rigs = 0;

// Our client as a program for one test, with a key pair and a queue of its own.
class Rig {
    constructor(aws, faulty, t) {
        this.key = { id: `AKIDRIG${++rigs}X`, secret: 'rig' };
        aws.keys.push(this.key);
        Object.assign(this, { aws, faulty, t, peers: {} });
    }

    // Its next calls of an operation.
    play(operation, fault, times) {
        const mine = (request) => request.operation === operation && request.headers.authorization.includes(`=${this.key.id}/`);
        return this.faulty.add(mine, fault, { times });
    }

    peer(service) {
        const { id, secret } = this.key;
        if (!this.peers[service]) {
            const peer = new Peer({ url: this.aws.url, service, id, secret });
            this.t.after(() => peer.close());
            this.peers[service] = peer;
        }
        return this.peers[service];
    }

    async queue() {
        this.url ??= (await this.peer('sqs').run('sqs.create', { queue: this.key.id })).url;
        return this.url;
    }

    async sqs(op, input) {
        return this.peer('sqs').run(op, { queue: await this.queue(), ...input });
    }

    // Handles of messages that were just received.
    async handles(count) {
        await this.sqs('sqs.send', { messages: Array.from({ length: count }, (_, i) => ({ body: `m${i}` })) });
        return (await this.drain(count)).map((m) => m.handle);
    }

    // All messages that the queue shows; at least so many.
    async drain(least = 0) {
        const all = [];
        for (let some = [0]; some.length > 0 || all.length < least;) {
            ({ messages: some } = await this.sqs('sqs.receive', { max: 10, wait_s: 0, visibility_s: 30 }));
            all.push(...some);
        }
        return all;
    }

    // The call, with the fault for its next `times` requests; `came` counts the requests.
    async ask(operation, fault, { times = 1, ...limits } = {}) {
        const { service, ask } = calls[operation];
        const [op, input] = await ask(this);
        const mine = service === 'sqs' ? { queue: await this.queue() } : { bucket };
        let came = 0;
        const forget = this.play(operation, (request, forward) => {
            came++;
            return came <= times ? fault(request, forward) : forward();
        }, Infinity);
        const said = await this.peer(service).run(op, { ...mine, ...input, timeout_ms: 60_000, ...limits });
        forget();
        return { ...said, came };
    }

    // A good call, which leaves its connection open.
    async good(operation) {
        assert.equal((await this.ask(operation, (request, forward) => forward())).class, 'ok');
    }
}

async function playAll(rig, operation, { service, alone, head = {} }) {
    for (const [name, [fault, how, again, limits]] of Object.entries({ ...answers, ...broken })) {
        if (head[name] === 'cannot be') {
            continue;
        }
        const [expected, repeated] = head[name] ?? [of(how, service), again];
        const unasked = (limits?.times ?? 1) - 1;
        await rig.good(operation);
        const one = await rig.ask(operation, of(fault, service), limits);
        assert.equal(one.class, expected, `${name}: ${one.code} ${one.message}`);
        assert.deepEqual([one.attempts, one.came], [1, 1 + unasked], name);
        assert.ok(one.code !== '', name);
        if (alone) {
            continue; // a poll is never repeated by the client
        }
        await rig.good(operation);
        // An answer may take longer than one who is impatient waits.
        let two;
        for (let tries = limits === impatient ? 6 : 1; tries > 0 && two?.class !== 'ok'; tries--) {
            two = await rig.ask(operation, of(fault, service), { attempts: 2, ...limits });
        }
        assert.deepEqual([two.class, two.attempts, two.came], repeated ? ['ok', 2, 2 + unasked] : [expected, 1, 1], `${name}, with another attempt: ${two.code}`);
        assert.deepEqual((two.entries ?? []).filter((e) => !e.ok), [], name);
    }
    const slowly = await rig.ask(operation, delayed(150));
    assert.deepEqual([slowly.class, slowly.attempts], ['ok', 1]);
}

describe('each call and each fault', { concurrency: true }, () => {
    const faulty = new FaultyAws();
    const stops = [];
    let aws;
    before(async () => {
        const faux = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false, init: { buckets: [bucket] } });
        const dynamo = dynalite({ createTableMs: 10 });
        const port = await new Promise((resolve) => dynamo.listen(0, '127.0.0.1', () => resolve(dynamo.address().port)));
        aws = await AwsFront.start(null, { backends: { sqs: { port: faux.port }, s3: { port: faux.port }, dynamodb: { port } }, faults: faulty.handle });
        stops.push(() => aws.stop(), () => faux.stop(), () => dynamo.close());
        const [{ id, secret }] = aws.keys;
        const s3 = new Peer({ url: aws.url, service: 's3', id, secret });
        const dynamodb = new Peer({ url: aws.url, service: 'dynamodb', id, secret });
        await s3.run('s3.put', { bucket, key: 'there', body: 'here I am', content_type: 'text/plain' });
        await dynamodb.run('ledger.open_table', { table });
        await Promise.all([s3.close(), dynamodb.close()]);
    });
    after(async () => {
        for (const stop of stops) {
            await stop();
        }
        assert.deepEqual(aws.refused, [], 'every signature was right');
    });

    for (const [operation, call] of Object.entries(calls)) {
        test(`${operation}: ${Object.keys(answers).length + Object.keys(broken).length} faults, each alone and then with a second attempt`,
            (t) => playAll(new Rig(aws, faulty, t), operation, call));
    }

    test('an answer that cannot be read, and one that is too long', async (t) => {
        const rig = new Rig(aws, faulty, t);
        for (const [operation, { unread, bodiless, service }] of Object.entries(calls)) {
            if (!bodiless) {
                const text = 'x'.repeat(operation === 'ReceiveMessage' ? 70 << 20 : 20 << 20);
                const long = await until('an answer within its time', async () => { // a poll has a time-out of its own
                    const said = await rig.ask(operation, garbled(text));
                    return said.code !== 'Timeout' && said;
                });
                assert.equal(long.class, 'too large', `${operation}: ${long.code}`);
            }
            for (const text of unread || bodiless ? [] : ['{"cut": ', '[]', '<html>']) {
                const said = await rig.ask(operation, garbled(text));
                assert.equal(said.class, 'transient', `${operation} (${service}) ${text}: ${said.class} ${said.code}`);
            }
        }
    });
    test('MD5s and checksums that do not match', async (t) => {
        const rig = new Rig(aws, faulty, t);
        const sent = await rig.ask('SendMessageBatch', wrongMd5);
        assert.deepEqual(sent.entries.map((e) => [e.ok, e.class]), [[false, 'transient'], [false, 'transient']]);
        const got = await rig.ask('ReceiveMessage', wrongMd5);
        assert.deepEqual(got.messages.map((m) => m.damaged), [true, true]);
        const object = await rig.ask('GetObject', wrongHeader('x-amz-checksum-sha256', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='));
        assert.deepEqual([object.class, object.code], ['transient', 'BadChecksum']);
        for (const operation of ['DescribeTable', 'GetItem', 'UpdateItem']) {
            const said = await rig.ask(operation, wrongHeader('x-amz-crc32', '1'));
            assert.equal(said.class, 'transient', `${operation}: ${said.code}`);
        }
    });
    for (const operation of ['SendMessageBatch', 'DeleteMessageBatch', 'ChangeMessageVisibilityBatch']) {
        test(`${operation}: one entry throttled, in trouble, refused, forgotten`, async (t) => {
            const rig = new Rig(aws, faulty, t);
            const expected = [['throttled', throttledEntry], ['transient', internalEntry], ['invalid', senderFaultEntry], ['transient', undefined]];
            for (const [how, entry] of expected) {
                const said = await rig.ask(operation, entryFails(1, entry));
                assert.equal(said.class, 'ok');
                assert.deepEqual(said.entries.map((e) => e.class), ['ok', how], JSON.stringify(entry));
            }
        });
    }
    test('work done twice: one more copy of what was sent, and nothing else changes', async (t) => {
        const rig = new Rig(aws, faulty, t);
        assert.equal((await rig.ask('SendMessageBatch', lost, { attempts: 2 })).class, 'ok');
        const all = await rig.drain(4);
        assert.deepEqual(all.map((m) => m.body).sort(), ['one', 'one', 'two', 'two']);
        const handles = all.map((m) => m.handle);
        rig.play('DeleteMessageBatch', lost, 1);
        const gone = await rig.sqs('sqs.delete', { handles, attempts: 2 });
        assert.deepEqual(gone.entries.map((e) => e.ok), [true, true, true, true], 'deleting what is deleted is no error');
    });
});
