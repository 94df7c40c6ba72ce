// sluicectl check on AWS: each permission of the policy taken away in turn. One line for it, with the
// object, the action and the policy that allows it; and none about what is still allowed.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Aws } from '../tools/aws.mjs';
import { check } from '../tools/check.mjs';
import { fill, readPolicy } from '../tools/iam.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const names = { SOURCE_QUEUE: 'q', INSPECTION_QUEUE: 'i', DEAD_LETTER_QUEUE: 'd', BUCKET: 'letters', TABLE: 'ledger' };
const policyOf = (role) => fill(readPolicy(role), { ...names, REGION: 'us-east-1', ACCOUNT: '000000000000', KEY_ID: 'none' });
const actionsOf = (role) => new Set(policyOf(role).Statement.flatMap((s) => s.Action));
const without = (policy, action) => ({ ...policy, Statement: policy.Statement.map((s) => ({ ...s, Action: s.Action.filter((a) => a !== action) })) });
const roles = ['ingest', 'consumer', 'retry'];
const object = { sqs: /^queue "(main|ins|dlq)"/, s3: /^bucket "letters"$/, dynamodb: /^table "ledger"$/ };

test('each permission that is lacking has its line', async (t) => {
    const all = policyOf('all');
    const aws = await Aws.start(t, { queues: ['q', 'i', 'd'], buckets: ['letters'], tables: ['ledger'], policy: all });
    const s = await Service.create(t);
    const onAws = (name) => ({ service: 'aws', url: aws.queueUrl(name) });
    s.writeConf({
        ...s.conf,
        queues: { main: onAws('q'), ins: onAws('i'), dlq: onAws('d') },
        ledger: { service: 'aws', table: 'ledger' },
        dead_letters: { service: 'aws', bucket: 'letters' },
        destinations: { journal: { type: 'file', path: path.join(s.dir, '{source}.jsonl') } },
        sources: { genesys: { preset: 'genesys-outbound', verify: { type: 'none' }, destination: 'journal', queue: 'main', inspection_queue: 'ins', dead_letter: { queue: 'dlq' } } },
    });
    await s.launch({ env: aws.front.env() });
    const asked = async () => {
        const { stdout, text, status } = await check(s, '--json');
        return { status, lines: JSON.parse(stdout || '{"lines":[]}').lines, said: text };
    };

    const well = await asked();
    assert.equal(well.status, 0, well.said);
    assert.deepEqual(well.lines.filter((l) => !l.ok), []);
    assert.deepEqual(aws.front.refused, []);

    // Who lacks these has a note less, which is no fault.
    const unneeded = ['s3:GetBucketVersioning'];
    for (const action of [...actionsOf('all')].filter((a) => !a.startsWith('kms:') && !unneeded.includes(a))) {
        aws.front.policy = without(all, action);
        const { status, lines, said } = await asked();
        const bad = lines.filter((l) => !l.ok);
        assert.equal(status, 1, `${action}: ${said}`);
        assert.deepEqual([...new Set(bad.map((l) => l.role))].sort(), roles.filter((role) => actionsOf(role).has(action)).sort(), action);
        for (const l of bad) {
            assert.equal(l.action, action, said);
            assert.match(l.object, object[action.split(':')[0]]);
            assert.ok(l.text.includes(`${action} is denied; allow it to the account of this service, etc/iam/${l.role}.json is the policy that this worker needs`), l.text);
            assert.ok(!l.text.includes('\n'));
        }
    }
    aws.front.policy = all;
    await until('all to be well again', async () => (await asked()).status === 0, { seconds: 20, every: 500 });
});
