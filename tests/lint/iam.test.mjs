// The policies in etc/iam allow what each role calls on AWS, and nothing else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { actions, allows, consequent, embeddedOnly, fill, readPolicy, refusedAction, roles } from '../tools/iam.mjs';
import { build } from '../tools/service.mjs';
import { cSources, read } from '../tools/sources.mjs';

// The functions of our client, and the operation that each asks for.
const operations = {
    sqs_send_batch: 'SendMessageBatch',
    sqs_delete_batch: 'DeleteMessageBatch',
    sqs_change_visibility_batch: 'ChangeMessageVisibilityBatch',
    sqs_receive: 'ReceiveMessage',
    sqs_create_queue: 'CreateQueue',
    sqs_get_queue_url: 'GetQueueUrl',
    sqs_get_queue_attributes: 'GetQueueAttributes',
    s3_put_object: 'PutObject',
    s3_get_object: 'GetObject',
    s3_delete_object: 'DeleteObject',
    s3_list_objects: 'ListObjectsV2',
    s3_head_bucket: 'HeadBucket',
    s3_get_bucket_versioning: 'GetBucketVersioning',
    s3_create_bucket: 'CreateBucket',
};
const client = ['common/aws/sqs.c', 'common/aws/s3.c', 'common/aws/dynamodb.c'];

// Object file -> the functions that it defines and those that it needs, of all that was built.
function objects() {
    const all = new Map();
    const sources = new Set(cSources());
    const files = globSync(path.join(build, 'obj/{common,workers}/**/*.o'));
    const table = execFileSync('nm', ['-A', ...files], { maxBuffer: 256 << 20 }).toString();
    for (const [, file, kind, name] of table.matchAll(/^(.*?\.o):[0-9a-f ]* ([A-Za-z]) (\S+)$/gm)) {
        const source = path.relative(path.join(build, 'obj'), file).replace(/o$/, 'c');
        if (!sources.has(source)) {
            continue; // of a module that is gone
        }
        if (!all.has(source)) {
            all.set(source, { defines: new Set(), needs: new Set() });
        }
        all.get(source)[kind === 'U' ? 'needs' : 'defines'].add(name);
    }
    return all;
}

