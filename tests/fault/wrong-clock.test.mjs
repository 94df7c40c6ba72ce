// A host whose clock is wrong, or is set while the service runs: its credentials come, last and are renewed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { readRequest } from '../tools/aws-request.mjs';
import { checkSignature } from '../tools/aws-signature.mjs';
import { genesys } from '../tools/events.mjs';
import { fakedTime, pair, startOnOwnAws } from '../tools/own-aws.mjs';
import { until } from '../tools/wait.mjs';

// Gives credentials for half an hour, by a right clock: to a role by a signed POST as STS does, to a GET
// as a container's agent does.
async function startGiver(t, base) {
    const giver = { asked: 0, refused: [] };
    const server = http.createServer(async (request, response) => {
        giver.asked++;
        const body = Buffer.concat(await Array.fromAsync(request));
        const until = new Date(Date.now() + 1_800_000).toISOString().replace(/\.\d+/, '');
        const given = { AccessKeyId: pair.access_key_id, SecretAccessKey: pair.secret_access_key, Expiration: until };
        const refusal = request.method === 'POST' &&
            await checkSignature(readRequest({ method: request.method, url: request.url, headers: request.headers, body }),
                { keys: [base], region: 'local', now: Date.now() });
        if (refusal) {
            giver.refused.push(refusal.why);
            response.writeHead(refusal.answer.status, refusal.answer.headers).end(refusal.answer.body);
        } else if (request.method === 'POST') {
            const members = Object.entries({ ...given, SessionToken: 'T' }).map(([name, value]) => `<${name}>${value}</${name}>`);
            response.end(`<R><Credentials>${members.join('')}</Credentials></R>`);
        } else {
            response.end(JSON.stringify({ ...given, Token: 'T' }));
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    giver.url = `http://127.0.0.1:${server.address().port}`;
    return giver;
}

describe('a wrong clock', { concurrency: 3 }, () => {
    for (const [source, hours] of [['role', 1], ['role', -1], ['container', 1], ['container', -1]]) {
        test(`a host whose clock is ${hours} h off gets the credentials of its ${source}, for as long as they last`, async (t) => {
            const base = { id: 'AKIABASEBASEBASEBASE', secret: 'base' };
            const giver = await startGiver(t, base);
            const s = await startOnOwnAws(t, {
                aws: { sts_endpoint_url: giver.url }, aheadMs: hours * 3_600_000,
                env: source === 'container' ? { AWS_CONTAINER_CREDENTIALS_FULL_URI: giver.url } : {},
            });
            if (source === 'role') {
                fs.writeFileSync(path.join(s.dir, '.aws/config'), '[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n');
                fs.writeFileSync(path.join(s.dir, '.aws/credentials'),
                    `[base]\naws_access_key_id = ${base.id}\naws_secret_access_key = ${base.secret}\n`);
            }
            await s.waitUp(90);
            assert.equal((await s.post('genesys', genesys())).status, 200);
            const { gauges } = await s.health('keyring');
            assert.ok(gauges.aws_expires_in_seconds > 900 && gauges.aws_expires_in_seconds <= 1801, `${gauges.aws_expires_in_seconds} s are left`);
            assert.match(s.log(), new RegExp(`keyring.* the clock of this host is \\d{4} s ${hours > 0 ? 'ahead of' : 'behind'} that of ${giver.url}`));
            assert.deepEqual(giver.refused, source === 'role' ? ['skewed'] : []);
        });
    }

    test('credentials are renewed when the clock of the host was set, or it has slept', async (t) => {
        const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-clock-'));
        t.after(() => fs.rmSync(dir, { recursive: true }));
        const clock = path.join(dir, 'clock');
        const setClock = (offset) => {
            fs.writeFileSync(`${clock}.new`, `${offset}\n`);
            fs.renameSync(`${clock}.new`, clock);
        };
        setClock('+0s');
        const giver = await startGiver(t);
        const s = await startOnOwnAws(t, {
            env: {
                ...fakedTime({ FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_CACHE_DURATION: '1' }),
                AWS_CONTAINER_CREDENTIALS_FULL_URI: giver.url,
            },
        });
        await s.waitUp(90);
        for (const offset of ['+3h', '+0s']) {
            const before = giver.asked;
            setClock(offset);
            await until(`a renewal at ${offset}`, () => giver.asked > before, { seconds: 40 });
        }
    });
});
