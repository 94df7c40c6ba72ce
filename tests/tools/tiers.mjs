// Runs the tiers it is given, prints a line for each test, a table of times, and as its very last
// line "N passed, N failed". The exit status is 0 only where something ran and nothing failed.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { parseArgs } from 'node:util';

const top = resolve(import.meta.dirname, '../..');
process.chdir(top);
const { values, positionals: tiers } = parseArgs({
    allowPositionals: true,
    options: { 'install-s': { type: 'string' }, 'build-s': { type: 'string' } },
});
const budgets = { lint: 20, unit: 60, system: 240, interop: 120, browser: 60, fault: 90, fuzz: 30 };
// A file that hangs fails by itself; the long runs take their time.
const fileLimitMs = (Number(process.env.TRIALS ?? 1) > 1 ? 60 : 6) * 60_000;
const fuzzSeconds = Number(process.env.FUZZ_S ?? 4) * Number(process.env.TRIALS ?? 1);
const count = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
const times = [];

// No test may see the shell's cloud settings or proxies.
for (const name of Object.keys(process.env)) {
    if (/^(AWS_|SLUICE_)|_proxy$/i.test(name)) {
        delete process.env[name];
    }
}

function report(outcome, name, seconds, detail) {
    count[outcome]++;
    const word = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip' }[outcome];
    console.log(`${word} ${seconds.toFixed(1).padStart(6)} s  ${name}`);
    if (outcome === 'failed') {
        failures.push({ name, detail });
        console.log(detail.replace(/^/gm, '        '));
    }
}

function filesUnder(dir, suffix) {
    if (!existsSync(dir)) {
        return [];
    }
    return readdirSync(dir, { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile() && e.name.endsWith(suffix))
        .map((e) => join(e.parentPath, e.name))
        .sort();
}

function describe(error) {
    const cause = error?.cause ?? error;
    return String(cause?.stack ?? cause?.message ?? cause).replace(/\n.*node:internal.*/g, '');
}

// Files of node:test, at most four at a time.
function nodeTests(dir, build) {
    const files = filesUnder(dir, '.test.mjs');
    process.env.SLUICE_TEST_BUILD = resolve(build);
    return new Promise((done) => {
        if (files.length === 0) {
            return done();
        }
        const concurrency = dir === 'tests/bench' ? 1 : 4; // nothing beside what is measured
        const stream = run({ files, concurrency, timeout: fileLimitMs });
        const seen = (outcome) => (t) => {
            if (t.details.type === 'suite') {
                return;
            }
            const label = `${t.file ? relative(top, t.file) : dir}: ${t.name}`;
            const skipped = t.skip !== undefined || t.todo !== undefined;
            report(skipped ? 'skipped' : outcome, label, t.details.duration_ms / 1000,
                outcome === 'failed' ? describe(t.details.error) : '');
        };
        stream.on('test:pass', seen('passed'));
        stream.on('test:fail', seen('failed'));
        // What a test says it measured; not the runner's own counts.
        stream.on('test:diagnostic', ({ message }) => {
            if (!/^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/.test(message)) {
                console.log(`              ${message}`);
            }
        });
        stream.on('test:stderr', (t) => process.stderr.write(t.message));
        stream.on('end', done);
        stream.resume();
    });
}

function execute(argv, options = {}) {
    return new Promise((done) => {
        const started = performance.now();
        let text = '';
        const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], ...options });
        child.stdout.on('data', (data) => (text += data));
        child.stderr.on('data', (data) => (text += data));
        const timer = setTimeout(() => child.kill('SIGKILL'), options.limitMs ?? 300_000);
        child.on('error', (error) => (text += error));
        child.on('close', (status, signal) => {
            clearTimeout(timer);
            done({ text, status, signal, seconds: (performance.now() - started) / 1000 });
        });
    });
}

// What takes longest begins first.
const slowest = ['workers/keyring/aws_identity_test', 'common/webhook/json_check_test', 'workers/consumer/poller_test',
    'common/delivery/deadletter_object_test', 'workers/http_server_test', 'workers/consumer/settle_test',
    'workers/worker_test', 'common/aws/sqs_rules_test', 'common/aws/aws_call_test', 'workers/store/db_test'];

