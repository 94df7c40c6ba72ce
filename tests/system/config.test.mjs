// sluiced -t and the configuration's ways.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { merge, runProgram, Service, top } from '../tools/service.mjs';

async function check(s, text, env) {
    fs.writeFileSync(s.confFile, typeof text === 'string' ? text : JSON.stringify(text));
    const { status, stdout, stderr } = await runProgram('sluiced', ['-t', '-c', s.confFile], { env });
    return { status, lines: (stdout + stderr).split('\n').filter(Boolean) };
}

test('five errors are five lines, each with its path', async (t) => {
    const s = await Service.create(t);
    const { status, lines } = await check(s, merge(s.conf, {
        ingst: {},
        ingest: { max_pending: 'many' },
        consumer: { workers: 0 },
        sources: {
            genesys: { destination: 'nowhere' },
            cxone: { retry: { visibility_s: 12, wait_s: 5 } },
        },
    }));
    assert.equal(status, 78);
    assert.equal(lines.length, 5, lines.join('\n'));
    for (const [where, what] of [
        ['ingst', /did you mean.*ingest/i], ['ingest.max_pending', /number|integer/], ['consumer.workers', /1/],
        ['sources.genesys.destination', /nowhere/], ['sources.cxone.retry', /visibility_s/],
    ]) {
        const line = lines.find((l) => l.includes(`${where}`));
        assert.ok(line, `no line for ${where} in\n${lines.join('\n')}`);
        assert.match(line, what);
    }
});

test('a good file is good, comments and environment included', async (t) => {
    const s = await Service.create(t);
    const text = JSON.stringify(s.conf, null, 1).replace('{', '{ // a comment\n /* and\n another */')
        .replace(/"none"/, '"${KIND:-none}"');
    assert.equal((await check(s, text)).status, 0);
    const missing = await check(s, text.replace('KIND:-none', 'NO_SUCH_NAME'));
    assert.equal(missing.status, 78);
    assert.match(missing.lines.join('\n'), /verify\.type.*NO_SUCH_NAME/);
});

test('a secret from a file', async (t) => {
    const s = await Service.create(t);
    fs.writeFileSync(path.join(s.dir, 'secret'), 'from-a-file-1\n');
    const conf = merge(s.conf, { sources: { cxone: { verify: { type: 'bearer', secrets: [{ file: 'secret' }] } } } });
    s.writeConf(conf);
    await s.launch();
    assert.equal((await s.post('cxone', '{}')).status, 401);
    assert.equal((await s.post('cxone', '{}', { headers: { authorization: 'Bearer from-a-file-1' } })).status, 200);
});

test('the shipped configurations are good', async (t) => {
    const s = await Service.create(t);
    const env = { TRIAL_STATE: s.dir, TRIAL_TOP: top };
    for (const file of ['etc/sluice.json', 'etc/samples/trial.json']) {
        const { status, stdout, stderr } = await runProgram('sluiced', ['-t', '-c', path.join(top, file)], { env });
        assert.equal(status, 0, `${file}: ${stdout}${stderr}`);
    }
});

test('versions', async () => {
    for (const name of ['sluiced', 'sluicectl']) {
        const { status, stdout } = await runProgram(name, ['-V']);
        assert.equal(status, 0);
        assert.match(stdout, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\\n$`));
    }
});
