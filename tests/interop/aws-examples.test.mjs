// The two AWS examples, run from the environment alone as users of the two platforms do.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Aws } from '../tools/aws.mjs';
import { cxone, genesys } from '../tools/events.mjs';
import { fill, readPolicy } from '../tools/iam.mjs';
import { Receiver } from '../tools/receiver.mjs';
import { Service, top } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

// A service whose configuration is the example. It is made after its AWS, which ends before it: a poll
// under way then does not hold up the end.
async function start(t, example, env, change = (text) => text) {
    const s = await Service.create(t);
    const text = change(fs.readFileSync(path.join(top, 'etc', example), 'utf8'));
    const patient = text.replace(/"preset": ".*?",/, '$& "ack_deadline_ms": 25000,'); // machines stand still
    assert.notEqual(patient, text);
    fs.writeFileSync(s.confFile, patient);
    await s.launch({ env: { ...env, SLUICE_STATE_DIR: s.state, SLUICE_PORT: String(s.ports.ingest), SLUICE_API_PORT: String(s.ports.api) } });
    return s;
}

// The rig's CXone is on loopback, without TLS: that must be written out wherever a secret goes there.
function onLoopback(text) {
    const networks = '"allow_networks": ["127.0.0.0/8"]';
    const changed = text.replace(/("scopes": \[.*?\])/, `$1, ${networks}`).replace(/("oauth": "cxone")/, `$1, ${networks}`);
    assert.equal(changed.split(networks).length, 3);
    return changed;
}

const delivered = (s, source) => {
    const file = path.join(s.state, `${source}-delivered.jsonl`);
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];
};
const policy = (values) => fill(readPolicy('all'), {
    REGION: 'us-east-1', ACCOUNT: '000000000000', SOURCE_QUEUE: 'none', INSPECTION_QUEUE: 'none', DEAD_LETTER_QUEUE: 'none',
    BUCKET: 'none', TABLE: 'none', KEY_ID: 'none', ...values,
});

describe('the AWS examples', { concurrency: true }, () => {
    test('etc/sluice-genesys-aws.json: queue and dead-letter queue on SQS', async (t) => {
        const aws = await Aws.start(t, {
            queues: ['main-queue', 'main-dlq'], policy: policy({ SOURCE_QUEUE: 'main-queue', DEAD_LETTER_QUEUE: 'main-dlq' }),
        });
        const s = await start(t, 'sluice-genesys-aws.json', {
            ...aws.front.env(), SQS_MAIN_QUEUE_URL: aws.queueUrl('main-queue'), SQS_DLQ_URL: aws.queueUrl('main-dlq'),
        });
        const good = Array.from({ length: 20 }, () => genesys());
        for (const body of good) {
            const { status, json } = await s.post('genesys', body, { headers: { 'x-genesys-webhook-id': JSON.parse(body).callId } });
            assert.deepEqual([status, json()], [200, { status: 'accepted' }]);
        }
        await s.post('genesys', genesys({ status: 'NO_ANSWER' }));
        await until('all to be delivered', () => delivered(s, 'genesys').length >= 20);
        await until('the dead letter on SQS', async () => await aws.depth('main-dlq') === 1);
        const [dead] = await aws.messages('main-dlq');
        assert.equal(JSON.parse(dead.Body).status, 'NO_ANSWER');
        assert.equal(JSON.parse(dead.MessageAttributes.SluiceDeadLetter.StringValue).error_class, 'unsupported_status');
        await until('the queue to be empty', async () => await aws.depth('main-queue') === 0);
        assert.deepEqual(aws.front.refused, []);
    });
    test('etc/sluice-cxone-aws.json: dead letters on S3, the check with an access token', async (t) => {
        const aws = await Aws.start(t, { buckets: ['cxone-dlq-events'], policy: policy({ BUCKET: 'cxone-dlq-events' }) });
        let tokens = 0;
        const platform = await Receiver.start(t, (seen) => {
            if (seen.url === '/api/v2/oauth/token') {
                tokens++;
                const basic = `Basic ${Buffer.from('the-client:the-secret').toString('base64')}`;
                const form = new URLSearchParams(seen.body.toString());
                const good = seen.headers.authorization === basic && form.get('grant_type') === 'client_credentials' &&
                    form.get('scope') === 'data-actions:read data-actions:write';
                return { status: good ? 200 : 401, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ access_token: 'cx-token', token_type: 'bearer', expires_in: 3600 }) };
            }
            const authorized = seen.headers.authorization === 'Bearer cx-token';
            return { status: !authorized ? 401 : seen.url.endsWith('/unknown') ? 404 : 200 };
        });
        const s = await start(t, 'sluice-cxone-aws.json', {
            ...aws.front.env(), CXONE_BASE_URL: platform.url, CXONE_CLIENT_ID: 'the-client', CXONE_CLIENT_SECRET: 'the-secret',
        }, onLoopback);
        const post = async (event) => assert.equal((await s.post('cxone', event)).status, 200);
        for (let i = 0; i < 5; i++) {
            await post(cxone());
        }
        await post(cxone({ id: 'evt-unknown', payload: { interaction_id: 'unknown' } }));
        await post(cxone({ payload: { none: true } }));
        await until('all to be delivered', () => delivered(s, 'cxone').length === 5, { seconds: 20 });
        const letters = await until('the dead letters', async () => {
            const all = await aws.objects('cxone-dlq-events');
            return all.length === 2 && all;
        });
        assert.deepEqual(letters.map((l) => l.json.error_class).sort(), ['validation', 'validation']);
        assert.ok(letters.every((l) => /^dlq\/year=\d{4}\/month=\d\d\/day=\d\d\/hour=\d\d\/[0-9A-Z]{26}\.json$/.test(l.key)), letters[0].key);
        assert.equal(tokens, 1, 'one token for all');
        assert.deepEqual(aws.front.refused, []);
    });
});
