// In the background (-d), under a service manager, and installed.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { cxone } from '../tools/events.mjs';
import { alive, build, program, runProgram, Service, top } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const asRoot = { skip: process.getuid() !== 0 && 'not root' };

// A service whose daemon is stopped after the test. Its log is a file of its own.
async function create(t, conf = {}) {
    let s;
    // Before the service's own clean-up, which takes the pidfile away.
    t.after(async () => {
        if (fs.existsSync(s?.pidfile)) {
            const pid = s.readPid();
            const workers = s.children(pid);
            s.signal('SIGTERM', pid);
            try {
                await until('the daemon to end', () => !alive(pid), { seconds: 15 });
            } finally {
                [{ pid }, ...workers].forEach((p) => alive(p.pid) && s.signal('SIGKILL', p.pid));
            }
        }
    });
    s = await Service.create(t, { conf });
    s.pidfile = path.join(s.dir, 'sluiced.pid');
    s.readPid = () => Number(fs.readFileSync(s.pidfile, 'utf8'));
    s.daemonLog = s.conf.log.file || path.join(s.state, 'sluiced.log');
    s.log = () => (fs.existsSync(s.daemonLog) ? fs.readFileSync(s.daemonLog, 'utf8') : '');
    s.daemon = (options = {}) => runProgram(options.program ?? 'sluiced',
        ['-d', '-c', s.confFile, '-p', s.pidfile], { timeoutMs: 120_000, ...options });
    return s;
}

// The programs once more, installed below a directory; other files take the place of some.
function install(s, replaced = {}) {
    const root = path.join(s.dir, 'root');
    const env = { ...process.env };
    for (const name of ['MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'MAKEOVERRIDES']) {
        delete env[name];
    }
    const result = spawnSync('make', ['-C', top, 'install-files', `BUILD=${build}`, `DESTDIR=${root}`],
        { env, encoding: 'utf8' });
    assert.equal(result.status, 0, result.stdout + result.stderr);
    for (const [name, text] of Object.entries(replaced)) {
        fs.rmSync(path.join(root, name));
        fs.writeFileSync(path.join(root, name), text, { mode: 0o755 });
    }
    return root;
}

test('-d ends with 0 once every worker is ready, and lets go of its starter', async (t) => {
    const s = await create(t);
    // runProgram waits for the end of both outputs: a daemon that held them would never return.
    const { status, stdout, stderr } = await s.daemon();
    assert.equal(status, 0, stderr);
    assert.equal(stdout, '');
    assert.equal(stderr, `sluiced: no log.file is configured: logging to ${s.daemonLog}\n`);
    const said = await s.status();
    assert.equal(said.pid, s.readPid());
    assert.deepEqual(said.workers.filter((w) => w.state !== 'UP'), []);
    assert.equal((await s.post('cxone', cxone())).status, 200);

    const stat = fs.readFileSync(`/proc/${said.pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ');
    const [, , group, session, terminal] = stat;
    assert.equal(terminal, '0');
    assert.equal(group, session);
    assert.notEqual(Number(session), said.pid, 'it does not lead its session');
    assert.equal(fs.readlinkSync(`/proc/${said.pid}/cwd`), '/');
    for (const { pid } of [said, ...s.children(said.pid)]) {
        assert.deepEqual([0, 1, 2].map((fd) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`)),
            ['/dev/null', '/dev/null', s.daemonLog]);
    }
});

test('the pidfile is locked while the daemon lives, and gone with it', async (t) => {
    const s = await create(t);
    fs.writeFileSync(s.pidfile, '999999\n'); // of one that was killed
    assert.equal((await s.daemon()).status, 0);
    const pid = s.readPid();
    assert.equal(spawnSync('flock', ['--nonblock', s.pidfile, 'true']).status, 1);

    const again = await s.daemon();
    assert.equal(again.status, 75);
    assert.match(again.stderr, new RegExp(`\\b${pid}\\b`));
    assert.equal(s.readPid(), pid, 'the second one left the pidfile alone');

    const other = await create(t);
    other.pidfile = s.pidfile;
    const third = await other.daemon();
    assert.equal(third.status, 75);
    assert.match(third.stderr, new RegExp(`pidfile .* is held by .*\\b${pid}\\b`));
    assert.equal(s.readPid(), pid);

    s.signal('SIGTERM', pid);
    await until('the daemon to end', () => !alive(pid), { seconds: 15 });
    assert.equal(fs.existsSync(s.pidfile), false);
});

