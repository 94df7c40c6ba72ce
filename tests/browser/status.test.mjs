// The status page in headless Chromium: its scripts run, and what they find is shown.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { cxone } from '../tools/events.mjs';
import { request } from '../tools/http.mjs';
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
    ], { timeout: 50_000, maxBuffer: 16 << 20 });
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
        return /<td[^>]*>1<\/td>\s*<td[^>]*>1</.test(got) && got;
    }, { seconds: 15 });
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
