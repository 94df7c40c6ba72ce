// sluicectl check: every object and permission tried, harmlessly, and what failed with its fix.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check, checkOnce } from '../tools/check.mjs';
import { request } from '../tools/http.mjs';
import { Service } from '../tools/service.mjs';
import { slow, until } from '../tools/wait.mjs';

test('on a service that is well everything is ok, and nothing is changed by it', async (t) => {
    const s = await Service.start(t);
    const before = await s.counter('store', 'messages_sent');
    const people = await check(s);
    assert.equal(people.status, 0, people.text);
    assert.match(people.stdout, /^consumer +queue "genesys" +sqs:ReceiveMessage +ok$/m);
    const roles = people.stdout.trim().split('\n').slice(1).map((row) => row.split(' ')[0]);
    assert.equal(roles.filter((role, i) => role !== roles[i - 1]).length, 3, 'one role after the other');
    const { stdout } = await check(s, '--json');
    const { lines, all_ok: allOk } = JSON.parse(stdout);
    assert.equal(allOk, true);
    const seen = lines.map((l) => `${l.role} ${l.object} ${l.action}`);
    assert.equal(new Set(seen).size, seen.length, 'each once');
    for (const expected of ['ingest queue "genesys" sqs:SendMessage', 'consumer queue "cxone-dlq" sqs:SendMessage',
        'consumer bucket "sluice-dead-letters" s3:PutObject', 'consumer table "sluice-ledger" dynamodb:UpdateItem',
        'retry bucket "sluice-dead-letters" s3:DeleteObject', 'retry queue "cxone" sqs:GetQueueAttributes']) {
        assert.ok(seen.includes(expected), `${expected} in\n${seen.join('\n')}`);
    }
    assert.ok(!seen.some((l) => /^(ingest|retry) .*(Receive|DeleteMessage)/.test(l)), 'no more than a role needs');
    assert.equal(await s.counter('store', 'messages_sent'), before);
    for (const queue of ['genesys', 'cxone', 'cxone-dlq', 'genesys-inspection']) {
        assert.equal(await s.sqs.depth(queue), 0);
    }
});

test('what does not answer is told in bounded time, with what was tried before', async (t) => {
    const s = await Service.start(t);
    const [store] = await s.workers('store');
    const [retry] = await s.workers('retry');
    s.signal('SIGSTOP', retry.pid);
    s.signal('SIGSTOP', store.pid);
    t.after(() => [store, retry].forEach(({ pid }) => s.signal('SIGCONT', pid)));
    const began = Date.now();
    const said = await checkOnce(s, '--json');
    assert.ok(Date.now() - began < 25_000 * slow);
    assert.equal(said.status, 1);
    const { lines } = JSON.parse(said.stdout);
    assert.ok(lines.some((l) => l.role === 'retry' && l.object === 'worker' && /not tried everything in time/.test(l.text)));
    assert.ok(lines.some((l) => l.role === 'ingest' && l.action === 'sqs:SendMessage' && !l.ok));
});

test('a queue that cannot be opened is named by check and by the health of each worker, with the whole reason', async (t) => {
    const s = await Service.create(t);
    const aws = { service: 'aws', url: 'https://sqs.eu-central-1.amazonaws.com/123456789012/genesys' };
    s.writeConf({ ...s.conf, queues: { genesys: aws } });
    await s.launch({ wait: false, env: { AWS_EC2_METADATA_DISABLED: 'true', AWS_REGION: 'eu-central-1', HOME: s.dir } });
    const whole = /queue "genesys" \(https:\S+\/genesys\): no AWS credentials: .*tried: .*AWS_EC2_METADATA_DISABLED is set$/;
    for (const worker of ['ingest', 'consumer-0', 'retry']) {
        await until(`the reason of ${worker}`, async () => whole.test((await s.health(worker)).reason));
    }
    const { trouble } = (await request({ port: s.ports.api }, '/api/v1/sources')).json();
    assert.match(trouble, whole);
    const { lines } = JSON.parse((await check(s, '--json')).stdout);
    for (const role of ['ingest', 'consumer', 'retry']) {
        const about = lines.filter((l) => l.role === role && !l.ok);
        assert.deepEqual(about.map((l) => l.object), ['queue "genesys"'], role);
        assert.match(about[0].text, whole);
    }
});
