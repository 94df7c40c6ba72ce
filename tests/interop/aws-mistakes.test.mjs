// Eight mistakes that a new user makes on AWS: what status and sluicectl check say of each. Each says
// which object it is about, what failed, and what to do.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Aws } from '../tools/aws.mjs';
import { check, checkOnce } from '../tools/check.mjs';
import { genesys, newId } from '../tools/events.mjs';
import { request } from '../tools/http.mjs';
import { fill, readPolicy } from '../tools/iam.mjs';
import { Service, freePort, runProgram } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const names = { SOURCE_QUEUE: 'q', INSPECTION_QUEUE: 'i', DEAD_LETTER_QUEUE: 'd', BUCKET: 'letters', TABLE: 'ledger' };

// Each: what is wrong, and the texts that status and check must hold.
const mistakes = {
    'no credentials': {
        env: { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' },
        status: [/keyring waits: no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, write the profile "default", or attach a role; tried: /],
        check: [/queue "main".*no AWS credentials: set AWS_ACCESS_KEY_ID/],
    },
    'the wrong region': {
        env: { AWS_REGION: 'eu-west-1' },
        log: [/warning: queues\.main\.url: it is in region us-east-1, but requests are made in eu-west-1, where it will not be found: correct aws\.region or AWS_REGION/],
        status: [/queue "main".*: it is not in region eu-west-1; set aws\.region to /, /bucket "letters".*region us-east-1.*set aws\.region/],
        check: [/queue "main".*not in region eu-west-1; set aws\.region/],
    },
    'a queue that does not exist': {
        queue: 'nowhere',
        status: [/queue "main" \(https:.*\/nowhere\): it does not exist in region us-east-1 .*; create it there, or correct queues\.main/],
        check: [/queue "main".*it does not exist in region us-east-1.*; create it there, or correct queues\.main/],
    },
    'an action that is denied': {
        deny: 'sqs:GetQueueAttributes',
        status: [/queue "main".*: sqs:GetQueueAttributes is denied; allow it to the account of this service, etc\/iam\/ingest\.json is the policy/],
        check: [/sqs:GetQueueAttributes is denied; allow it .*etc\/iam\/(ingest|consumer)\.json/],
    },
    'a clock that is an hour off': {
        aheadMs: 3_600_000, works: true,
        log: [/the clock of this host is 3\d\d\d s behind that of sqs at .*: requests are dated by theirs; set this host's clock/],
        status: [], check: [],
    },
    'the wrong bucket': {
        bucket: 'nowhere-letters',
        status: [/bucket "nowhere-letters": it does not exist in region us-east-1 .*; create it there, or correct dead_letters/],
        check: [/bucket "nowhere-letters".*it does not exist.*; create it there, or correct dead_letters/],
    },
    'an expired token': {
        expired: true,
        status: [/queue "main".*: the credentials have expired .*; new ones are being fetched, but those of the environment you must renew, and start again/],
        check: [/queue "main".*the credentials have expired/],
    },
    'an endpoint that cannot be reached': {
        unreachable: true,
        status: [/queue "main".*: it cannot be reached; correct the endpoint's URL, or let this host through to it \(Failed to connect to 127\.0\.0\.1/],
        check: [/queue "main".*it cannot be reached; correct the endpoint's URL/],
    },
};

async function start(t, m) {
    const key = { id: 'AKIDNEW', secret: 'new-user', token: m.expired ? 'old' : undefined };
    const policy = fill(readPolicy('all'), { ...names, REGION: 'us-east-1', ACCOUNT: '000000000000', KEY_ID: 'none' });
    const aws = await Aws.start(t, { queues: ['q', 'i', 'd'], buckets: ['letters'], tables: ['ledger'], keys: [key] });
    policy.Statement.forEach((s) => (s.Action = s.Action.filter((action) => action !== m.deny)));
    aws.front.policy = m.deny ? policy : undefined;
    aws.front.aheadMs = m.aheadMs ?? 0;
    key.expired = m.expired;
    const s = await Service.create(t);
    const onAws = (name) => ({ service: 'aws', url: aws.queueUrl(name) });
    s.writeConf({
        ...s.conf,
        queues: { main: onAws(m.queue ?? 'q'), ins: onAws('i'), dlq: onAws('d') },
        ledger: { service: 'aws', table: 'ledger' },
        dead_letters: { service: 'aws', bucket: m.bucket ?? 'letters' },
        destinations: { journal: { type: 'file', path: path.join(s.dir, '{source}.jsonl') } },
        sources: { genesys: { preset: 'genesys-outbound', verify: { type: 'none' }, destination: 'journal', queue: 'main', inspection_queue: 'ins', dead_letter: { queue: 'dlq' }, ack_deadline_ms: 25_000 } },
    });
    const nobody = m.unreachable ? { AWS_ENDPOINT_URL: `http://127.0.0.1:${await freePort()}` } : {};
    await s.launch({ env: { ...aws.front.env(), HOME: s.dir, ...nobody, ...m.env }, wait: false });
    s.aws = aws;
    return s;
}

const withdraw = (aws, action) => {
    const policy = fill(readPolicy('all'), { ...names, REGION: 'us-east-1', ACCOUNT: '000000000000', KEY_ID: 'none' });
    policy.Statement.forEach((one) => (one.Action = one.Action.filter((a) => a !== action)));
    aws.front.policy = policy;
};
const denied = (object, action, role) =>
    `${object}: ${action} is denied; allow it to the account of this service, etc/iam/${role}.json is the policy that this worker needs (AccessDenied`;
const outcome = (status) => genesys({ id: newId(), status });

const api = async (s, method, rest, json) => {
    const body = json && JSON.stringify(json);
    const headers = body ? { 'content-type': 'application/json', 'content-length': body.length } : {};
    return request({ port: s.ports.api }, `/api/v1/dlq/${rest}`, { method, body, headers, timeoutMs: 60_000 });
};
const letterKey = async (s) => (await s.aws.objects('letters'))[0].key;

// Each: the action, what makes the service try it, and what is said then: in status, or where it is answered at
// once in an answer with that status.
const withdrawals = [
    ['sqs:SendMessage', (s) => s.post('genesys', outcome('CALL_COMPLETED')), denied('queue "main"', 'sqs:SendMessage', 'ingest')],
    ['sqs:SendMessage', (s) => s.aws.send('q', outcome('CALL_BUSY')), denied('queue "dlq"', 'sqs:SendMessage', 'consumer')],
    ['sqs:SendMessage', (s) => s.aws.send('q', '{"half'), denied('queue "ins"', 'sqs:SendMessage', 'consumer')],
    ['sqs:DeleteMessage', (s) => s.aws.send('q', outcome('CALL_COMPLETED')), denied('queue "main"', 'sqs:DeleteMessage', 'consumer')],
    ['s3:PutObject', (s) => s.aws.send('q', outcome('CALL_BUSY')), denied('bucket "letters"', 's3:PutObject', 'consumer')],
    ['dynamodb:UpdateItem', (s) => s.aws.send('q', outcome('CALL_COMPLETED')), denied('table "ledger"', 'dynamodb:UpdateItem', 'consumer')],
    ['sqs:GetQueueAttributes', () => {}, denied('queue "main"', 'sqs:GetQueueAttributes', 'retry')],
    ['s3:ListBucket', (s) => api(s, 'GET', 'events'), denied('bucket "letters"', 's3:ListBucket', 'retry'), 503],
    ['s3:ListBucket', (s) => api(s, 'POST', 'retry', {}), denied('bucket "letters"', 's3:ListBucket', 'retry'), 503],
    ['s3:GetObject', (s) => api(s, 'GET', 'events'), denied('bucket "letters"', 's3:GetObject', 'retry'), 503],
    ['s3:GetObject', (s) => api(s, 'GET', 'summary'), denied('bucket "letters"', 's3:GetObject', 'retry'), 503],
    ['s3:GetObject', async (s) => api(s, 'GET', `events/${await letterKey(s)}`), denied('bucket "letters"', 's3:GetObject', 'retry'), 503],
    ['s3:DeleteObject', async (s) => api(s, 'DELETE', `events/${await letterKey(s)}`), denied('bucket "letters"', 's3:DeleteObject', 'retry'), 503],
    ['s3:PutObject', (s) => api(s, 'POST', 'retry', {}), denied('bucket "letters"', 's3:PutObject', 'retry'), 200],
    ['dynamodb:UpdateItem', (s) => api(s, 'POST', 'retry', {}), denied('table "ledger"', 'dynamodb:UpdateItem', 'retry'), 200],
];

describe('mistakes on AWS', { concurrency: 3 }, () => {
    for (const [name, m] of Object.entries(mistakes)) {
        test(name, async (t) => {
            const s = await start(t, m);
            const ctl = async (...argv) => {
                const { stdout, stderr, status } = await runProgram('sluicectl', ['-c', s.confFile, ...argv]);
                return { text: stdout + stderr, status };
            };
            await until('the workers to be ready, and their words', async () => {
                const { text } = await ctl('status');
                const missing = [...m.status.filter((words) => !words.test(text)), ...(m.log ?? []).filter((words) => !words.test(s.log()))];
                if (missing.length > 0) {
                    throw new Error(`not said: ${missing}\n${text}`);
                }
                return (await s.status()).workers.every((w) => w.state === 'UP');
            }, { seconds: 30, every: 300 });
            if (m.works) {
                await s.waitUp();
                assert.equal((await s.post('genesys', '{"callId":"1","status":"CALL_COMPLETED","timestamp":"x"}')).status, 200);
            }
            const said = await (m.expired ? checkOnce : check)(s); // each call waits for a newer token
            t.diagnostic(said.text);
            assert.equal(said.status === 0, m.works === true, said.text);
            m.check.forEach((words) => assert.match(said.text, words));
        });
    }

    test('a permission that is withdrawn while the service runs', async (t) => {
        const s = await start(t, {});
        await s.waitUp();
        withdraw(s.aws, 'sqs:ReceiveMessage');
        const words = /queue "main": sqs:ReceiveMessage is denied; allow it to the account of this service, etc\/iam\/consumer\.json is the policy/;
        const health = async () => runProgram('sluicectl', ['-c', s.confFile, 'health', 'consumer-0']);
        await until('the consumer to be unwell', async () => {
            const { stdout, status } = await health();
            return status === 1 && words.test(stdout);
        }, { seconds: 40, every: 300 });
        s.aws.front.policy = undefined;
        await until('the consumer to be well again', async () => (await health()).status === 0, { seconds: 30, every: 300 });
    });

    test('each permission, withdrawn while the service runs, is told with its object and fix', async (t) => {
        const s = await start(t, {});
        await s.waitUp();
        await s.aws.send('q', outcome('CALL_BUSY'));
        await until('a dead letter', async () => (await s.aws.objects('letters')).length > 0, { seconds: 30, every: 200 });
        for (const [action, provoke, words, status] of withdrawals) {
            withdraw(s.aws, action);
            if (status) {
                await until(`the answer without ${action}`, async () => { // on a busy machine calls may time out
                    const answer = await provoke(s);
                    assert.equal(answer.status, status, `${action}: ${answer.text}`);
                    assert.ok(JSON.stringify(JSON.parse(answer.text)).replaceAll('\\"', '"').includes(words), `${action}: ${answer.text}`);
                    return true;
                });
            } else {
                await provoke(s);
                await until(`what is said without ${action}`, () => s.log().includes(words), { seconds: 40, every: 200 });
            }
            s.aws.front.policy = undefined;
        }
        const waiting = async () => (await s.status()).workers.flatMap((w) => w.waiting ?? w.beat?.waiting ?? []);
        // Each consumer finds out by its next try; what it does not try again it soon says no more.
        await until('all to be well again', async () => !JSON.stringify(await waiting()).includes('is denied'), { seconds: 60, every: 500 });
        assert.ok(s.log().match(/is denied/g).length < 80, 'a refusal is not logged without end');
    });
});
