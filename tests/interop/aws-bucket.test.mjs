// The bucket of the dead letters at the start: whether its server keeps conditions, and versions.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startFauxqs } from 'fauxqs';
import { Aws } from '../tools/aws.mjs';
import { AwsFront } from '../tools/aws-front.mjs';
import { genesys } from '../tools/events.mjs';
import { fails } from '../tools/faulty-aws.mjs';
import { request } from '../tools/http.mjs';
import { letter } from '../tools/letters.mjs';
import { Service, runProgram } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const Bucket = 'letters';
const probe = 'dlq/.sluice-probe';

// Queues and ledger are embedded; only the dead letters are elsewhere.
const confOf = (s, more = {}) => ({
    ...s.conf,
    dead_letters: { service: 'aws', bucket: Bucket, ...more },
    destinations: { journal: { type: 'file', path: path.join(s.dir, '{source}.jsonl') } },
    sources: { genesys: { preset: 'genesys-outbound', verify: { type: 'none' }, destination: 'journal', ack_deadline_ms: 25_000 } },
});

async function start(t, front, more) {
    const s = await Service.create(t);
    s.writeConf(confOf(s, more));
    await s.launch({ env: front.env(), wait: false });
    return s;
}

// fauxqs ignores If-None-Match and If-Match.
async function startUnconditional(t) {
    const faux = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false });
    const front = await AwsFront.start(null, { backends: { s3: { port: faux.port } } });
    t.after(async () => {
        await front.stop();
        await faux.stop();
    });
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = front.env();
    const client = new S3Client({ region: 'us-east-1', endpoint: front.url, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
    t.after(() => client.destroy());
    await client.send(new CreateBucketCommand({ Bucket }));
    return { front, client };
}

const keysOf = async (client) => ((await client.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key);
const lettersOf = async (client) => (await keysOf(client)).filter((key) => key !== probe);
const statusText = async (s) => (await runProgram('sluicectl', ['-c', s.confFile, 'status'])).stdout;
const ignored = /bucket "letters": its server does not keep conditions: PutObject of "dlq\/\.sluice-probe" with If-None-Match: \* was answered with HTTP 200 where 412 was due.*dead_letters\.conditional_writes to false/;
const unconditional = /dead letters are written without conditions/;

describe('the bucket at the start', { concurrency: 2 }, () => {
    test('a server without conditions is refused until the configuration accepts that', async (t) => {
        const { front, client } = await startUnconditional(t);
        const s = await start(t, front);
        await until('both who write dead letters to say why not', async () => {
            const { workers } = await s.status();
            return ['consumer', 'retry'].every((role) => workers.some((w) => w.role === role && (w.beat?.waiting ?? []).some((text) => ignored.test(text))));
        }, { seconds: 30 });
        await until('ingest to be up', async () => (await s.workers('ingest')).every((w) => w.state === 'UP'));
        assert.equal((await s.post('genesys', genesys({ status: 'NO_ANSWER' }))).status, 200, 'events are taken all the same');
        assert.match(await statusText(s), ignored);
        assert.doesNotMatch(await statusText(s), unconditional);
        assert.deepEqual(await lettersOf(client), [], 'nothing is written to it');

        s.writeConf(confOf(s, { conditional_writes: false }));
        const said = await s.control({ cmd: 'reload' }, { seconds: 40 });
        assert.ok(said.ok, JSON.stringify(said));
        const [key] = await until('the dead letter', async () => {
            const keys = await lettersOf(client);
            return keys.length === 1 && keys;
        }, { seconds: 30 });
        assert.match(await statusText(s), unconditional);
        assert.doesNotMatch(await statusText(s), ignored);

        s.writeConf(confOf(s));
        const refused = await s.control({ cmd: 'reload' }, { seconds: 40 });
        assert.ok(!refused.ok, 'back to conditions is refused');
        assert.match(JSON.stringify(refused), /its server does not keep conditions/);
        assert.deepEqual(await lettersOf(client), [key]);
    });

    test('without conditions two redrives at once deliver once, by the ledger', async (t) => {
        const { front, client } = await startUnconditional(t);
        const s = await start(t, front, { conditional_writes: false });
        await s.waitUp();
        const body = genesys();
        const { key, object } = letter({ body, source: 'genesys', ledger_key: { destination: 'journal', source: 'genesys', event_id: 'e', id: 'journal|genesys|e' } });
        await client.send(new PutObjectCommand({ Bucket, Key: key, Body: JSON.stringify(object) }));
        const redrive = () => request({ port: s.ports.api }, '/api/v1/dlq/retry', {
            method: 'POST', body: '{}', headers: { 'content-type': 'application/json', 'content-length': 2 },
        });
        const answers = await Promise.all([redrive(), redrive()]);
        t.diagnostic(answers.map((answer) => answer.text).join('\n'));
        await until('the dead letter to be gone', async () => (await lettersOf(client)).length === 0);
        assert.deepEqual(await keysOf(client), [], 'and nothing was tried there');
        const lines = fs.readFileSync(path.join(s.dir, 'genesys.jsonl'), 'utf8').split('\n').filter(Boolean);
        assert.equal(lines.length, 1, 'delivered once');
    });

    test('a server with conditions is tried at every start, and stores one object', async (t) => {
        const aws = await Aws.start(t, { buckets: [Bucket] });
        const s = await start(t, aws.front);
        await s.waitUp();
        assert.deepEqual(await keysOf(aws.s3), [probe]);
        const { LastModified: made } = await aws.s3.send(new GetObjectCommand({ Bucket, Key: probe }));
        const puts = aws.front.of('PutObject').length;
        const workers = (await s.status()).workers.filter((w) => ['consumer', 'retry'].includes(w.role)).length;
        assert.equal(puts, 3 * workers);
        await s.stop();
        await s.launch({ env: aws.front.env() });
        assert.equal(aws.front.of('PutObject').length, 2 * puts);
        assert.deepEqual((await aws.s3.send(new GetObjectCommand({ Bucket, Key: probe }))).LastModified, made);
        const listed = await request({ port: s.ports.api }, '/api/v1/dlq/events');
        assert.deepEqual(listed.json().events, [], 'it is no dead letter');
    });

    test('versions are recommended where there are none, and nothing is said where that cannot be known', async (t) => {
        const advice = /bucket "letters" keeps no versions: .*aws s3api put-bucket-versioning --bucket letters --versioning-configuration Status=Enabled.*etc\/s3-lifecycle\.json/;
        const answers = (Status) => () => ({
            status: 200, headers: { 'content-type': 'application/xml' },
            body: Buffer.from(`<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${Status ? `<Status>${Status}</Status>` : ''}</VersioningConfiguration>`),
        });
        const aws = await Aws.start(t, { buckets: [Bucket] });
        const s = await start(t, aws.front);
        await s.waitUp();
        await until('the advice', async () => advice.test(await statusText(s)));
        assert.equal(s.log().match(new RegExp(advice, 'g')).length, 1, 'once');
        const told = () => s.log().match(new RegExp(advice, 'g')).length;
        const cases = [[answers(undefined), true], [answers('Suspended'), true], [answers('Enabled'), false],
            [fails(403, 'AccessDenied'), false], [fails(501, 'NotImplemented'), false]];
        for (const [i, [answer, advised]] of cases.entries()) {
            const asked = aws.front.of('GetBucketVersioning').length;
            aws.faulty.clear();
            aws.faulty.always('GetBucketVersioning', answer);
            s.writeConf(confOf(s, { max_redrives: 10 + i })); // so that the worker is replaced
            const said = await s.control({ cmd: 'reload' }, { seconds: 40 });
            assert.ok(said.ok, JSON.stringify(said));
            await until('the new retry worker to have asked', () => aws.front.of('GetBucketVersioning').length > asked);
            if (advised) {
                await until('its advice', async () => told() === i + 2 && advice.test(await statusText(s)));
            } else {
                await until('no advice any more', async () => !advice.test(await statusText(s)));
            }
        }
        assert.equal(told(), 3, 'one for each worker that was told of no versions');
    });
});
