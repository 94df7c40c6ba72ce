// The retry API: redrives, pages, filters, and who may ask.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { DeadLetters, drained, eventIdOf } from '../tools/dead-letters.mjs';
import { cxone, genesys, newId, spread } from '../tools/events.mjs';
import { runProgram, Service, top } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

// A destination that refuses until the test says otherwise: so one event can die and be redriven.
// A file "open" in its folder: deliver.
function fickle(s) {
    const folder = path.join(s.dir, 'fickle');
    const script = path.join(s.dir, 'fickle.sh');
    fs.mkdirSync(folder);
    fs.writeFileSync(script, `#!/usr/bin/env bash
if [ -e ${folder}/open ]; then exec ${top}/tests/tools/ledger-destination ${s.ledgerDir}; fi
cat >/dev/null
echo "closed at attempt $SLUICE_ATTEMPT" >&2
echo "$SLUICE_TRACE $SLUICE_ATTEMPT" >>${folder}/refused
exit 65
`, { mode: 0o755 });
    return {
        destination: { type: 'exec', argv: [script], max_running: 32, timeout_s: 60 },
        open: () => fs.writeFileSync(path.join(folder, 'open'), ''),
        refused: () => fs.readFileSync(path.join(folder, 'refused'), 'utf8').split('\n').filter(Boolean),
    };
}

// A service whose destination is fickle, with so many dead letters.
async function withDead(t, { count = 0, conf = {}, env } = {}) {
    const s = await Service.create(t, { conf, env });
    const to = fickle(s);
    s.writeConf({ ...s.conf, destinations: { ledger: to.destination } });
    await s.launch();
    const dlq = new DeadLetters(s);
    const sent = await spread(count, 32, async () => {
        const id = newId();
        const answer = await s.post('cxone', cxone({ id }));
        assert.equal(answer.status, 200);
        return { id, trace: answer.headers['sluice-trace'] };
    });
    if (count > 0) {
        await dlq.some(count, { seconds: 60 });
        await drained(s, 'cxone');
    }
    return { s, dlq, to, sent };
}

test('a failed redrive leaves one object with one retry more, a success leaves none', async (t) => {
    const { s, dlq, to, sent } = await withDead(t, { count: 1, conf: { dead_letters: { max_redrives: 2 } } });
    const [{ key }] = await dlq.list();
    const before = await dlq.get(key);
    const failed = await dlq.retry({ limit: 20, next_token: '' });
    assert.deepEqual(Object.keys(failed).sort(), ['errors', 'failed', 'next_token', 'processed']);
    assert.deepEqual(failed, {
        processed: [], errors: [], next_token: '',
        failed: [{
            key, trace_id: sent[0].trace, event_id: eventIdOf.cxone(sent[0].id), error: failed.failed[0].error,
            class: 'rejected', retry_count: before.retry_count + 1,
        }],
    });
    assert.match(failed.failed[0].error, /closed at attempt 2/);
    const after = await dlq.get(key);
    assert.equal((await dlq.list()).length, 1);
    assert.equal(after.retry_count, before.retry_count + 1);
    assert.equal(after.redrives, 1);
    assert.equal(after.first_failed_at, before.first_failed_at);
    assert.ok(after.failed_at > before.failed_at);
    assert.equal(after.attempts.length, 2);
    assert.deepEqual(after.attempts[0], before.attempts[0]);
    assert.equal(after.original_body, before.original_body);
    assert.equal(after.claimed_by, undefined);

    // Past its limit it is parked: a sweep passes over it, unless told to.
    assert.equal((await dlq.retry({})).failed.length, 1);
    assert.equal((await dlq.list())[0].parked, true);
    assert.deepEqual(await dlq.retry({}), { processed: [], failed: [], errors: [], next_token: '' });
    assert.equal(to.refused().length, 3);

    to.open();
    const dry = await dlq.retry({ force: true, dry_run: true });
    assert.equal(dry.processed.length, 1);
    assert.equal((await dlq.list()).length, 1, 'a dry run does nothing');
    const good = await dlq.retry({ force: true });
    assert.deepEqual(good.processed.map((p) => p.key), [key]);
    assert.deepEqual(await dlq.list(), []);
    assert.equal(s.ledger().length, 1);
    assert.equal((await dlq.record('cxone', eventIdOf.cxone(sent[0].id))).state, 'delivered');
    assert.equal((await dlq.ask(`/api/v1/dlq/events/${key}`)).status, 404);

    // A copy on the queue after that is a duplicate of what was delivered.
    const [copy] = await s.sqs.peek('cxone-dlq');
    await s.sqs.call('SendMessage', { QueueUrl: s.sqs.url('cxone'), MessageBody: copy.Body, MessageAttributes: copy.MessageAttributes });
    await until('its deletion', async () => (await s.counter('consumer', 'duplicates')) === 1);
    await drained(s, 'cxone');
    assert.equal(s.ledger().length, 1);
});

