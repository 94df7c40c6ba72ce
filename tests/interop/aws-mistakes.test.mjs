// Eight mistakes that a new user makes on AWS: what status and sluicectl check say of each. Each says
// which object it is about, what failed, and what to do.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Aws } from '../tools/aws.mjs';
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
            const check = await ctl('check');
            t.diagnostic(check.text);
            assert.equal(check.status === 0, m.works === true, check.text);
            m.check.forEach((words) => assert.match(check.text, words));
        });
    }

    test('a permission that is withdrawn while the service runs', async (t) => {
        const s = await start(t, {});
        await s.waitUp();
        const policy = fill(readPolicy('all'), { ...names, REGION: 'us-east-1', ACCOUNT: '000000000000', KEY_ID: 'none' });
        policy.Statement.forEach((one) => (one.Action = one.Action.filter((action) => action !== 'sqs:ReceiveMessage')));
        s.aws.front.policy = policy;
        const words = /queue "main": sqs:ReceiveMessage is denied; allow it to the account of this service, etc\/iam\/consumer\.json is the policy/;
        const health = async () => runProgram('sluicectl', ['-c', s.confFile, 'health', 'consumer-0']);
        await until('the consumer to be unwell', async () => {
            const { stdout, status } = await health();
            return status === 1 && words.test(stdout);
        }, { seconds: 40, every: 300 });
        s.aws.front.policy = undefined;
        await until('the consumer to be well again', async () => (await health()).status === 0, { seconds: 30, every: 300 });
    });
});
