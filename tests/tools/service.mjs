// Runs the real programs on a state directory of their own, for one test.
//
//   const s = await Service.start(t, { conf: {...} });   // stopped and cleaned up after the test
//
// The programs come from $SLUICE_TEST_BUILD (build or build-asan).
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { request } from './http.mjs';
import { Sqs } from './sqs.mjs';
import { until } from './wait.mjs';

export const top = path.resolve(import.meta.dirname, '../..');
export const build = path.resolve(process.env.SLUICE_TEST_BUILD ?? path.join(top, 'build'));
export const program = (name) => path.join(build, 'bin', name);

// A block of ports of its own for this process, below the ephemeral ones. An abstract socket says that a
// block is taken; it goes with the process.
const blockPorts = 100;
async function claimPorts() {
    for (let block = process.pid % 200; ; block = (block + 1) % 200) {
        const claim = net.createServer().unref();
        const taken = await new Promise((resolve) => {
            claim.once('error', () => resolve(true));
            claim.listen(`\0sluice-test-ports-${block}`, () => resolve(false));
        });
        if (!taken) {
            return 10_000 + block * blockPorts;
        }
    }
}

let ports;
let given = 0;
// A port that somebody else holds is passed over.
export async function freePort() {
    const first = await (ports ??= claimPorts());
    for (;;) {
        const port = first + given++ % blockPorts;
        const server = net.createServer();
        const free = await new Promise((resolve) => {
            server.once('error', () => resolve(false));
            server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
        });
        if (free) {
            return port;
        }
    }
}

function isObject(value) {
    return value !== null && typeof value === 'object' && !Array.isArray(value);
}

// Lays `over` over `under`, member by member.
export function merge(under, over) {
    if (!isObject(under) || !isObject(over)) {
        return over === undefined ? under : over;
    }
    const out = { ...under };
    for (const [key, value] of Object.entries(over)) {
        out[key] = merge(under[key], value);
    }
    return out;
}

export function alive(pid) {
    try {
        return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
        return false;
    }
}

function processes() {
    return fs.readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).flatMap((entry) => {
        try {
            const stat = fs.readFileSync(`/proc/${entry}/stat`, 'utf8');
            const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
            const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
            return state === 'Z' ? [] : [{ pid: Number(entry), name, parent: Number(parent) }];
        } catch {
            return []; // gone meanwhile
        }
    });
}

function openFiles(pid) {
    try {
        return fs.readdirSync(`/proc/${pid}/fd`).map((fd) => {
            try {
                return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
            } catch {
                return '';
            }
        });
    } catch {
        return [];
    }
}

// Runs a program to its end: {status, signal, stdout, stderr}.
export function runProgram(name, args, { env = {}, cwd, timeoutMs = 60_000, input } = {}) {
    return new Promise((resolve) => {
        const child = execFile(name.includes('/') ? name : program(name), args,
            { env: { ...process.env, ...env }, cwd, timeout: timeoutMs, maxBuffer: 64 << 20 },
            (error, stdout, stderr) => resolve({
                status: error ? error.code ?? null : 0, signal: error?.signal ?? null, stdout, stderr,
            }));
        child.stdin.on('error', () => {});
        child.stdin.end(input ?? '');
    });
}

// Services that are not disposed of yet. A test process that ends before (the runner's time limit, an
// error that nobody caught) leaves nothing of them behind.
const living = new Set();
process.once('exit', () => living.forEach((s) => s.remove()));
process.once('SIGTERM', () => process.exit(1));

export class Service {
    // options.conf is laid over the default configuration; options.env goes to sluiced. Without t the
    // caller disposes of it.
    static async start(t, options = {}) {
        const service = await Service.create(t, options);
        try {
            await service.launch(options);
        } catch (error) {
            if (!t) {
                await service.dispose();
            }
            throw error;
        }
        return service;
    }