// cmocka programs, four at a time, as many wait rather than compute; a program that dies is one more failure.
async function unitTests() {
    const names = filesUnder('tests/unit', '_test.c').map((source) => relative('tests/unit', source).replace(/\.c$/, ''));
    const queue = [...slowest.filter((name) => names.includes(name)), ...names.filter((name) => !slowest.includes(name))];
    async function worker() {
        for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
            const { text, status, signal, seconds } = await execute([`build-asan/unit/${name}`]);
            const passed = [...text.matchAll(/^\[ {2}PASSED {2}\] (\d+) test/gm)];
            const failed = [...text.matchAll(/^\[ {2}FAILED {2}\] (\d+) test/gm)];
            const sum = (all) => all.reduce((n, m) => n + Number(m[1]), 0);
            const bad = Math.max(sum(failed), status === 0 && sum(passed) > 0 ? 0 : 1);
            count.passed += Math.max(sum(passed), 0);
            console.log(`${bad ? 'FAIL' : 'ok  '} ${seconds.toFixed(1).padStart(6)} s  unit/${name}` +
                ` (${sum(passed)} passed${bad ? `, ${bad} failed` : ''})`);
            if (bad) {
                count.failed += bad;
                const detail = `${text.slice(-4000)}\nstatus ${status} signal ${signal}`;
                failures.push({ name: `unit/${name}`, detail });
                console.log(detail);
            }
        }
    }
    await Promise.all([worker(), worker(), worker(), worker()]);
}

async function fuzzTests() {
    const crashes = 'build-fuzz/crashes/';
    mkdirSync(crashes, { recursive: true });
    const queue = filesUnder('tests/fuzz', '_fuzz.c')
        .map((source) => relative('tests/fuzz', source).replace(/\.c$/, ''));
    async function worker() {
        for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
            const corpus = `build-fuzz/corpus/${name}`;
            const seeds = `tests/fuzz/corpus/${name}`;
            mkdirSync(corpus, { recursive: true });
            const { text, status, seconds } = await execute([`build-fuzz/fuzz/${name}`,
                `-max_total_time=${fuzzSeconds}`, '-timeout=30', '-max_len=4096',
                `-artifact_prefix=${crashes}${name}-`, corpus,
                ...(existsSync(seeds) ? [seeds] : [])], { limitMs: (fuzzSeconds + 60) * 1000 });
            const runs = text.match(/Done (\d+) runs/)?.[1] ?? '?';
            report(status === 0 ? 'passed' : 'failed', `fuzz/${name} (${runs} runs)`, seconds,
                text.slice(-4000));
        }
    }
    await Promise.all([worker(), worker()]);
}

const kinds = {
    lint: () => nodeTests('tests/lint', 'build'),
    unit: unitTests,
    system: () => nodeTests('tests/system', 'build-asan'),
    interop: () => nodeTests('tests/interop', 'build-asan'),
    browser: () => nodeTests('tests/browser', 'build-asan'),
    fault: () => nodeTests('tests/fault', 'build'),
    fuzz: fuzzTests,
    bench: () => nodeTests('tests/bench', 'build'),
};

for (const tier of tiers) {
    if (!kinds[tier]) {
        console.error(`no tier "${tier}"; there are ${Object.keys(kinds).join(' ')}`);
        process.exit(64);
    }
    console.log(`-- ${tier}`);
    const started = performance.now();
    await kinds[tier]();
    times.push([tier, (performance.now() - started) / 1000, budgets[tier]]);
}

if (failures.length > 0) {
    console.log('-- failed');
    failures.forEach((f) => console.log(`${f.name}\n${f.detail.replace(/^/gm, '    ')}`));
}
console.log('-- times');
const rows = [['install', Number(values['install-s'] ?? 0), 180],
    ['build', Number(values['build-s'] ?? 0), 120], ...times];
for (const [name, seconds, budget] of rows) {
    const over = budget && seconds > budget ? '  over' : '';
    console.log(`${name.padEnd(8)} ${seconds.toFixed(1).padStart(7)} s` +
        (budget ? `  of ${budget} s${over}` : ''));
}
const ran = count.passed + count.failed;
console.log(`${count.passed} passed, ${count.failed} failed` +
    (count.skipped ? `, ${count.skipped} skipped` : ''));
process.exitCode = count.failed === 0 && ran > 0 && !(process.env.CI && count.skipped) ? 0 : 1;
