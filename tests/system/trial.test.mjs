// `make run`: its table, its ends, and that it leaves nothing running.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { cxone } from '../tools/events.mjs';
import { request } from '../tools/http.mjs';
import { alive, build, freePort, runProgram, top } from '../tools/service.mjs';
import { slow, until } from '../tools/wait.mjs';

async function trial(t, { state, ports } = {}) {
    const dir = state ?? fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-run-'));
    const [port, api] = ports ?? [await freePort(), await freePort()];
    const started = performance.now();
    const child = spawn(path.join(top, 'etc/samples/run-trial'), [build], {
        // A shell's cloud account and proxy must not matter.
        env: {
            ...process.env, TRIAL_STATE: dir, PORT: String(port), API_PORT: String(api),
            AWS_ACCESS_KEY_ID: 'AKIDWRONG', AWS_SECRET_ACCESS_KEY: 'wrong', AWS_REGION: 'nowhere-1',
            AWS_ENDPOINT_URL: 'http://127.0.0.1:9', http_proxy: 'http://127.0.0.1:9', ALL_PROXY: 'http://127.0.0.1:9',
        },
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    const run = { child, dir, port, api, text: '', status: undefined };
    child.stdout.on('data', (data) => (run.text += data));
    child.stderr.on('data', (data) => (run.text += data));
    child.on('exit', (status) => (run.status = status ?? 'signal'));
    run.complete = () => until('the table to be complete', () => {
        if (run.status !== undefined) {
            throw new Error(`it ended with ${run.status}: ${run.text}`);
        }
        run.ms ??= /Ctrl-C stops/.test(run.text) ? performance.now() - started : undefined;
        return run.ms;
    }, { seconds: 40 });
    run.ended = (seconds = 20) => until('the end', () => run.status !== undefined, { seconds });
    t.after(async () => {
        if (run.status === undefined) {
            child.kill('SIGTERM');
            await run.ended(30);
        }
        if (!state) {
            fs.rmSync(dir, { recursive: true, force: true });
        }
    });
    return run;
}

const table = [
    ['genesys', 'good', 200, /^delivered at attempt 1$/],
    ['genesys', 'fails for a while', 200, /^delivered at attempt 3$/],
    ['genesys', 'fails for good', 200, /^dead letter, exhausted at attempt 6: /],
    ['genesys', 'refused', 200, /^dead letter, rejected at attempt 1: /],
    ['genesys', 'unsupported status', 200, /^dead letter, unsupported_status/],
    ['genesys', 'malformed', 400, /^kept for inspection: /],
    ['cxone', 'good', 200, /^delivered at attempt 1$/],
    ['cxone', 'fails for a while', 200, /^delivered at attempt 3$/],
    ['cxone', 'fails for good', 200, /^dead letter, exhausted at attempt 6: /],
    ['cxone', 'no interaction id', 200, /^dead letter, validation/],
    ['cxone', 'malformed', 400, /^kept for inspection: /],
];

test('the table of make run is true, twice on the same state', async (t) => {
    const first = await trial(t);
    await first.complete();
    const again = async (run) => {
        for (const [source, sample, status, became] of table) {
            const line = run.text.split('\n').find((l) => l.startsWith(`${source.padEnd(8)} ${sample.padEnd(19)} ${status}`));
            assert.ok(line, `no line for ${source} ${sample} ${status} in\n${run.text}`);
            assert.match(line.slice(8 + 1 + 19 + 1 + 6 + 1), became);
        }
        assert.ok(run.ms < 15_000 * Math.max(1, slow), `complete after ${run.ms} ms`);
        t.diagnostic(`complete ${Math.round(run.ms)} ms after the start`);
    };
    await again(first);

    // What else one posts is delivered to the same record.
    const body = cxone({ note: 'from elsewhere' });
    const posted = await request({ port: first.port }, '/webhook/cxone-data-actions', { method: 'POST', body });
    assert.equal(posted.status, 200);
    const line = await until('its line', () => fs.readFileSync(path.join(first.dir, 'delivered/cxone.jsonl'), 'utf8')
        .split('\n').filter(Boolean).map((l) => JSON.parse(l)).find((l) => l.trace_id === posted.headers['sluice-trace']));
    assert.equal(Buffer.from(line.body_base64, 'base64').toString(), body);
    assert.equal((await request({ port: first.api }, '/healthz')).status, 200);

    // A second one on the same state says at once who holds it, and on the same port as well.
    const second = await trial(t, { state: first.dir });
    await second.ended(8);
    assert.notEqual(second.status, 0);
    assert.match(second.text, /\bpid \d+|\bprocess \d+|\(\d+\)/);
    const elsewhere = await trial(t, { ports: [first.port, await freePort()] });
    await elsewhere.ended(8);
    assert.notEqual(elsewhere.status, 0);
    assert.match(elsewhere.text, new RegExp(`127\\.0\\.0\\.1:${first.port}.*sluiced`));

    first.child.kill('SIGINT');
    await first.ended(30);
    assert.equal(first.status, 0);
    const log = fs.readFileSync(path.join(first.dir, 'sluiced.log'), 'utf8');
    assert.match(log, /sluiced stopped/);
    assert.doesNotMatch(log, /Sanitizer/);
    await assert.rejects(request({ port: first.port }, '/'));

    const third = await trial(t, { state: first.dir });
    await third.complete();
    await again(third);
    const workers = fs.readdirSync(path.join(first.dir, 'run/health'));
    assert.ok(workers.length >= 6);
    const pids = [];
    for (const name of workers) {
        const answer = await request({ socketPath: path.join(first.dir, 'run/health', name) }, '/healthz');
        pids.push(answer.json().pid);
    }
    const stopped = await runProgram('sluicectl', ['--run-dir', path.join(first.dir, 'run'), 'stop']);
    assert.equal(stopped.status, 0, stopped.stderr);
    await third.ended(30);
    assert.equal(third.status, 0, third.text);
    assert.deepEqual(pids.filter(alive), [], 'nothing is left running');
});
