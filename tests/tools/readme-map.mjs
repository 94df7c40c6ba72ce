// Writes the README's map anew from the tree; the lint then compares. Notes beside a folder are kept.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { cSources, files, top } from './sources.mjs';

const notes = {
    supervisor: 'the daemon: slots, restarts, reload, control socket',
    'supervisor/ctl': 'sluicectl',
    workers: 'what every role shares: skeleton, health socket, HTTP server',
    'workers/ingest': 'webhooks in',
    'workers/consumer': 'polls, leases, verdicts',
    'workers/retry': 'the second listener: API of dead letters, redrives, console',
    'workers/keyring': 'key pairs in, signing keys out',
    'workers/store': 'the embedded store: SQS, S3 and DynamoDB on SQLite',
    'common/base': 'libc only',
    'common/conf': 'the key table and everything that reads it',
    'common/ipc': 'the channel between supervisor and worker',
    'common/net': 'outgoing HTTP: the only user of curl',
    'common/aws': 'signing, calls and retries; SQS, S3, DynamoDB',
    'common/webhook': 'an event on its way: JSON check, ids, encoding',
    'common/delivery': 'destinations, backoff, ledger, dead letters',
    'etc/man': 'manual pages',
    'etc/samples': 'what make run uses',
    'etc/setup': 'installs what is missing',
    'etc/iam': 'policies for AWS',
    'tests/unit': 'mirrors the tree',
    'tests/system': 'the real programs, from outside',
    'tests/interop': 'against software that others wrote',
    'tests/browser': 'the pages, in a browser',
    'tests/fault': 'crashes',
    'tests/fuzz': 'libFuzzer targets',
    'tests/bench': 'how fast, how much memory',
    'tests/lint': 'rules of the tree',
    'tests/tools': 'the rig: runner, service, clients',
    'tests/vectors': 'published cases',
};

function entry(folder) {
    return `${`${folder}/`.padEnd(18)} ${notes[folder] ?? '?'}`;
}

// Indented lines of at most 100 columns.
function wrap(words) {
    const rows = ['   '];
    for (const word of words) {
        if (rows.at(-1).length + 1 + word.length > 100) {
            rows.push('   ');
        }
        rows[rows.length - 1] += ` ${word}`;
    }
    return rows;
}

const rooms = new Map();
for (const path of cSources()) {
    const room = path.split('/').slice(0, -1).join('/');
    rooms.set(room, new Set(rooms.get(room)).add(path.split('/').at(-1).replace(/\.[ch]$/, '')));
}
const order = (room) => ['supervisor', 'workers', 'common'].findIndex((name) => room.startsWith(name));
const lines = [...rooms.keys()].sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1))
    .flatMap((room) => [entry(room), ...wrap([...rooms.get(room)].sort())]);
const folders = [...new Set(files().filter((path) => /^(etc|tests)\/[^/]+\//.test(path))
    .map((path) => path.split('/').slice(0, 2).join('/')))].sort();
lines.push(...folders.map(entry));
const readme = resolve(top, 'README.md');
writeFileSync(readme, readFileSync(readme, 'utf8')
    .replace(/(^## The map\n[^]*?```\n)[^]*?```/m, (_, head) => `${head}${lines.join('\n')}\n\`\`\``));
