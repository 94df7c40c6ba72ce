// Looks for texts in the memory of other processes.
import fs from 'node:fs';

const chunkBytes = 1 << 20;

function* regions(pid) {
    for (const line of fs.readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
        const [, from, to, mode, name] = line.match(/^(\w+)-(\w+) (\S+) \S+ \S+ \S+\s*(.*)$/) ?? [];
        if (mode?.startsWith('r') && !/^\[(vvar|vsyscall)/.test(name)) {
            yield [parseInt(from, 16), parseInt(to, 16)];
        }
    }
}

// Which of the texts {name: text} are anywhere in what the process can read: a list of names.
export function findInMemory(pid, texts) {
    const found = new Set();
    const needles = Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)]);
    const overlap = Math.max(...needles.map(([, needle]) => needle.length)) - 1;
    const buffer = Buffer.alloc(chunkBytes + overlap);
    const fd = fs.openSync(`/proc/${pid}/mem`, 'r');
    let bytes = 0;
    try {
        for (const [from, to] of regions(pid)) {
            for (let at = from; at < to; at += chunkBytes) {
                let length;
                try {
                    length = fs.readSync(fd, buffer, 0, Math.min(buffer.length, to - at), at);
                } catch {
                    continue; // mapped, but nothing is behind it
                }
                bytes += length;
                const view = buffer.subarray(0, length);
                needles.filter(([, needle]) => view.includes(needle)).forEach(([name]) => found.add(name));
            }
        }
    } finally {
        fs.closeSync(fd);
    }
    if (bytes < 100_000) {
        throw new Error(`only ${bytes} bytes of process ${pid} could be read`);
    }
    return [...found].sort();
}
