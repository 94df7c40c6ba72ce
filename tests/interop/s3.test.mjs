// AWS's own SDK for S3 against the store: each operation, and an error of each.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as sdk from '@aws-sdk/client-s3';
import { request } from '../tools/http.mjs';
import { Service } from '../tools/service.mjs';

describe('S3 by the SDK', { concurrency: false }, () => {
    let s;
    let client;
    const Bucket = 'objects';
    const send = (Command, input) => client.send(new sdk[`${Command}Command`]({ Bucket, ...input }));
    const fails = (promise, name, status) => assert.rejects(promise, (error) => {
        assert.equal(error.name, name, `${error.name}: ${error.message}`);
        assert.equal(error.$metadata?.httpStatusCode, status);
        return true;
    });
    const connect = (more = {}) => {
        const pair = s.keyPair();
        return new sdk.S3Client({
            region: 'local', endpoint: `http://127.0.0.1:${s.ports.store}`, maxAttempts: 1, forcePathStyle: true,
            credentials: { accessKeyId: pair.access_key_id, secretAccessKey: pair.secret_access_key }, ...more,
        });
    };
    const text = async (answer) => answer.Body.transformToString();

    before(async () => {
        s = await Service.start();
        client = connect();
        await send('CreateBucket', {});
    });
    after(() => {
        client?.destroy();
        return s?.dispose();
    });

    test('CreateBucket, HeadBucket, DeleteBucket', async () => {
        await fails(send('CreateBucket', {}), 'BucketAlreadyOwnedByYou', 409);
        await fails(send('CreateBucket', { Bucket: 'Not_Good' }), 'InvalidBucketName', 400);
        assert.equal((await send('HeadBucket', {})).BucketRegion, 'local');
        await fails(send('HeadBucket', { Bucket: 'nowhere' }), 'NotFound', 404);
        await send('CreateBucket', { Bucket: 'short-lived' });
        await send('DeleteBucket', { Bucket: 'short-lived' });
        await fails(send('DeleteBucket', { Bucket: 'short-lived' }), 'NoSuchBucket', 404);
        assert.ok((await send('ListBuckets', {})).Buckets.some((bucket) => bucket.Name === Bucket));
        assert.equal((await send('GetBucketVersioning', {})).Status, undefined);
    });
    test('PutObject and GetObject: bytes, type, metadata, checksums', async () => {
        const Body = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 256));
        for (const ChecksumAlgorithm of [undefined, 'CRC32', 'SHA256', 'SHA1']) {
            const put = await send('PutObject', {
                Key: 'bytes', Body, ContentType: 'application/x-test', CacheControl: 'no-store', ChecksumAlgorithm,
                Metadata: { Event_Id: 'e-1', retry_count: '3' },
            });
            assert.match(put.ETag, /^"[0-9a-f]{32}"$/);
            const got = await send('GetObject', { Key: 'bytes' }); // the SDK compares the checksum
            assert.deepEqual(Buffer.from(await got.Body.transformToByteArray()), Body);
            assert.equal(got.ETag, put.ETag);
            assert.equal(got.ContentType, 'application/x-test');
            assert.equal(got.CacheControl, 'no-store');
            assert.deepEqual(got.Metadata, { event_id: 'e-1', retry_count: '3' });
            assert.ok(Math.abs(got.LastModified - Date.now()) < 60_000);
            assert.equal(got[`Checksum${ChecksumAlgorithm ?? 'CRC32'}`].length > 0, true);
        }
        await send('PutObject', { Key: 'bytes', Body: new Uint8Array(0) });
        assert.equal(await text(await send('GetObject', { Key: 'bytes' })), '');
        await fails(send('GetObject', { Key: 'none' }), 'NoSuchKey', 404);
        await fails(send('PutObject', { Bucket: 'nowhere', Key: 'k', Body: 'x' }), 'NoSuchBucket', 404);
        await fails(send('PutObject', { Key: 'k', Body: 'x', ChecksumCRC32: 'AAAAAA==' }), 'BadDigest', 400);
        await fails(send('PutObject', { Key: 'k', Body: 'x', Metadata: { a: 'x'.repeat(2100) } }), 'MetadataTooLarge', 400);
    });
    test('a large object', async () => {
        const Body = Buffer.alloc(4 * 1024 * 1024, 'large ');
        await send('PutObject', { Key: 'large', Body });
        const got = await send('GetObject', { Key: 'large' });
        assert.ok(Body.equals(await got.Body.transformToByteArray()));
    });
    test('HeadObject', async () => {
        await send('PutObject', { Key: 'head', Body: 'four', Metadata: { a: 'b' } });
        const head = await send('HeadObject', { Key: 'head', ChecksumMode: 'ENABLED' });
        assert.equal(head.ContentLength, 4);
        assert.deepEqual(head.Metadata, { a: 'b' });
        assert.ok(head.ChecksumCRC32);
        await fails(send('HeadObject', { Key: 'none' }), 'NotFound', 404);
    });
    test('keys of every kind', async () => {
        const keys = ['dlq/year=2026/a b+c.json', 'ü/ß/日本', 'a//b', 'x/./y', '%20', 'q?a=1&b=2#c', "it's (ok)!*", '<&>"'];
        for (const Key of keys) {
            await send('PutObject', { Key: `kinds/${Key}`, Body: Key });
            assert.equal(await text(await send('GetObject', { Key: `kinds/${Key}` })), Key);
        }
        const { Contents } = await send('ListObjectsV2', { Prefix: 'kinds/' });
        assert.deepEqual(Contents.map((o) => o.Key).sort(), keys.map((key) => `kinds/${key}`).sort());
        const answer = await send('DeleteObjects', { Delete: { Objects: keys.map((key) => ({ Key: `kinds/${key}` })) } });
        assert.equal(answer.Deleted.length, keys.length);
        assert.equal((await send('ListObjectsV2', { Prefix: 'kinds/' })).KeyCount, 0);
        await fails(send('PutObject', { Key: 'k'.repeat(1025), Body: 'x' }), 'KeyTooLongError', 400);
    });
    test('conditional writes', async () => {
        const Key = 'once';
        const first = await send('PutObject', { Key, Body: '1', IfNoneMatch: '*' });
        await fails(send('PutObject', { Key, Body: '2', IfNoneMatch: '*' }), 'PreconditionFailed', 412);
        const second = await send('PutObject', { Key, Body: '2', IfMatch: first.ETag });
        await fails(send('PutObject', { Key, Body: '3', IfMatch: first.ETag }), 'PreconditionFailed', 412);
        await fails(send('PutObject', { Key: 'absent', Body: '3', IfMatch: first.ETag }), 'NoSuchKey', 404);
        await fails(send('PutObject', { Key, Body: '3', IfNoneMatch: first.ETag }), 'NotImplemented', 501);
        await fails(send('PutObject', { Key, Body: '3', IfMatch: '*' }), 'NotImplemented', 501);
        await fails(send('DeleteObject', { Key, IfMatch: first.ETag }), 'PreconditionFailed', 412);
        await send('DeleteObject', { Key, IfMatch: second.ETag });
        await fails(send('GetObject', { Key }), 'NoSuchKey', 404);
    });
    test('of many writers with If-None-Match one wins', async () => {
        const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, i) =>
            send('PutObject', { Key: 'race', Body: String(i), IfNoneMatch: '*' })));
        const won = answers.flatMap((answer, i) => (answer.status === 'fulfilled' ? [String(i)] : []));
        assert.equal(won.length, 1);
        assert.equal(await text(await send('GetObject', { Key: 'race' })), won[0]);
        assert.ok(answers.every((answer) => answer.status === 'fulfilled' || answer.reason.name === 'PreconditionFailed'));
    });
    test('conditional reads and ranges', async () => {
        const { ETag } = await send('PutObject', { Key: 'range', Body: '0123456789' });
        assert.equal(await text(await send('GetObject', { Key: 'range', IfMatch: ETag })), '0123456789');
        await fails(send('GetObject', { Key: 'range', IfMatch: '"0"' }), 'PreconditionFailed', 412);
        await assert.rejects(send('GetObject', { Key: 'range', IfNoneMatch: ETag }), (error) => error.$metadata.httpStatusCode === 304);
        const part = await send('GetObject', { Key: 'range', Range: 'bytes=2-4' });
        assert.equal(part.ContentRange, 'bytes 2-4/10');
        assert.equal(await text(part), '234');
        assert.equal(await text(await send('GetObject', { Key: 'range', Range: 'bytes=-3' })), '789');
        await fails(send('GetObject', { Key: 'range', Range: 'bytes=10-' }), 'InvalidRange', 416);
    });
    test('DeleteObject', async () => {
        await send('PutObject', { Key: 'gone', Body: 'x' });
        await send('DeleteObject', { Key: 'gone' });
        assert.equal((await send('DeleteObject', { Key: 'gone' })).$metadata.httpStatusCode, 204);
        await fails(send('DeleteObject', { Bucket: 'nowhere', Key: 'gone' }), 'NoSuchBucket', 404);
    });
    test('ListObjectsV2: pages, prefixes, delimiters, order', async () => {
        await send('CreateBucket', { Bucket: 'listed' });
        const keys = ['a', 'b/1', 'b/2', 'b/x/1', 'c+d e/1', 'z', 'é'];
        for (const Key of [...keys].reverse()) {
            await send('PutObject', { Bucket: 'listed', Key, Body: Key });
        }
        const pages = [];
        for await (const page of sdk.paginateListObjectsV2({ client, pageSize: 2 }, { Bucket: 'listed' })) {
            pages.push((page.Contents ?? []).map((o) => o.Key));
        }
        assert.deepEqual(pages.flat(), keys);
        assert.equal(pages.length, 4);
        const folded = await send('ListObjectsV2', { Bucket: 'listed', Delimiter: '/', EncodingType: 'url' });
        assert.deepEqual(folded.CommonPrefixes.map((p) => decodeURIComponent(p.Prefix)), ['b/', 'c+d e/']);
        assert.equal(folded.KeyCount, 5);
        assert.deepEqual((await send('ListObjectsV2', { Bucket: 'listed', StartAfter: 'b/1', MaxKeys: 2 })).Contents.map((o) => o.Key), ['b/2', 'b/x/1']);
        await fails(send('ListObjectsV2', { Bucket: 'listed', ContinuationToken: 'nonsense' }), 'InvalidArgument', 400);
        await fails(send('ListObjectsV2', { Bucket: 'nowhere' }), 'NoSuchBucket', 404);
        await fails(send('DeleteBucket', { Bucket: 'listed' }), 'BucketNotEmpty', 409);
    });
    test('what the store has not got is refused', async () => {
        await fails(send('CreateMultipartUpload', { Key: 'k' }), 'NotImplemented', 501);
        await fails(send('CopyObject', { Key: 'k', CopySource: `${Bucket}/head` }), 'NotImplemented', 501);
        await fails(send('PutBucketVersioning', { VersioningConfiguration: { Status: 'Enabled' } }), 'NotImplemented', 501);
    });
    test('signatures are checked', async () => {
        const pair = s.keyPair();
        const other = connect({ credentials: { accessKeyId: pair.access_key_id, secretAccessKey: 'wrong' } });
        await fails(other.send(new sdk.ListBucketsCommand({})), 'SignatureDoesNotMatch', 403);
        other.destroy();
        const stranger = connect({ credentials: { accessKeyId: 'AKIDSTRANGER', secretAccessKey: 'x' } });
        await fails(stranger.send(new sdk.ListBucketsCommand({})), 'InvalidAccessKeyId', 403);
        stranger.destroy();
        const unsigned = await request({ port: s.ports.store }, `/${Bucket}/head`);
        assert.equal(unsigned.status, 403);
        assert.match(unsigned.text, /<Code>AccessDenied<\/Code>/);
    });
});