test('-d tells why it did not start', async (t) => {
    const s = await create(t);
    const server = net.createServer();
    await new Promise((resolve) => server.listen(s.ports.ingest, '127.0.0.1', resolve));
    t.after(() => server.close());
    const busy = await s.daemon();
    assert.equal(busy.status, 69);
    assert.match(busy.stderr, new RegExp(`127\\.0\\.0\\.1:${s.ports.ingest} is in use by .*\\b${process.pid}\\b`));
    assert.equal(fs.existsSync(s.pidfile), false);

    s.writeConf({ ...s.conf, drain: 1 });
    const bad = await s.daemon();
    assert.equal(bad.status, 78);
    assert.match(bad.stderr, /drain: .*drain_s/);

    s.writeConf({ ...s.conf, drain: undefined, log: { file: path.join(s.dir, 'missing/log') } });
    const mute = await s.daemon();
    assert.equal(mute.status, 71);
    assert.match(mute.stderr, /missing\/log cannot be opened/);
});

test('-d gives up where a worker does not become ready', async (t) => {
    const s = await create(t, { ready_s: 6 });
    const root = install(s, { 'usr/local/lib/sluice/sluice-consumer': '#!/bin/sh\nexit 3\n' });
    const { status, stderr } = await s.daemon({ program: `${root}/usr/local/sbin/sluiced` });
    assert.equal(status, 69);
    assert.match(stderr, /consumer-0 .*died: .*3/);
    assert.match(stderr, /consumer-1 is not ready/);
    assert.equal(fs.existsSync(s.pidfile), false, 'and nothing is left of it');
});

for (const [signal, expected, why] of [['SIGKILL', 70, /died before/], ['SIGTERM', 69, /stopped before/]]) {
    test(`-d is not 0 where ${signal} ends the daemon before it is ready`, async (t) => {
        const s = await create(t, { ready_s: 60, drain_s: 1 });
        const root = install(s, { 'usr/local/lib/sluice/sluice-consumer': '#!/bin/sh\nexec sleep 120\n' });
        const ended = s.daemon({ program: `${root}/usr/local/sbin/sluiced` });
        await until('the consumers to be started', () =>
            s.readPid() > 0 && s.children(s.readPid()).filter((p) => p.name === 'sleep').length === 2);
        s.signal(signal, s.readPid());
        const { status, stderr } = await ended;
        assert.equal(status, expected);
        assert.match(stderr, why);
    });
}

test('a reload and a moved log leave the daemon its log', async (t) => {
    const s = await create(t);
    assert.equal((await s.daemon()).status, 0);
    s.writeConf({ ...s.conf, consumer: { workers: 1 } });
    assert.equal((await s.control({ cmd: 'reload' })).ok, true);
    assert.match(s.log(), /reload done: generation 2/);

    const [pid] = [s.readPid()];
    const workers = () => s.children(pid);
    await until('one consumer', () => workers().length === 5, { seconds: 15 });
    fs.renameSync(s.daemonLog, `${s.daemonLog}.1`);
    s.signal('SIGUSR1', pid);
    await until('everyone to write into the new file', () => [{ pid }, ...workers()].every((p) =>
        fs.readlinkSync(`/proc/${p.pid}/fd/2`) === s.daemonLog));
    await s.post('cxone', cxone());
    await until('the line of a worker', () => /consumer.* delivered/.test(s.log()));
});