// The sources that a role's program is linked from.
function sourcesOf(role, all) {
    const owner = new Map([...all].flatMap(([source, { defines }]) => [...defines].map((name) => [name, source])));
    const mine = (source) => source.startsWith(`workers/${role}/`);
    const reached = new Set();
    const visit = (source) => {
        if (source === undefined || reached.has(source) || (/^workers\/.*\//.test(source) && !mine(source))) {
            return;
        }
        reached.add(source);
        all.get(source).needs.forEach((name) => visit(owner.get(name)));
    };
    [...all.keys()].filter(mine).forEach(visit);
    return [...reached];
}

// The operations that these sources ask for themselves.
function operationsIn(sources) {
    const found = new Set();
    for (const source of sources.filter((s) => !client.includes(s))) {
        const text = read(source);
        [...text.matchAll(/\b((?:sqs|s3)_\w+)\b/g)].forEach(([, name]) => found.add(operations[name]));
        if (/\bdynamodb_call\(/.test(text)) {
            [...text.matchAll(/"((?:Get|Put|Update|Delete|Describe|Create)(?:Item|Table|TimeToLive))"/g)].forEach(([, name]) => found.add(name));
        }
    }
    found.delete(undefined);
    return [...found].sort();
}

const all = objects();
const asked = Object.fromEntries(roles.map((role) => [role, operationsIn(role === 'all'
    ? roles.filter((r) => r !== 'all').flatMap((r) => sourcesOf(r, all))
    : sourcesOf(role, all))]));
const list = (value) => [value].flat();
const wildcards = { REGION: 'eu-central-1', ACCOUNT: '1', SOURCE_QUEUE: 'q', INSPECTION_QUEUE: 'i', DEAD_LETTER_QUEUE: 'd', BUCKET: 'b', TABLE: 't', KEY_ID: 'k' };

test('this lint knows each function of the client, and its table each operation', () => {
    const declared = ['sqs', 's3'].flatMap((name) =>
        [...read(`common/aws/${name}.h`).matchAll(/^uint64_t\s+(\w+)\(/gm)].map(([, found]) => found));
    assert.ok(declared.length >= 12);
    assert.deepEqual(declared.filter((name) => !operations[name]), []);
    const known = [...Object.keys(actions), ...embeddedOnly];
    assert.deepEqual(asked.all.filter((operation) => !known.includes(operation)), []);
    assert.ok(all.size > 100 && asked.consumer.includes('UpdateItem') && !asked.ingest.includes('UpdateItem'), 'the sources were found');
});

for (const role of roles) {
    test(`etc/iam/${role}.json: each call that is made, and no more`, () => {
        const made = asked[role].filter((operation) => !embeddedOnly.includes(operation));
        const needed = new Set(made.flatMap((operation) => actions[operation]));
        made.flatMap((operation) => consequent[operation] ?? []).forEach((action) => needed.add(action));
        const allowed = new Set(readPolicy(role).Statement.flatMap((s) => list(s.Action)));
        assert.deepEqual([...allowed].sort(), [...needed].sort());
        const encrypted = made.filter((operation) => consequent[operation]?.some((action) => action.startsWith('kms:')));
        const services = new Set(encrypted.map((operation) => `${actions[operation][0].split(':')[0]}.REGION.amazonaws.com`));
        const by = readPolicy(role).Statement.flatMap((s) => s.Condition?.StringEquals['kms:ViaService'] ?? []);
        assert.deepEqual(by.toSorted(), [...services].sort(), 'the key is used by way of these');
    });
    test(`etc/iam/${role}.json: what AWS takes as a policy, in terms of its placeholders`, () => {
        const policy = readPolicy(role);
        assert.equal(policy.Version, '2012-10-17');
        assert.deepEqual(Object.keys(policy), ['Version', 'Statement']);
        const sids = policy.Statement.map((s) => s.Sid);
        assert.equal(new Set(sids).size, sids.length);
        for (const s of policy.Statement) {
            assert.match(s.Sid, /^[A-Za-z0-9]+$/);
            assert.equal(s.Effect, 'Allow');
            assert.deepEqual(list(s.Action), [...new Set(list(s.Action))].sort(), `${s.Sid}: in order, once each`);
            assert.ok(list(s.Action).every((action) => /^(sqs|s3|dynamodb|kms):[A-Z]\w+$/.test(action)), 'no wildcard');
            assert.ok(list(s.Resource).every((arn) => /^arn:aws:(sqs|s3|dynamodb|kms):/.test(arn)), s.Sid);
            assert.equal(s.Action.some((action) => action.startsWith('kms:')), s.Condition !== undefined, 'a key only by way of its service');
        }
        assert.ok(JSON.stringify(policy).length < 2048, 'fits an inline policy of a user');
        assert.ok(!/[A-Z]{2,}_|REGION|ACCOUNT|BUCKET|TABLE/.test(JSON.stringify(fill(policy, wildcards)).replace(/"Sid":"\w+"/g, '')), 'each placeholder is known');
    });
}

test('the policy that the rig applies is read as AWS reads it', () => {
    const policy = fill(readPolicy('consumer'), wildcards);
    const object = (key) => `arn:aws:s3:::b/${key}`;
    assert.ok(allows(policy, 's3:PutObject', object('dlq/year=2026/x.json')));
    assert.ok(!allows(policy, 's3:PutObject', object('other/x.json')));
    assert.ok(!allows(policy, 's3:DeleteObject', object('dlq/x')));
    assert.ok(!allows(policy, 'sqs:ReceiveMessage', 'arn:aws:sqs:eu-central-1:1:d'));
    const request = { service: 'sqs', operation: 'DeleteMessageBatch', json: { QueueUrl: 'https://sqs.eu-central-1.amazonaws.com/1/q' } };
    assert.equal(refusedAction(policy, request, { region: 'eu-central-1', account: '1' }), undefined);
    assert.equal(refusedAction(policy, { ...request, operation: 'PurgeQueue' }, { region: 'eu-central-1', account: '1' }), 'sqs:PurgeQueue');
});