test('250 dead letters, swept by 100 while others are deleted: each is met once', async (t) => {
    const { s, dlq, to } = await withDead(t, { count: 250 });
    const all = (await dlq.list()).map((l) => l.key);
    assert.equal(new Set(all).size, 250);
    assert.deepEqual(all, all.toSorted(), 'in the order of their keys');
    to.open();
    // Some of each third are dropped while the sweep is under way.
    const dropped = new Set(all.filter((_, i) => i % 10 === 3));
    const met = [];
    let token = '';
    let pages = 0;
    do {
        const first = pages * 100;
        const [page] = await Promise.all([
            dlq.retry({ limit: 100, next_token: token }),
            // In the page that is worked on and in the next one.
            spread(all.length, 4, async (i) => {
                if (dropped.has(all[i]) && i >= first && i < first + 200) {
                    await dlq.ask(`/api/v1/dlq/events/${all[i]}`, { method: 'DELETE' });
                }
            }),
        ]);
        assert.ok(page.processed.length + page.failed.length <= 100);
        assert.ok(page.failed.every((f) => dropped.has(f.key)), JSON.stringify(page.failed));
        met.push(...page.processed.map((p) => p.key));
        token = page.next_token;
        pages++;
    } while (token !== '');
    assert.equal(new Set(met).size, met.length, 'none was met twice');
    const missed = all.filter((key) => !dropped.has(key) && !met.includes(key));
    assert.deepEqual(missed, [], 'none was passed over');
    assert.ok(pages <= 4, `${pages} pages`);
    assert.deepEqual((await dlq.list()).map((l) => l.key), []);
    const counts = Map.groupBy(s.ledger(), (l) => l.trace);
    assert.ok([...counts.values()].every((lines) => lines.length === 1));
    assert.equal(counts.size, met.length);
    t.diagnostic(`${met.length} met in ${pages} pages, ${250 - met.length} dropped meanwhile`);
});

test('what it takes and what it refuses', async (t) => {
    const { s, dlq, to } = await withDead(t, { count: 3 });
    await s.post('genesys', genesys());
    const letters = await dlq.some(4);
    const at = '/api/v1/dlq/retry';
    const post = (body, headers) => dlq.ask(at, { method: 'POST', body, headers });
    for (const limit of ['"20"', 'null', '1.5', '0', '101', '-1', 'true', '[1]', '{}', '1e2']) {
        const answer = await post(`{"limit":${limit}}`);
        assert.equal(answer.status, 400, `limit ${limit}: ${answer.text}`);
        assert.equal(answer.json().field, 'limit', answer.text);
        assert.equal(typeof answer.json().error, 'string');
    }
    for (const body of ['{', '{"limit":99999999999999999999}', '[]', '"x"', '{"limt":1}', '{"next_token":"AAAA"}', '{"next_token":7}', '{"keys":["../x"]}',
        '{"limit":1,"limit":2}', '{"dry_run":"yes"}', '{"from":"yesterday"}']) {
        assert.equal((await post(body)).status, 400, body);
    }
    assert.equal((await post('{}', { 'content-type': 'text/plain' })).status, 415);
    const wrong = await dlq.ask(at);
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers.allow, 'POST');
    assert.equal((await dlq.ask('/api/v1/dlq/events', { method: 'DELETE' })).status, 405);
    assert.equal((await dlq.ask('/api/v1/dlq/nothing')).status, 404);
    assert.equal((await dlq.ask('/api/v1/dlq/events/dlq/year=2026/nothing.json')).status, 404);
    assert.equal((await dlq.ask(`/api/v1/dlq/events/${letters[0].key.replace(/.{5}\.json/, '00000.json')}`)).status, 404);
    assert.equal((await post('{}', { origin: 'http://attacker.example' })).status, 403);
    assert.equal(to.refused().length, 4, 'nothing was redriven by any of these');

    // 20 where no limit is given, an empty body is {}; the token stands behind the last one.
    const one = await dlq.retry({ limit: 1 });
    assert.equal(one.failed.length, 1);
    assert.equal(one.failed[0].key, letters[0].key);
    const two = await dlq.retry({ limit: 1, next_token: one.next_token });
    assert.equal(two.failed[0].key, letters[1].key);
    assert.equal((await post('')).json().failed.length, 4);

    // Filters and named keys.
    const genesysOnes = await dlq.list({ source: 'genesys' });
    assert.deepEqual(genesysOnes.map((l) => l.source), ['genesys']);
    assert.equal((await dlq.list({ error_class: 'exhausted' })).length, 0);
    assert.equal((await dlq.list({ error_class: 'rejected' })).length, 4);
    assert.equal((await dlq.list({ to: '2020-01-01T00:00:00Z' })).length, 0);
    assert.equal((await dlq.list({ from: '2020-01-01T00:00:00Z', to: '2099-01-01T00:00:00Z' })).length, 4);
    assert.equal((await dlq.ask('/api/v1/dlq/events?limit=x')).status, 400);
    assert.equal((await dlq.ask('/api/v1/dlq/events?sorce=x')).status, 400);
    const named = await dlq.retry({ keys: [letters[2].key, letters[0].key, letters[2].key] });
    assert.deepEqual(named.failed.map((f) => f.key).sort(), [letters[0].key, letters[2].key]);
    const gone = letters[0].key.replace(/[0-9A-Z]{26}\.json/, `${'0'.repeat(26)}.json`);
    assert.match(JSON.stringify((await dlq.retry({ keys: [gone] })).failed), /missing/);
    const dropped = await dlq.answer(`/api/v1/dlq/events/${letters[3].key}`, { method: 'DELETE' });
    assert.deepEqual(dropped, { dropped: letters[3].key, trace_id: letters[3].trace_id });
    assert.equal((await dlq.ask(`/api/v1/dlq/events/${letters[3].key}`, { method: 'DELETE' })).status, 404);
    assert.equal((await dlq.list()).length, 3);

    // The webhooks' listener has none of it, and says where it is.
    const there = await dlq.ask(at, { method: 'POST', body: '{}', target: { port: s.ports.ingest } });
    assert.equal(there.status, 404);
    assert.match(there.text, new RegExp(`:${s.ports.api}`));
});