    // The same without starting anything.
    static async create(t, { conf = {}, env = {}, dir } = {}) {
        const s = new Service();
        s.dir = dir ?? fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-t-'));
        s.state = path.join(s.dir, 'state');
        s.ledgerDir = path.join(s.dir, 'destination');
        for (const part of ['bodies', 'started']) {
            fs.mkdirSync(path.join(s.ledgerDir, part), { recursive: true });
        }
        s.ports = { ingest: await freePort(), api: await freePort(), store: await freePort() };
        s.env = env;
        s.logFile = path.join(s.dir, 'sluiced.log');
        s.confFile = path.join(s.dir, 'sluice.json');
        s.conf = merge(s.defaults(), conf);
        s.writeConf();
        s.sqs = new Sqs({ socketPath: path.join(s.state, 'run/store.sock') }, () => s.keyPair());
        s.agent = new http.Agent({ keepAlive: true, maxSockets: 512 });
        living.add(s);
        t?.after(() => s.dispose(t));
        return s;
    }

    defaults() {
        const source = {
            verify: { type: 'none' }, destination: 'ledger', retry: { base_s: 1, cap_s: 2 },
            ack_deadline_ms: 25_000, // a loaded test machine is not what these tests measure
        };
        return {
            state_dir: this.state,
            drain_s: 10,
            log: { level: 'debug' },
            ingest: { listen: [`127.0.0.1:${this.ports.ingest}`] },
            retry: { listen: [`127.0.0.1:${this.ports.api}`], open_on_loopback: true },
            store: { listen: [`127.0.0.1:${this.ports.store}`] },
            destinations: {
                ledger: {
                    type: 'exec',
                    argv: [path.join(top, 'tests/tools/ledger-destination'), this.ledgerDir],
                    max_running: 32,
                    timeout_s: 120,
                },
            },
            sources: {
                genesys: { preset: 'genesys-outbound', ...source },
                cxone: { preset: 'cxone-data-actions', dead_letter: { queue: 'cxone-dlq' }, ...source },
            },
        };
    }

    writeConf(conf = this.conf) {
        this.conf = conf;
        fs.writeFileSync(this.confFile, JSON.stringify(conf, null, 4));
    }

    keyPair() {
        return JSON.parse(fs.readFileSync(path.join(this.state, 'embedded-key.json'), 'utf8'));
    }

    // Starts sluiced and, unless told not to, waits until everything is up.
    async launch({ env = this.env, wait = true, seconds = 20, sluiced = program('sluiced') } = {}) {
        const log = fs.openSync(this.logFile, 'a');
        this.process = spawn(sluiced, ['-c', this.confFile],
            { stdio: ['ignore', log, log], env: { ...process.env, ...env }, detached: true });
        fs.closeSync(log);
        this.exited = new Promise((resolve) => {
            this.process.once('exit', (status, signal) => resolve({ status, signal }));
        });
        if (wait) {
            await this.waitUp(seconds);
        }
        return this;
    }

    get pid() {
        return this.process.pid;
    }

    async waitUp(seconds = 20) {
        await until('every worker to be up', async () => {
            if (this.process.exitCode !== null || this.process.signalCode !== null) {
                return true;
            }
            const { pid, workers } = await this.status();
            return pid === this.pid && workers.length > 0 && workers.every((w) => w.state === 'UP') &&
                (await Promise.all(workers.map((w) => this.health(w.name)))).every((h) => h.status === 200);
        }, { seconds });
        if (this.process.exitCode !== null || this.process.signalCode !== null) {
            throw new Error(`sluiced ended at its start\n${this.logTail()}`);
        }
    }

    // One command on the control socket.
    control(command, { seconds = 60 } = {}) {
        return new Promise((resolve, reject) => {
            const socket = net.connect(path.join(this.state, 'run/control.sock'));
            let text = '';
            socket.setTimeout(seconds * 1000, () => socket.destroy(new Error('no answer from the control socket')));
            socket.on('connect', () => socket.write(`${JSON.stringify(command)}\n`));
            socket.on('data', (data) => {
                text += data;
                if (text.includes('\n')) {
                    socket.destroy();
                    resolve(JSON.parse(text));
                }
            });
            socket.on('error', reject);
            socket.on('end', () => reject(new Error('the control socket closed')));
        });
    }

    status() {
        return this.control({ cmd: 'status' });
    }

    async workers(role) {
        return (await this.status()).workers.filter((w) => w.role === role);
    }

    // The health answer of a worker, its JSON in .state_of.
    async health(name) {
        const answer = await request({ socketPath: path.join(this.state, `run/health/${name}.sock`) }, '/healthz',
            { timeoutMs: 30_000 });
        return { status: answer.status, ...answer.json() };
    }

