// The status page in headless Chromium: its scripts run, and what they find is shown.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { cxone } from '../tools/events.mjs';
import { request } from '../tools/http.mjs';
import { Receiver } from '../tools/receiver.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const browsers = ['chromium', 'chromium-browser', 'google-chrome'];

// Runs the browser on a page with a profile of its own; its standard output.
async function browse(s, ...options) {
    const binary = browsers.find((name) => process.env.PATH.split(':').some((dir) => fs.existsSync(path.join(dir, name))));
    assert.ok(binary, 'a browser is installed');
    const profile = fs.mkdtempSync(path.join(s.dir, 'browser-'));
    const { stdout } = await promisify(execFile)(binary, [
        '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', `--user-data-dir=${profile}`,
        '--virtual-time-budget=3000', '--window-size=1200,900', ...options, `http://127.0.0.1:${s.ports.api}/`,
    ], { timeout: 120_000, maxBuffer: 16 << 20 });
    return stdout;
}

test('the status page shows the service', async (t) => {
    const s = await Service.start(t);
    for (let i = 0; i < 3; i++) {
        assert.equal((await s.post('cxone', cxone())).status, 200);
    }
    await s.post('cxone', cxone({ what: 'refuse' }));
    await s.post('cxone', '{ not JSON');
    await until('the deliveries', () => s.ledger().length === 4);
    const dom = await until('the page to count both', async () => {
        const got = await browse(s, '--dump-dom');
        return /<td[^>]*>0<\/td>\s*<td[^>]*>0<\/td>\s*<td[^>]*>1<\/td>\s*<td[^>]*>1</.test(got) && got;
    }, { seconds: 30 });
    assert.match(dom, /<title>[^<]*Sluice/);
    const rows = [...dom.matchAll(/<tr[^]*?<\/tr>/g)].map(([row]) => [...row.matchAll(/<t[dh][^>]*>([^<]*)/g)].map((m) => m[1]));
    const row = rows.find((cells) => cells[0] === 'cxone');
    assert.deepEqual(row, ['cxone', '/webhook/cxone-data-actions', 'ledger', '0', '0', '1', '1']);
    assert.ok(rows.some((cells) => cells[0] === 'genesys'));
    const letters = rows.filter((cells) => cells.includes('Show') || cells.includes('cxone')).slice(1);
    assert.equal(letters.length, 1, 'the dead letter is listed');
    assert.match(dom, /<span id="total">1 in all<\/span>/);
    const picture = path.join(s.dir, 'page.png');
    await browse(s, `--screenshot=${picture}`);
    assert.ok(fs.statSync(picture).size > 5000, 'a picture of the page');
    if (process.env.KEEP) {
        fs.copyFileSync(picture, process.env.KEEP);
    }
});

// Two sources whose destination is out; the one with the longest of names is paused, too.
test('the page says which events wait, until when and why', async (t) => {
    const long = 'a-source-with-a-very-long-name-'.repeat(2).slice(0, 60);
    const receiver = await Receiver.start(t, () => ({ status: 429, headers: { 'retry-after': '600' } }));
    const s = await Service.create(t);
    const source = { path: '/long', verify: { type: 'none' }, destination: 'crm', ack_deadline_ms: 25_000 };
    const crm = { type: 'http', url: `${receiver.url}/`, allow_networks: ['127.0.0.0/8'], retry_after_cap_s: 3600 };
    s.writeConf({ ...s.conf, destinations: { ...s.conf.destinations, crm },
        sources: { ...s.conf.sources, [long]: source, second: { ...source, path: '/second' } } });
    await s.launch();
    assert.match(await browse(s, '--dump-dom'), /<section id="held"[^>]* hidden/, 'nothing waits: no panel');
    assert.equal((await request({ port: s.ports.ingest }, '/long', { method: 'POST', body: '{}' })).status, 200);
    await until('the gate', async () => (await s.status()).gates.length === 1);
    assert.equal((await s.control({ cmd: 'pause', source: long, by: '<b>ann</b>' })).ok, true);
    const dom = await browse(s, '--dump-dom');
    const panel = dom.match(/<section id="held"([^>]*)>[^]*?<\/section>/);
    assert.doesNotMatch(panel[1], /hidden/);
    const text = panel[0].replace(/<[^>]*>/g, '|').replace(/\|+/g, '|');
    assert.match(text, new RegExp(`\\|Source ${long} is paused\\|since [-0-9]+ [:0-9]+ UTC \\(\\d+ s\\) by &lt;b&gt;ann&lt;/b&gt;\\. ` +
        `To go on: sluicectl resume ${long}\\|`));
    assert.match(text, new RegExp(`\\|Destination crm is held back\\|since .*, tried again in (9|10) min\\. Sources: ${long}, second\\.` +
        '\\|HTTP status 429\\|'));
    assert.match(dom, /generic, paused</);
    assert.match(dom, /generic, held back</);
    if (process.env.KEEP) {
        await browse(s, `--screenshot=${process.env.KEEP}.held.png`);
        await browse(s, '--window-size=500,1100', `--screenshot=${process.env.KEEP}.narrow.png`);
        await browse(s, '--blink-settings=preferredColorScheme=0', `--screenshot=${process.env.KEEP}.dark.png`);
    }
});

test('the second listener: /healthz, headers of the page, and nothing else', async (t) => {
    const s = await Service.start(t);
    const ask = (where, options) => request({ port: s.ports.api }, where, options);
    const health = await ask('/healthz');
    assert.equal(health.status, 200);
    assert.equal(typeof health.json(), 'object');
    const page = await ask('/');
    assert.equal(page.status, 200);
    assert.match(page.headers['content-type'], /^text\/html; charset=utf-8$/i);
    assert.match(page.headers['content-security-policy'], /default-src 'self'|default-src 'none'/);
    assert.doesNotMatch(page.text, /<script(?![^>]*src=)|\son\w+=/, 'no inline script');
    assert.equal((await ask('/nothing')).status, 404);
    const post = await ask('/', { method: 'POST', body: '' });
    assert.equal(post.status, 405);
    assert.match(post.headers.allow, /GET/);
    const rebound = await ask('/', { headers: { host: 'attacker.example' } });
    assert.notEqual(rebound.status, 200, 'a foreign Host is refused');
});