test('tokens and their roles, the Unix socket, and loopback only where it is written', async (t) => {
    const secrets = { read: 'r'.repeat(24), redrive: 'd'.repeat(24), admin: 'a'.repeat(24) };
    const tokens = Object.entries(secrets).map(([role, secret]) => ({ name: `the-${role}`, secret, role }));
    const { s, dlq } = await withDead(t, { conf: { retry: { tokens, open_on_loopback: false } } });
    await s.post('cxone', cxone());
    const socket = { socketPath: path.join(s.state, 'run/retry.sock') };
    const ask = (where, { role, ...options } = {}) => dlq.ask(where, {
        ...options, headers: role ? { authorization: `Bearer ${secrets[role] ?? role}` } : {},
    });
    const { events: [letter] } = await until('the dead letter', async () => {
        const page = (await ask('/api/v1/dlq/events', { role: 'read' })).json();
        return page.events.length > 0 && page;
    });
    const retry = { method: 'POST', body: '{"dry_run":true}' };
    const drop = { method: 'DELETE' };
    const event = `/api/v1/dlq/events/${letter.key}`;
    const gone = event.replace(/[0-9A-Z]{26}\.json/, `${'0'.repeat(26)}.json`);

    const nobody = await ask('/api/v1/dlq/events');
    assert.equal(nobody.status, 401);
    assert.match(nobody.headers['www-authenticate'], /^Bearer/);
    assert.equal((await ask('/api/v1/dlq/retry', retry)).status, 401);
    assert.equal((await ask(event, drop)).status, 401);
    assert.equal((await ask(event, { role: 'x'.repeat(24) })).status, 401);
    const expected = { read: [200, 403, 403], redrive: [200, 200, 403], admin: [200, 200, 404] };
    for (const [role, statuses] of Object.entries(expected)) {
        const got = [await ask(event, { role }), await ask('/api/v1/dlq/retry', { role, ...retry }), await ask(gone, { role, ...drop })];
        assert.deepEqual(got.map((g) => g.status), statuses, role);
    }
    // Our own uid on the socket is an admin; a wrong token is wrong there too.
    assert.equal((await ask(event, { target: socket })).status, 200);
    assert.equal((await ask(event, { target: socket, role: 'x'.repeat(24) })).status, 401);
    assert.equal(fs.statSync(socket.socketPath).mode & 0o777, 0o660);
    const other = await runProgram('/usr/bin/setpriv', ['--reuid=65534', '--clear-groups', 'curl', '-sS', '--unix-socket', socket.socketPath, `http://x${event}`]);
    if (process.getuid() === 0) {
        assert.doesNotMatch(other.stdout, /trace_id/, 'another account');
    }
    // A page needs no token; what it shows does.
    assert.equal((await ask('/')).status, 200);
    assert.equal((await ask('/healthz')).status, 200);
    assert.equal((await ask(event, { ...drop, target: socket })).status, 200);
    assert.equal(s.log().includes(secrets.admin), false, 'no secret in the log');
});
