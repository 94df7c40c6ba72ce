// AWS's own SDK for DynamoDB against the store: each operation, and an error of each.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as sdk from '@aws-sdk/client-dynamodb';
import { Service } from '../tools/service.mjs';

describe('DynamoDB by the SDK', { concurrency: false }, () => {
    let s;
    let client;
    const TableName = 'records';
    const send = (Command, input) => client.send(new sdk[`${Command}Command`]({ TableName, ...input }));
    const fails = (promise, name, pattern = /./) => assert.rejects(promise, (error) => {
        assert.equal(error.name, name, `${error.name}: ${error.message}`);
        assert.match(error.message, pattern);
        return true;
    });
    const connect = (more = {}) => {
        const pair = s.keyPair();
        return new sdk.DynamoDBClient({
            region: 'local', endpoint: `http://127.0.0.1:${s.ports.store}`, maxAttempts: 1,
            credentials: { accessKeyId: pair.access_key_id, secretAccessKey: pair.secret_access_key }, ...more,
        });
    };
    const schema = {
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        BillingMode: 'PAY_PER_REQUEST',
    };
    const key = (id) => ({ id: { S: id } });

    before(async () => {
        s = await Service.start();
        client = connect();
        await send('CreateTable', schema);
    });
    after(() => {
        client?.destroy();
        return s?.dispose();
    });

    test('CreateTable, DescribeTable', async () => {
        await sdk.waitUntilTableExists({ client, minDelay: 1, maxDelay: 1, maxWaitTime: 60 }, { TableName });
        const { Table } = await send('DescribeTable', {});
        assert.equal(Table.TableStatus, 'ACTIVE');
        assert.deepEqual(Table.KeySchema, schema.KeySchema);
        assert.ok(Math.abs(Table.CreationDateTime - Date.now()) < 60_000);
        await fails(send('CreateTable', schema), 'ResourceInUseException');
        await fails(send('DescribeTable', { TableName: 'nowhere' }), 'ResourceNotFoundException');
        await fails(send('CreateTable', { ...schema, TableName: 'x!' }), 'ValidationException');
    });
    test('UpdateTimeToLive, DescribeTimeToLive', async () => {
        const TimeToLiveSpecification = { Enabled: true, AttributeName: 'expires' };
        await send('UpdateTimeToLive', { TimeToLiveSpecification });
        const { TimeToLiveDescription } = await send('DescribeTimeToLive', {});
        assert.deepEqual(TimeToLiveDescription, { TimeToLiveStatus: 'ENABLED', AttributeName: 'expires' });
        await fails(send('UpdateTimeToLive', { TimeToLiveSpecification }), 'ValidationException', /already enabled/);
        await fails(send('DescribeTimeToLive', { TableName: 'nowhere' }), 'ResourceNotFoundException');
    });
    test('PutItem and GetItem: every type', async () => {
        const Item = {
            ...key('types'), s: { S: 'Grüße "quoted" \u{1f600}\n' }, n: { N: '-12.5' }, b: { B: new Uint8Array([0, 254, 255]) },
            yes: { BOOL: true }, nothing: { NULL: true }, list: { L: [{ S: 'a' }, { N: '1' }, { L: [] }] }, map: { M: { k: { S: 'v' }, e: { M: {} } } },
        };
        assert.equal((await send('PutItem', { Item, ReturnValues: 'ALL_OLD' })).Attributes, undefined);
        const got = await send('GetItem', { Key: key('types'), ConsistentRead: true });
        assert.deepEqual({ ...got.Item, b: { B: [...got.Item.b.B] } }, { ...Item, b: { B: [0, 254, 255] } });
        assert.equal((await send('GetItem', { Key: key('none') })).Item, undefined);
        await fails(send('GetItem', { Key: { other: { S: 'x' } } }), 'ValidationException', /does not match the schema/);
        await fails(send('GetItem', { TableName: 'nowhere', Key: key('x') }), 'ResourceNotFoundException');
        await fails(send('PutItem', { Item: { ...key('x'), n: { N: 'twelve' } } }), 'ValidationException', /numeric/);
        await fails(send('PutItem', { Item: { ...key('x'), s: { S: 'x'.repeat(400 * 1024) } } }), 'ValidationException', /size/);
    });
    test('conditions, with the item that was there', async () => {
        await send('PutItem', { Item: { ...key('once'), n: { N: '9' } }, ConditionExpression: 'attribute_not_exists(id)' });
        const again = { Item: key('once'), ConditionExpression: 'attribute_not_exists(id)' };
        await fails(send('PutItem', again), 'ConditionalCheckFailedException');
        await assert.rejects(send('PutItem', { ...again, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' }), (error) => {
            assert.ok(error instanceof sdk.ConditionalCheckFailedException);
            assert.deepEqual(error.Item, { ...key('once'), n: { N: '9' } });
            return true;
        });
        const holds = (ConditionExpression, values, names) => send('PutItem', {
            Item: { ...key('once'), n: { N: '9' } }, ConditionExpression, ExpressionAttributeValues: values, ExpressionAttributeNames: names,
        });
        await holds('#n < :ten AND NOT attribute_exists(gone)', { ':ten': { N: '10' } }, { '#n': 'n' }); // as numbers
        await holds('n BETWEEN :a AND :b OR begins_with(id, :x)', { ':a': { N: '0' }, ':b': { N: '1' }, ':x': { S: 'on' } });
        await fails(holds('n = :s', { ':s': { S: '9' } }), 'ConditionalCheckFailedException');
        await fails(holds('n = :undefined', { ':s': { S: '9' } }), 'ValidationException', /:undefined/);
        await fails(holds('attribute_exists(id)', { ':s': { S: '9' } }), 'ValidationException', /unused in expressions: keys: \{:s\}/);
        await fails(holds('n = = n'), 'ValidationException', /Syntax error/);
    });
    test('UpdateItem', async () => {
        const Key = key('counter');
        const count = () => send('UpdateItem', {
            Key, UpdateExpression: 'SET #c = if_not_exists(#c, :zero) + :one, at = :at REMOVE gone',
            ExpressionAttributeNames: { '#c': 'count' },
            ExpressionAttributeValues: { ':zero': { N: '0' }, ':one': { N: '1' }, ':at': { S: 'now' } }, ReturnValues: 'ALL_NEW',
        });
        assert.deepEqual((await count()).Attributes, { ...Key, count: { N: '1' }, at: { S: 'now' } });
        await Promise.all(Array.from({ length: 19 }, count));
        assert.equal((await send('GetItem', { Key })).Item.count.N, '20');
        const last = await send('UpdateItem', {
            Key, UpdateExpression: 'SET n = #c - :one', ExpressionAttributeNames: { '#c': 'count' },
            ExpressionAttributeValues: { ':one': { N: '1' } }, ReturnValues: 'UPDATED_NEW',
        });
        assert.deepEqual(last.Attributes, { n: { N: '19' } });
        await fails(send('UpdateItem', { Key, UpdateExpression: 'SET id = :v', ExpressionAttributeValues: { ':v': { S: 'x' } } }), 'ValidationException', /part of the key/);
        await fails(send('UpdateItem', { Key, UpdateExpression: 'SET x = gone' }), 'ValidationException', /does not exist/);
        await fails(send('UpdateItem', { Key, UpdateExpression: 'REMOVE n', ConditionExpression: 'attribute_exists(gone)' }), 'ConditionalCheckFailedException');
    });
    test('of many claims one wins', async () => {
        const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => send('UpdateItem', {
            Key: key('claimed'), UpdateExpression: 'SET owner_id = :me', ConditionExpression: 'attribute_not_exists(owner_id)',
            ExpressionAttributeValues: { ':me': { S: String(i) } },
        })));
        const won = answers.flatMap((answer, i) => (answer.status === 'fulfilled' ? [String(i)] : []));
        assert.equal(won.length, 1);
        assert.equal((await send('GetItem', { Key: key('claimed') })).Item.owner_id.S, won[0]);
    });
    test('DeleteItem', async () => {
        await send('PutItem', { Item: { ...key('gone'), a: { S: 'b' } } });
        await fails(send('DeleteItem', { Key: key('gone'), ConditionExpression: 'attribute_not_exists(a)' }), 'ConditionalCheckFailedException');
        const { Attributes } = await send('DeleteItem', { Key: key('gone'), ReturnValues: 'ALL_OLD' });
        assert.deepEqual(Attributes, { ...key('gone'), a: { S: 'b' } });
        assert.equal((await send('DeleteItem', { Key: key('gone'), ReturnValues: 'ALL_OLD' })).Attributes, undefined);
    });
    test('what the store has not got is refused', async () => {
        await assert.rejects(send('Scan', {}), (error) => error.name === 'UnknownOperationException');
        await fails(send('GetItem', { Key: key('x'), ProjectionExpression: 'id' }), 'ValidationException', /ProjectionExpression/);
    });
    test('items and tables survive a restart', async () => {
        await send('PutItem', { Item: { ...key('kept'), a: { S: 'b' } } });
        await s.stop();
        await s.launch();
        assert.equal((await send('GetItem', { Key: key('kept') })).Item.a.S, 'b');
    });
    test('signatures are checked', async () => {
        const pair = s.keyPair();
        const other = connect({ credentials: { accessKeyId: pair.access_key_id, secretAccessKey: 'wrong' } });
        await assert.rejects(other.send(new sdk.DescribeTableCommand({ TableName })), (error) => error.$metadata.httpStatusCode === 403);
        other.destroy();
    });
});
