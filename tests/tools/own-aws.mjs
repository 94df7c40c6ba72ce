// A service with a queue "on AWS", which is its own store, so that it needs credentials: `pair` is right. With
// aheadMs, all of its processes have a clock that is off by so much (plain build only: libfaketime and
// ASan cannot both be preloaded).
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Service } from './service.mjs';
import { until } from './wait.mjs';

export const pair = { access_key_id: 'SLUICEABCDEFGHIJKLMN', secret_access_key: '0123456789abcdefghijABCDEFGHIJ0123456789' };

export function fakedTime(settings) {
    const preload = execFileSync('faketime', ['-f', '+1h', 'printenv', 'LD_PRELOAD']).toString().trim();
    return { LD_PRELOAD: preload, DONT_FAKE_MONOTONIC: '1', ...settings };
}

export async function startOnOwnAws(t, { aws = {}, env = {}, aheadMs = 0 } = {}) {
    const s = await Service.create(t);
    const endpoint = `http://127.0.0.1:${s.ports.store}`;
    fs.mkdirSync(s.state, { recursive: true });
    fs.mkdirSync(path.join(s.dir, '.aws'));
    fs.writeFileSync(path.join(s.state, 'embedded-key.json'), JSON.stringify(pair), { mode: 0o600 });
    s.conf.aws = { region: 'local', sqs_endpoint_url: endpoint, ...aws };
    s.conf.queues = { genesys: { service: 'aws', url: `${endpoint}/000000000000/genesys` } };
    s.writeConf();
    s.sqs.aheadMs = aheadMs;
    const clock = aheadMs ? fakedTime({ FAKETIME: `${aheadMs > 0 ? '+' : ''}${aheadMs / 1000}s` }) : {};
    await s.launch({ wait: false, env: { HOME: s.dir, AWS_EC2_METADATA_DISABLED: 'true', ...clock, ...env } });
    await until('the store', () => s.sqs.call('CreateQueue', { QueueName: 'genesys' }), { seconds: 20 });
    return s;
}