    // A counter of a role, summed over its workers.
    async counter(role, name) {
        const names = (await this.workers(role)).map((w) => w.name);
        const all = await Promise.all(names.map((worker) => this.health(worker)));
        return all.reduce((sum, h) => sum + (h.counters?.[name] ?? 0), 0);
    }

    path(source) {
        const preset = { 'genesys-outbound': '/webhooks/genesys-outbound', 'cxone-data-actions': '/webhook/cxone-data-actions' };
        const conf = this.conf.sources[source];
        return conf.path ?? preset[conf.preset];
    }

    post(source, body, { headers = {}, ...more } = {}) {
        return request({ port: this.ports.ingest }, this.path(source), {
            method: 'POST', body, agent: this.agent, ...more,
            headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
        });
    }

    // What the recording destination wrote: one entry for each ended attempt.
    ledger() {
        let text = '';
        try {
            text = fs.readFileSync(path.join(this.ledgerDir, 'ledger'), 'utf8');
        } catch (error) {
            if (error.code !== 'ENOENT') {
                throw error;
            }
        }
        return text.split('\n').filter(Boolean).map((line) => {
            const [trace, eventId, attempt, start, end, pid, status] = line.split('\t');
            return { trace, eventId, attempt: Number(attempt), startMs: start / 1000, endMs: end / 1000, pid, status: Number(status) };
        });
    }

    // The bytes that an attempt of the ledger was given.
    deliveredBody({ trace, attempt, pid }) {
        return fs.readFileSync(path.join(this.ledgerDir, 'bodies', `${trace}.${attempt}.${pid}`));
    }

    // Lets the deliveries end that were told to be held.
    release() {
        fs.writeFileSync(path.join(this.ledgerDir, 'released'), '');
    }

    // Sleeping or held deliveries that have begun.
    started() {
        return fs.readdirSync(path.join(this.ledgerDir, 'started'));
    }

    log() {
        return fs.existsSync(this.logFile) ? fs.readFileSync(this.logFile, 'utf8') : '';
    }

    logTail(lines = 40) {
        return this.log().split('\n').slice(-lines).join('\n');
    }

    signal(name, pid = this.pid) {
        try {
            process.kill(pid, name);
        } catch (error) {
            if (error.code !== 'ESRCH') {
                throw error;
            }
        }
    }

    // SIGTERM and wait: {status, signal}.
    async stop({ seconds = 20 } = {}) {
        this.signal('SIGTERM');
        return this.waitExit(seconds);
    }

    async waitExit(seconds = 20) {
        let result;
        this.exited.then((r) => (result = r));
        await until('sluiced to end', () => result, { seconds });
        return result;
    }

    // Living processes whose parent is pid.
    children(pid = this.pid) {
        return processes().filter((p) => p.parent === pid);
    }

    // Store processes that have a file of this service's state open, whoever their parent is.
    stores() {
        return processes().filter((p) => p.name === 'sluice-store' && openFiles(p.pid).some((f) => f.startsWith(this.state)));
    }

    // Kills whoever has a file of its directory open, and removes that.
    remove() {
        living.delete(this);
        processes().filter(({ pid }) => pid !== process.pid && openFiles(pid).some((f) => f.startsWith(this.dir)))
            .forEach(({ pid }) => this.signal('SIGKILL', pid));
        fs.rmSync(this.dir, { recursive: true, force: true, maxRetries: 10 });
    }

    async dispose(t) {
        this.agent.destroy();
        this.sqs.close();
        if (this.process && this.process.exitCode === null && this.process.signalCode === null) {
            this.signal('SIGTERM');
            await this.waitExit(20).catch(() => {}); // what is left then is killed
        }
        const log = this.log();
        const found = log.match(/^.*(ERROR: \w+Sanitizer|runtime error:|Assertion .* failed)[^]{0,3000}/m);
        if ((t?.passed === false || found) && process.env.KEEP) {
            console.error(`kept ${this.dir}`);
            living.delete(this);
        } else {
            this.remove();
        }
        if (found) {
            throw new Error(`a program reported a fault:\n${found[0]}`);
        }
        if (t?.passed === false) {
            console.error(log.split('\n').slice(-30).join('\n'));
        }
    }
}
