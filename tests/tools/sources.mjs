// The tree as git knows it, for the lints.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export const top = resolve(import.meta.dirname, '../..');

// Tracked files, and new ones that are not ignored.
export function files() {
    const argv = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const gone = new Set(execFileSync('git', ['ls-files', '-z', '--deleted'], { cwd: top })
        .toString().split('\0'));
    return execFileSync('git', argv, { cwd: top }).toString().split('\0')
        .filter((path) => path !== '' && !gone.has(path));
}

// The product's own C, without tests.
export function cSources() {
    return files().filter((path) => /^(common|workers|supervisor)\/.*\.[ch]$/.test(path));
}

export function read(path) {
    return readFileSync(resolve(top, path), 'utf8');
}

export function includesOf(path) {
    return [...read(path).matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm)].map((m) => m[1]);
}
