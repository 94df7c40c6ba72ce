// Which IAM actions AWS wants for each call that we make, and whether a policy allows them.
import fs from 'node:fs';
import path from 'node:path';
import { top } from './service.mjs';

// Calls that are only ever made on the embedded store.
export const embeddedOnly = ['CreateQueue', 'CreateBucket', 'CreateTable', 'UpdateTimeToLive'];

// Operation -> actions, each on the resource that the operation names: a queue, a bucket ("bucket"), an
// object ("object") or a table.
export const actions = {
    SendMessage: ['sqs:SendMessage'],
    SendMessageBatch: ['sqs:SendMessage'],
    ReceiveMessage: ['sqs:ReceiveMessage'],
    DeleteMessage: ['sqs:DeleteMessage'],
    DeleteMessageBatch: ['sqs:DeleteMessage'],
    ChangeMessageVisibility: ['sqs:ChangeMessageVisibility'],
    ChangeMessageVisibilityBatch: ['sqs:ChangeMessageVisibility'],
    GetQueueUrl: ['sqs:GetQueueUrl'],
    GetQueueAttributes: ['sqs:GetQueueAttributes'],
    HeadBucket: ['s3:ListBucket'],
    ListObjectsV2: ['s3:ListBucket'],
    GetBucketVersioning: ['s3:GetBucketVersioning'],
    GetObject: ['s3:GetObject'],
    PutObject: ['s3:PutObject'],
    DeleteObject: ['s3:DeleteObject'],
    DescribeTable: ['dynamodb:DescribeTable'],
    GetItem: ['dynamodb:GetItem'],
    UpdateItem: ['dynamodb:UpdateItem'],
};

// Beyond its own action: a missing object is 404 instead of 403 only to those who may list; a condition
// on an ETag reads the object; encryption with a key of KMS uses that key.
export const consequent = {
    GetObject: ['s3:ListBucket', 'kms:Decrypt'],
    PutObject: ['s3:GetObject', 'kms:GenerateDataKey'],
    DeleteObject: ['s3:GetObject'],
    SendMessageBatch: ['kms:GenerateDataKey', 'kms:Decrypt'],
    ReceiveMessage: ['kms:Decrypt'],
    GetItem: ['kms:Decrypt'],
    UpdateItem: ['kms:Decrypt'],
};

export const roles = ['ingest', 'consumer', 'retry', 'all'];
export const policyFile = (role) => path.join(top, 'etc/iam', `${role}.json`);
export const readPolicy = (role) => JSON.parse(fs.readFileSync(policyFile(role), 'utf8'));

// The policy with its placeholders filled in: {REGION: 'us-east-1', ...}.
export function fill(policy, values) {
    const names = Object.keys(values).sort((a, b) => b.length - a.length).join('|');
    return JSON.parse(JSON.stringify(policy).replace(new RegExp(`(?<![A-Z_])(${names})(?![A-Z_])`, 'g'), (name) => values[name]));
}

const list = (value) => [value].flat();
const matches = (pattern, text) => new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.')}$`, 's').test(text);

export function allows(policy, action, resource) {
    return list(policy.Statement).some((s) => s.Effect === 'Allow' &&
        list(s.Action).includes(action) && list(s.Resource).some((pattern) => matches(pattern, resource)));
}

// The ARN that a request (aws-request.mjs) is about.
export function resourceOf(request, { region, account }) {
    switch (request.service) {
    case 'sqs':
        return `arn:aws:sqs:${region}:${account}:${request.json.QueueUrl?.split('/').at(-1) ?? request.json.QueueName}`;
    case 'dynamodb':
        return `arn:aws:dynamodb:${region}:${account}:table/${request.json.TableName}`;
    default:
        return `arn:aws:s3:::${request.bucket}${request.key === '' ? '' : `/${request.key}`}`;
    }
}

// The action that the policy does not allow, or nothing. A call that is not in the table is not allowed.
export function refusedAction(policy, request, place) {
    const needed = actions[request.operation] ?? [`${request.service}:${request.operation}`];
    const resource = resourceOf(request, place);
    return needed.find((action) => !allows(policy, action, resource));
}
