// Which part may include which: a call goes down the layers, never up or sideways.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cSources, includesOf } from '../tools/sources.mjs';

// What each room may include besides itself.
const base = ['common/base'];
const low = [...base, 'common/conf', 'common/ipc'];
const webhook = [...low, 'common/net', 'common/aws', 'common/webhook'];
const allowed = {
    'common/base': [],
    'common/conf': base,
    'common/ipc': base,
    'common/net': base,
    'common/aws': [...low, 'common/net'],
    'common/webhook': [...low, 'common/net', 'common/aws'],
    'common/delivery': webhook,
    workers: [...webhook, 'common/delivery'],
    supervisor: low,
    'supervisor/ctl': [...low, 'common/net'],
};

// "workers/ingest/ingest.c" is in the room "workers/ingest".
function roomOf(path) {
    return path.split('/').slice(0, -1).join('/');
}

function mayInclude(room, other) {
    if (room === other) {
        return true;
    }
    if (/^workers\/./.test(room)) { // a role: the skeleton and all of common, no other role
        return other === 'workers' || mayInclude('workers', other);
    }
    assert.ok(allowed[room], `the layer lint knows no room ${room}`);
    return allowed[room].includes(other);
}

test('includes follow the layers', () => {
    const wrong = [];
    for (const path of cSources()) {
        for (const include of includesOf(path)) {
            if (/^(common|workers|supervisor)\//.test(include) && !mayInclude(roomOf(path), roomOf(include))) {
                wrong.push(`${path} includes ${include}`);
            }
        }
    }
    assert.deepEqual(wrong, []);
});

test('the lint sees what it forbids', () => {
    assert.equal(mayInclude('workers/ingest', 'workers/consumer'), false);
    assert.equal(mayInclude('common/base', 'common/conf'), false);
    assert.equal(mayInclude('supervisor', 'common/net'), false);
    assert.equal(mayInclude('common/aws', 'common/delivery'), false);
    assert.equal(mayInclude('workers/ingest', 'common/delivery'), true);
});

test('libraries are used where they belong', () => {
    const owners = [ // header, where it may be included
        [/^curl\//, /^common\/net\/http_(client\.c|request\.[ch])$/],
        [/^event2\/http/, /^workers\/http_\w+\.[ch]$/],
        [/^sqlite3\.h$/, /^workers\/store\//],
        [/^openssl\//, /^(common\/(aws|webhook|net|delivery)|workers\/(ingest|consumer|keyring|store|retry))\//],
    ];
    const wrong = [];
    for (const path of cSources()) {
        for (const include of includesOf(path)) {
            for (const [header, where] of owners) {
                if (header.test(include) && !where.test(path)) {
                    wrong.push(`${path} includes ${include}`);
                }
            }
        }
    }
    assert.deepEqual(wrong, []);
});
