// An AWS for the tests: fauxqs for SQS, our own store for S3 and DynamoDB, and before both the front that
// checks every signature.
//
//   const aws = await Aws.start(t, { queues: ['main', 'dlq'], buckets: ['letters'], tables: ['ledger'] });
//   aws.front.env() is the environment of a service that shall use it, aws.faulty plays faults
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { startFauxqs } from 'fauxqs';
import { AwsFront } from './aws-front.mjs';
import { FaultyAws } from './faulty-aws.mjs';
import { Service } from './service.mjs';

export class Aws {
    // queues: names or {name, attributes}. What else: options of AwsFront.start.
    static async start(t, { queues = [], buckets = [], tables = [], ...more } = {}) {
        const a = new Aws();
        t?.after(() => a.stop(t)); // the front first: no request then meets a backend that is gone
        a.faulty = new FaultyAws();
        const init = { region: more.region ?? 'us-east-1', queues: queues.map((q) => (typeof q === 'string' ? { name: q } : q)) };
        a.faux = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false, init });
        const backends = { sqs: { port: a.faux.port } };
        if (buckets.length + tables.length > 0) {
            a.store = await Service.start();
            const at = { port: a.store.ports.store, region: 'local', pair: () => a.store.keyPair() };
            Object.assign(backends, { s3: at, dynamodb: at });
        }
        a.front = await AwsFront.start(null, { backends, faults: a.faulty.handle, ...more });
        a.region = init.region;
        await a.prepare(buckets, tables);
        return a;
    }

    // Clients of the SDK that go past the front's faults, its policy and its records.
    async prepare(buckets, tables) {
        const [{ id: accessKeyId, secret: secretAccessKey, token: sessionToken }] = this.front.keys;
        this.own = await AwsFront.start(null, { backends: this.front.backends, keys: this.front.keys, region: this.front.region });
        const conf = { endpoint: this.own.url, region: this.front.region, credentials: { accessKeyId, secretAccessKey, sessionToken }, forcePathStyle: true };
        this.sqs = new SQSClient(conf);
        this.s3 = new S3Client(conf);
        this.dynamodb = new DynamoDBClient(conf);
        for (const Bucket of buckets) {
            await this.s3.send(new CreateBucketCommand({ Bucket }));
        }
        for (const TableName of tables) {
            await this.dynamodb.send(new CreateTableCommand({
                TableName, BillingMode: 'PAY_PER_REQUEST', KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
                AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
            }));
        }
    }

    async stop(t) {
        [this.sqs, this.s3, this.dynamodb].forEach((client) => client?.destroy());
        await Promise.all([this.front?.stop(), this.own?.stop()]);
        await this.faux?.stop();
        await this.store?.dispose(t);
    }

    queueUrl(name) {
        return this.front.queueUrl(name);
    }

    send(queue, body) {
        return this.sqs.send(new SendMessageCommand({ QueueUrl: this.queueUrl(queue), MessageBody: body }));
    }

    // All messages that a queue shows now.
    async messages(queue) {
        const all = [];
        for (;;) {
            const { Messages = [] } = await this.sqs.send(new ReceiveMessageCommand({
                QueueUrl: this.queueUrl(queue), MaxNumberOfMessages: 10, MessageAttributeNames: ['All'], VisibilityTimeout: 600,
            }));
            if (Messages.length === 0) {
                return all;
            }
            all.push(...Messages);
        }
    }

    // Visible, in flight and delayed messages.
    async depth(queue) {
        const { Attributes: a } = await this.sqs.send(new GetQueueAttributesCommand({ QueueUrl: this.queueUrl(queue), AttributeNames: ['All'] }));
        return ['', 'NotVisible', 'Delayed'].reduce((sum, kind) => sum + Number(a[`ApproximateNumberOfMessages${kind}`]), 0);
    }

    // The dead letters of a bucket, as JSON.
    async objects(Bucket) {
        const { Contents = [] } = await this.s3.send(new ListObjectsV2Command({ Bucket }));
        const letters = Contents.filter(({ Key }) => !Key.endsWith('.sluice-probe'));
        return Promise.all(letters.map(async ({ Key }) => ({
            key: Key, json: JSON.parse(await (await this.s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString()),
        })));
    }
}
