// What the tree holds: the top level, the README's map, the lock file, the supervisor's libraries.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { cSources, files, read } from '../tools/sources.mjs';

test('the top level holds only what it may', () => {
    const may = /^(supervisor|workers|common|etc|tests|Makefile|README\.md|LICENSE|\..*)$/;
    const there = new Set(files().map((path) => path.split('/')[0]));
    assert.deepEqual([...there].filter((name) => !may.test(name)), []);
});

// The map is the first code block under "## The map": a line for each folder, ending in what it is
// for, and below it, indented, its modules. A module is a file's name without .c or .h.
function readmeMap() {
    const block = read('README.md').match(/^## The map\n[^]*?```\n([^]*?)```/m);
    assert.ok(block, 'README.md has a chapter "The map" with a code block');
    const map = new Map();
    let modules = [];
    for (const line of block[1].split('\n').filter(Boolean)) {
        if (line.startsWith(' ')) {
            modules.push(...line.trim().split(/\s+/));
        } else {
            modules = [];
            map.set(line.split(/\/\s/)[0], modules);
        }
    }
    return map;
}

test("the README's map names exactly the modules there are", () => {
    const there = new Map();
    for (const path of cSources()) {
        const room = path.split('/').slice(0, -1).join('/');
        const module = path.split('/').at(-1).replace(/\.[ch]$/, '');
        there.set(room, [...new Set([...(there.get(room) ?? []), module])].sort());
    }
    const map = readmeMap();
    const rows = (all) => [...all].map(([room, modules]) => `${room}/ ${[...modules].sort().join(' ')}`).sort();
    const code = [...map].filter(([room]) => /^(common|workers|supervisor)/.test(room));
    assert.deepEqual(rows(code), rows(there));
});

test("the README's map names exactly the folders of etc and tests", () => {
    const folders = new Set(files().filter((path) => /^(etc|tests)\/[^/]+\//.test(path))
        .map((path) => path.split('/').slice(0, 2).join('/')));
    const named = [...readmeMap().keys()].filter((room) => /^(etc|tests)\//.test(room));
    assert.deepEqual(named.sort(), [...folders].sort());
});

test('the lock file names no registry', () => {
    const lock = read('tests/package-lock.json');
    assert.doesNotMatch(lock, /"resolved"|https?:\/\//);
    assert.match(lock, /"integrity": "sha512-/);
});

test('the supervisor links neither curl nor OpenSSL', () => {
    const build = process.env.SLUICE_TEST_BUILD;
    const linked = execFileSync('readelf', ['-d', join(build, 'bin/sluiced')]).toString()
        .split('\n').filter((line) => line.includes('(NEEDED)')).join('\n');
    assert.match(linked, /libevent/);
    assert.doesNotMatch(linked, /libcurl|libssl|libcrypto|libsqlite/);
});

test('programs are hardened', () => {
    const build = process.env.SLUICE_TEST_BUILD;
    for (const name of ['sluiced', 'sluice-ingest', 'sluice-store']) {
        const path = join(build, 'bin', name);
        const text = execFileSync('readelf', ['-hldW', path]).toString();
        assert.match(text, /Type:\s+DYN/, `${name} is position-independent`);
        assert.match(text, /GNU_RELRO/, `${name} has relro`);
        assert.match(text, /BIND_NOW|NOW/, `${name} binds at start`);
        assert.match(text, /GNU_STACK.*RW /, `${name} has no executable stack`);
    }
});

test('shell scripts say how they fail', () => {
    const scripts = files().filter((path) => read(path).startsWith('#!/usr/bin/env bash'));
    const loose = scripts.filter((path) => !/^set -e/m.test(read(path)));
    assert.deepEqual(loose, []);
});
