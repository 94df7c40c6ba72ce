// A strict reader of Prometheus' text format 0.0.4, stricter than Prometheus itself: it also holds
// the text to the conventions (help for all, counters end in _total, one block a family).
import assert from 'node:assert/strict';

const label = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"/y;

function readLabels(text, line) {
    const labels = {};
    let at = 0;
    while (at < text.length) {
        label.lastIndex = at;
        const found = label.exec(text);
        assert.ok(found, `labels: ${line}`);
        const [whole, name, value] = found;
        assert.ok(!(name in labels) && !name.startsWith('__'), `label ${name}: ${line}`);
        labels[name] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
        at += whole.length;
        if (at < text.length) {
            assert.equal(text[at++], ',', line);
        }
    }
    return labels;
}

// {family: {type, help, samples: [{labels, value}]}}
export function parse(text) {
    assert.ok(text.endsWith('\n'), 'the last line ends');
    assert.doesNotMatch(text, /\r|\n\n/);
    const families = {};
    let name, family;
    for (const line of text.slice(0, -1).split('\n')) {
        const help = line.match(/^# HELP ([a-z_][a-z0-9_]*) (\S.*)$/);
        const type = line.match(/^# TYPE ([a-z_][a-z0-9_]*) (counter|gauge)$/);
        if (help) {
            assert.ok(!family || family.samples.length > 0, `${name} has samples`);
            name = help[1];
            assert.ok(!(name in families), `${name} comes once`);
            assert.doesNotMatch(name, /_(s|ms|us|min|h|kb|kib|mb|mib|gb|gib)(_total)?$/, `${name} has a base unit, spelt out`);
            assert.doesNotMatch(help[2].replace(/\\[\\n]/g, ''), /\\/);
            family = families[name] = { help: help[2], samples: [], seen: new Set() };
        } else if (type) {
            assert.equal(type[1], name, `TYPE follows HELP: ${line}`);
            assert.ok(!family.type, line);
            family.type = type[2];
            assert.equal(name.endsWith('_total'), family.type === 'counter', `${name} is named as what it is`);
        } else {
            const sample = line.match(/^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/);
            assert.ok(sample, `a sample: ${line}`);
            assert.equal(sample[1], name, `samples stand together: ${line}`);
            assert.ok(family.type, line);
            assert.match(sample[3], /^-?\d+(\.\d+)?(e[+-]?\d+)?$/, line);
            const labels = readLabels(sample[2] ?? '', line);
            const key = JSON.stringify(Object.entries(labels).sort());
            assert.ok(!family.seen.has(key), `a series comes once: ${line}`);
            family.seen.add(key);
            const value = Number(sample[3]);
            assert.ok(family.type !== 'counter' || value >= 0, line);
            family.samples.push({ labels, value });
        }
    }
    assert.ok(family.samples.length > 0);
    return families;
}

// The one sample that has these labels, or undefined.
export function valueOf(families, name, labels = {}) {
    const found = (families[name]?.samples ?? []).filter((s) =>
        Object.entries(labels).every(([key, value]) => s.labels[key] === value));
    assert.ok(found.length <= 1, `${name} ${JSON.stringify(labels)} is one series`);
    return found[0]?.value;
}
