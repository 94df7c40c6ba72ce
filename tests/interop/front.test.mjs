// The rig that stands for AWS's front door: what AWS refuses it refuses, and what is good it lets
// through, of the SDK's clients and of ours.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ListQueuesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import dynalite from 'dynalite';
import { startFauxqs } from 'fauxqs';
import { AwsFront } from '../tools/aws-front.mjs';
import { readRequest } from '../tools/aws-request.mjs';
import { Peer } from '../tools/peer.mjs';

const token = 'FwoG/session+token==';
const good = { id: 'AKIDGOOD', secret: 'good/secret+key', token };

describe('the rig before fauxqs and dynalite', { concurrency: false }, () => {
    const stops = [];
    let aws;
    before(async () => {
        const faux = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false, init: { queues: [{ name: 'q' }], buckets: ['bkt'] } });
        const dynamo = dynalite({ createTableMs: 10 });
        const port = await new Promise((resolve) => dynamo.listen(0, '127.0.0.1', () => resolve(dynamo.address().port)));
        const old = { id: 'AKIDOLD', secret: 'old', token: 'old', expired: true };
        aws = await AwsFront.start(null, {
            backends: { sqs: { port: faux.port }, s3: { port: faux.port }, dynamodb: { port } }, keys: [good, old],
        });
        stops.push(() => aws.stop(), () => faux.stop(), () => dynamo.close());
    });
    after(async () => {
        for (const stop of stops) {
            await stop();
        }
    });

    const clients = ({ region = 'us-east-1', ...more } = {}) => {
        const { id, secret, token: sessionToken } = { ...good, ...more };
        const conf = { endpoint: aws.url, region, credentials: { accessKeyId: id, secretAccessKey: secret, sessionToken }, maxAttempts: 1, forcePathStyle: true };
        return { sqs: new SQSClient(conf), s3: new S3Client(conf), dynamodb: new DynamoDBClient(conf) };
    };
    const peer = async (service, op, input, conf = {}) => {
        const p = new Peer({ url: aws.url, service, id: good.id, secret: good.secret, token, ...conf });
        try {
            return await p.run(op, input);
        } finally {
            await p.close();
        }
    };
    const receive = { max: 1, wait_s: 0, visibility_s: 5 };
    const queue = () => aws.queueUrl('q');

    test("what the SDK's clients sign is accepted", async () => {
        const { sqs, s3, dynamodb } = clients();
        await sqs.send(new SendMessageCommand({ QueueUrl: queue(), MessageBody: 'Grüße' }));
        await sqs.send(new ListQueuesCommand({}));
        await s3.send(new PutObjectCommand({ Bucket: 'bkt', Key: 'a b/c=d+ü.json', Body: 'x' }));
        assert.equal(await (await s3.send(new GetObjectCommand({ Bucket: 'bkt', Key: 'a b/c=d+ü.json' }))).Body.transformToString(), 'x');
        await s3.send(new ListObjectsV2Command({ Bucket: 'bkt', Prefix: 'a b/', StartAfter: 'a/=' }));
        await dynamodb.send(new ListTablesCommand({}));
        assert.deepEqual(aws.refused, []);
        assert.deepEqual(aws.requests.slice(-6).map((r) => r.operation), ['SendMessage', 'ListQueues', 'PutObject', 'GetObject', 'ListObjectsV2', 'ListTables']);
    });
    test('what our client signs is accepted', async () => {
        assert.equal((await peer('sqs', 'sqs.receive', { queue: queue(), ...receive })).messages[0].body, 'Grüße');
        assert.equal((await peer('s3', 's3.get', { bucket: 'bkt', key: 'a b/c=d+ü.json' })).body, 'x');
        assert.equal((await peer('dynamodb', 'dynamodb.call', { operation: 'ListTables', input: {} })).class, 'ok');
        assert.deepEqual(aws.refused, []);
    });

    const wrong = [
        ['another secret', { secret: 'bad' }, 'signature', { sqs: 'InvalidSignatureException', s3: 'SignatureDoesNotMatch', dynamodb: 'InvalidSignatureException' }, 'denied'],
        ['a key that nobody knows', { id: 'AKIDNOBODY' }, 'unknown', { sqs: 'UnrecognizedClientException', s3: 'InvalidAccessKeyId', dynamodb: 'UnrecognizedClientException' }, 'denied'],
        ['another session token', { token: 'other' }, 'unknown', { sqs: 'UnrecognizedClientException', s3: 'InvalidAccessKeyId', dynamodb: 'UnrecognizedClientException' }, 'denied'],
        ['an expired token', { id: 'AKIDOLD', secret: 'old', token: 'old' }, 'expired', { sqs: 'ExpiredTokenException', s3: 'ExpiredToken', dynamodb: 'ExpiredTokenException' }, 'expired'],
        ['another region', { region: 'eu-west-1' }, 'region', { sqs: 'InvalidSignatureException', s3: 'WrongRegion', dynamodb: 'InvalidSignatureException' }, undefined],
    ];
    const calls = { sqs: ['sqs.receive', () => ({ queue: queue(), ...receive })], s3: ['s3.get', () => ({ bucket: 'bkt', key: 'k' })], dynamodb: ['dynamodb.call', () => ({ operation: 'ListTables', input: {} })] };
    for (const [name, conf, why, codes, how] of wrong) {
        test(`refused: ${name}`, async () => {
            for (const [service, [op, input]] of Object.entries(calls)) {
                aws.refused.length = 0;
                const said = await peer(service, op, input(), conf);
                assert.equal(said.code, codes[service], `${service}: ${said.message}`);
                assert.equal(aws.refused[0]?.why, why);
                assert.ok(how === undefined || said.class === how, `${service}: ${said.class}`);
            }
        });
    }
    test('refused: a clock that is 16 minutes off, but not 14', async () => {
        for (const [minutes, ok] of [[14, true], [16, false], [-14, true], [-16, false]]) {
            aws.aheadMs = minutes * 60_000;
            for (const [service, [op, input]] of Object.entries(calls)) {
                aws.refused.length = 0;
                await peer(service, op, input());
                assert.equal(aws.refused[0]?.why, ok ? undefined : 'skewed', `${service} at ${minutes}`);
            }
        }
        aws.aheadMs = 0;
    });
    test('refused: a body, a header or a path that is not what was signed', async () => {
        const base = { method: 'POST', url: '/', body: Buffer.from('{}') };
        const seen = [];
        const listen = aws.answer;
        aws.answer = function remember(request, signal) {
            seen.push(request);
            return listen.call(this, request, signal);
        };
        await peer('sqs', 'sqs.receive', { queue: queue(), ...receive });
        await peer('s3', 's3.put', { bucket: 'bkt', key: 'k', body: 'x', content_type: 'text/plain' });
        aws.answer = listen;
        const again = async (request, change) => {
            aws.refused.length = 0;
            const { method, url, headers, body } = { ...base, ...request, ...change };
            await aws.answer(readRequest({ method, url, headers, body }), new AbortController().signal);
            return aws.refused[0]?.why;
        };
        const [sqs, s3] = seen;
        assert.equal(await again(sqs, {}), undefined);
        assert.equal(await again(sqs, { body: Buffer.from('{}') }), 'signature');
        assert.equal(await again(sqs, { headers: { ...sqs.headers, 'x-amz-target': 'AmazonSQS.PurgeQueue' } }), 'signature');
        assert.equal(await again(sqs, { headers: { ...sqs.headers, 'x-amz-extra': '1' } }), 'unsigned');
        assert.equal(await again(sqs, { headers: { ...sqs.headers, authorization: undefined } }), 'missing');
        assert.equal(await again(s3, {}), undefined);
        assert.equal(await again(s3, { body: Buffer.from('y') }), 'digest');
        assert.equal(await again(s3, { url: '/bkt/other' }), 'signature');
        assert.equal(await again(s3, { headers: { ...s3.headers, 'content-type': 'text/html' } }), 'signature');
    });
});