test('a service manager is told: ready, reloading, stopping', async (t) => {
    const s = await Service.create(t);
    const address = path.join(s.dir, 'notify.sock');
    const listener = spawn('perl', ['-MSocket', '-e', `$| = 1; socket(S, AF_UNIX, SOCK_DGRAM, 0);
        bind(S, sockaddr_un($ARGV[0])) or die; print "listening\n";
        while (defined recv(S, $m, 4096, 0)) { print "[$m]\n" }`, address], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => listener.kill('SIGKILL'));
    let told = '';
    listener.stdout.on('data', (data) => (told += data));
    await until('the listener', () => told.includes('listening'));
    const hears = (pattern) => until(`${pattern}`, () => pattern.test(told), { seconds: 15 });

    await s.launch({ env: { NOTIFY_SOCKET: address } });
    await hears(/\[READY=1\nSTATUS=Every worker is up, generation 1\]/);
    for (const { pid } of s.children()) {
        assert.doesNotMatch(fs.readFileSync(`/proc/${pid}/environ`, 'utf8'), /NOTIFY_SOCKET/);
    }
    told = '';
    s.signal('SIGHUP');
    await hears(/\[RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=[^]*\[READY=1\nSTATUS=Reloaded, generation 2\]/);
    told = '';
    fs.writeFileSync(s.confFile, '{');
    s.signal('SIGHUP');
    await hears(/\[RELOADING=1\n[^]*\[READY=1\nSTATUS=The reload was refused, generation 2\]/);
    told = '';
    s.signal('SIGKILL', (await s.workers('retry'))[0].pid);
    await hears(/\[STATUS=Not every worker is up: [^]*\[READY=1\nSTATUS=Every worker is up/);
    s.signal('SIGTERM');
    await hears(/\[STOPPING=1\nSTATUS=Draining/);
    assert.deepEqual(await s.waitExit(), { status: 0, signal: null });
});

// The init script as it is installed, its places given by its defaults file.
async function initScript(t, conf) {
    const s = await create(t, conf);
    const root = install(s);
    s.defaults = path.join(s.dir, 'default');
    fs.writeFileSync(s.defaults, `DAEMON=${root}/usr/local/sbin/sluiced\nCTL=${root}/usr/local/bin/sluicectl\n` +
        `CONF=${s.confFile}\nPIDFILE=${s.pidfile}\nSTOP_S=20\nFROM_DEFAULTS=seen\n`);
    s.init = (...args) => runProgram(`${root}/etc/init.d/sluice`, args,
        { env: { SLUICE_DEFAULTS: s.defaults }, timeoutMs: 120_000 });
    s.gives = async (expected, ...args) => {
        const { status, stdout, stderr } = await s.init(...args);
        assert.equal(status, expected, `${args.join(' ')}: ${stdout}${stderr}`);
        return stdout + stderr;
    };
    return s;
}

test('the init script: start, status, reload, restart, stop', asRoot, async (t) => {
    const s = await initScript(t);
    await s.gives(3, 'status');
    await s.gives(7, 'reload');
    await s.gives(7, 'force-reload');
    await s.gives(0, 'try-restart');
    await s.gives(0, 'stop');
    await s.gives(2, 'nonsense');
    await s.gives(2);

    await s.gives(0, 'start');
    const first = s.readPid();
    assert.deepEqual((await s.status()).workers.filter((w) => w.state !== 'UP'), []);
    assert.match(fs.readFileSync(`/proc/${first}/environ`, 'utf8'), /\0FROM_DEFAULTS=seen\0/);
    assert.match(await s.gives(0, 'status'), new RegExp(`\\b${first}\\b`));
    assert.match(await s.gives(0, 'start'), /already/);
    assert.equal(s.readPid(), first);

    await s.gives(0, 'reload');
    await s.gives(0, 'force-reload');
    assert.equal((await s.status()).generation, 3);
    await s.gives(0, 'restart');
    const second = s.readPid();
    assert.notEqual(second, first);
    // Its pidfile goes a moment before it.
    await until('the end of the first', () => !alive(first));
    await s.gives(0, 'stop');
    await until('the end of the second', () => !alive(second));
    assert.equal(fs.existsSync(s.pidfile), false);
    await s.gives(0, 'stop');
    await s.gives(3, 'status');
});

test('the init script: a bad configuration touches nothing', asRoot, async (t) => {
    const s = await initScript(t);
    const good = s.conf;
    s.writeConf({ ...good, drain: 1 });
    assert.match(await s.gives(6, 'start'), /drain_s/);
    s.writeConf(good);
    await s.gives(0, 'start');
    const pid = s.readPid();
    s.writeConf({ ...good, drain: 1 });
    for (const action of ['reload', 'force-reload', 'restart', 'try-restart']) {
        assert.match(await s.gives(6, action), /drain_s/);
        assert.equal(s.readPid(), pid);
    }
    // What only the running service can refuse.
    s.writeConf({ ...good, store: { ...good.store, max_mib: 512 } });
    assert.match(await s.gives(1, 'reload'), /store/);
    fs.rmSync(s.confFile);
    assert.match(await s.gives(6, 'restart'), /missing/);
    await s.gives(0, 'status');
    assert.equal((await s.post('cxone', cxone())).status, 200);
    await s.gives(0, 'stop');
});

test('the init script: what was killed, what cannot start, what is not installed', asRoot, async (t) => {
    const s = await initScript(t);
    await s.gives(0, 'start');
    const workers = s.children(s.readPid());
    s.signal('SIGKILL', s.readPid());
    await until('its end', () => !alive(s.readPid()));
    assert.match(await s.gives(1, 'status'), /dead/);
    await s.gives(0, 'start');
    assert.ok(workers.every(({ pid }) => !alive(pid)), 'those of the dead one have gone first');
    s.signal('SIGKILL', s.readPid());
    await until('its end', () => !alive(s.readPid()));
    await s.gives(0, 'stop');
    await s.gives(3, 'status');

    const server = net.createServer();
    await until('the port', () => new Promise((resolve) => {
        server.once('error', () => resolve(false));
        server.listen(s.ports.ingest, '127.0.0.1', () => resolve(true));
    }));
    assert.match(await s.gives(1, 'start'), /is in use by/);
    server.close();
    await s.gives(3, 'status');
    fs.appendFileSync(s.defaults, 'DAEMON=/nowhere/sluiced\n');
    await s.gives(5, 'start');
});

test('what is installed, and what stays', async (t) => {
    const s = await create(t);
    const root = install(s);
    const conf = path.join(root, 'etc/sluice/sluice.json');
    const env = { SLUICE_STATE_DIR: s.state };
    const check = await runProgram('sluiced', ['-t', '-c', conf], { env });
    assert.match(check.stderr, /usr\/local\/share\/sluice\/destination\.sh/, 'only as DESTDIR is not /');
    fs.writeFileSync(conf, 'mine');
    fs.writeFileSync(path.join(root, 'etc/default/sluice'), 'mine');
    install(s);
    assert.equal(fs.readFileSync(conf, 'utf8'), 'mine');
    assert.equal(fs.readFileSync(path.join(root, 'etc/default/sluice'), 'utf8'), 'mine');
    for (const name of ['sluice-genesys-aws.json', 'iam/all.json', 's3-lifecycle.json']) {
        assert.ok(fs.existsSync(path.join(root, 'usr/local/share/sluice', name)), name);
    }
    for (const name of ['etc/init.d/sluice', 'etc/logrotate.d/sluice', 'usr/local/lib/systemd/system/sluice.service']) {
        assert.doesNotMatch(fs.readFileSync(path.join(root, name), 'utf8'), /@[A-Z]+@/);
    }
    execFileSync('make', ['-C', top, 'uninstall', `BUILD=${build}`, `DESTDIR=${root}`],
        { env: { ...process.env, MAKEFLAGS: '' }, stdio: 'ignore' });
    const left = execFileSync('find', [root, '-type', 'f']).toString().trim().split('\n').sort();
    assert.deepEqual(left.map((name) => path.relative(root, name)), ['etc/default/sluice', 'etc/sluice/sluice.json']);
    assert.ok(fs.existsSync(program('sluiced')));
});
