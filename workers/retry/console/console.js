// The console: everything it shows comes from the API, and is put into the page as text only.
'use strict';

const byId = (id) => document.getElementById(id);
let token = ''; // in memory only
let nextToken = '';
let shown = null; // the dead letter in the dialog

class Refused extends Error {}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers, cache: 'no-store' });
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    byId('token-form').hidden = false;
    throw new Refused(token ? 'This token is not known.' : 'A token is needed.');
  }
  if (!answer.ok) throw new Error(body.error || (body.errors || []).join('; ') || `HTTP ${answer.status}`);
  return body;
}

function say(text) {
  byId('message').textContent = text;
  byId('message').hidden = !text;
}

// Runs a handler; what goes wrong in it is said on the page.
const guarded = (handler) => async (event) => {
  if (event) event.preventDefault();
  try {
    await handler(event);
  } catch (error) {
    say(error.message);
    if (error instanceof Refused) byId('token').focus();
  }
};

function cell(row, text, className = '', small = '') {
  const td = row.insertCell();
  td.textContent = text;
  if (className) td.className = className;
  if (small) {
    const note = document.createElement('small');
    note.textContent = small;
    td.append(note);
  }
  return td;
}

function button(parent, text, label, handler) {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = text;
  made.setAttribute('aria-label', label);
  made.addEventListener('click', guarded(handler));
  parent.append(made, ' ');
  return made;
}

const time = (text) => (text || '').replace('T', ' ').replace(/\.\d+Z$/, '');
const keyPath = (key) => `/api/v1/dlq/events/${key.split('/').map(encodeURIComponent).join('/')}`;

const seconds = (from, to) => Math.max(0, Math.round((to - from) / 1000));

function duration(s) {
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`;
}

// What is held, until when, and why: a headline and a line each.
function heldTexts(one, now) {
  const since = `since ${time(one.since)} UTC (${duration(seconds(Date.parse(one.since), now))})`;
  if (one.kind === 'paused') {
    return [`Source ${one.name} is paused`, `${since}${one.by ? ` by ${one.by}` : ''}. To go on: sluicectl resume ${one.name}`];
  }
  const next = one.until ? `tried again in ${duration(seconds(now, Date.parse(one.until)))}` : 'being tried with one event';
  const what = `${one.kind === 'queue' ? 'Queue' : 'Destination'} ${one.name} is held back`;
  return [what, `${since}, ${next}. ${one.sources.length > 1 ? 'Sources' : 'Source'}: ${one.sources.join(', ') || 'none'}.`, one.why];
}

// Unknown where the supervisor does not answer: the trouble says so.
function showHeld(held) {
  const now = Date.now();
  byId('held').hidden = !held || held.length === 0;
  byId('held-list').replaceChildren(...(held || []).map((one) => {
    const item = document.createElement('li');
    const [headline, ...lines] = heldTexts(one, now);
    const strong = document.createElement('strong');
    strong.textContent = headline;
    item.append(strong);
    for (const line of lines.filter(Boolean)) {
      const small = document.createElement('small');
      small.textContent = line;
      item.append(small);
    }
    return item;
  }));
}

const waits = (held, name) => (held || []).filter((one) => one.sources.includes(name))
  .map((one) => (one.kind === 'paused' ? 'paused' : 'held back'))[0];

function showSources(overview, summary) {
  const body = byId('sources').tBodies[0];
  const count = (n) => (n === null ? '?' : String(n));
  body.replaceChildren();
  for (const source of overview.sources) {
    const row = body.insertRow();
    const kept = summary.counts.filter((one) => one.source === source.name).reduce((sum, one) => sum + one.count, 0);
    const queued = source.in_dead_letter_queue;
    const state = waits(overview.held, source.name);
    cell(row, source.name, 'name', state ? `${source.preset}, ${state}` : source.preset);
    cell(row, source.path, 'text');
    cell(row, source.destination, 'name');
    cell(row, count(source.waiting), 'number');
    cell(row, count(source.in_work), 'number');
    cell(row, count(source.to_inspect), 'number');
    if (source.keeps_dead_letters) {
      cell(row, String(kept) + (summary.complete ? '' : '+'), 'number', queued ? `${queued} in the queue` : '');
    } else {
      cell(row, count(queued), 'number', 'in the queue');
    }
  }
  const good = overview.trouble === '';
  byId('state').textContent = good ? 'running' : `not all right: ${overview.trouble}`;
  byId('state').className = `state ${good ? 'good' : 'bad'}`;
  byId('about').textContent = `Version ${overview.version}, up ${Math.floor(overview.uptime_s / 60)} min. ` +
    'Counts of queues are approximate and some seconds old.';
}

function fillChoice(select, values) {
  const chosen = select.value;
  const all = select.options[0];
  select.replaceChildren(all);
  for (const value of [...new Set(values)].sort()) {
    const option = document.createElement('option');
    option.value = option.textContent = value;
    select.append(option);
  }
  select.value = values.includes(chosen) ? chosen : '';
}

async function showSummary() {
  const overview = await ask('/api/v1/sources'); // first: a wrong token counts once
  showHeld(overview.held);
  const summary = await ask('/api/v1/dlq/summary');
  showSources(overview, summary);
  fillChoice(byId('source'), summary.counts.map((one) => one.source).filter(Boolean));
  fillChoice(byId('class'), summary.counts.map((one) => one.error_class));
  const parked = summary.parked ? `, ${summary.parked} of them parked` : '';
  byId('total').textContent = `${summary.complete ? '' : 'more than '}${summary.total} in all${parked}`;
  byId('token-form').hidden = true;
}

function filters() {
  const chosen = {};
  if (byId('source').value) chosen.source = byId('source').value;
  if (byId('class').value) chosen.error_class = byId('class').value;
  return chosen;
}

function showRow(letter) {
  const row = byId('letters').tBodies[0].insertRow();
  cell(row, time(letter.failed_at), 'time', letter.first_failed_at === letter.failed_at ? '' : `first ${time(letter.first_failed_at)}`);
  cell(row, letter.source, 'name');
  cell(row, letter.event_id || '–', 'text', letter.trace_id);
  cell(row, letter.error, 'text', letter.error_class + (letter.parked ? ', parked' : '') + (letter.in_progress ? ', in progress' : ''));
  cell(row, String(letter.retry_count), 'number', letter.redrives ? `${letter.redrives} by hand` : '');
  const buttons = cell(row, '', 'buttons');
  button(buttons, 'Show', `Show ${letter.trace_id}`, () => showDetail(letter));
  button(buttons, 'Retry', `Retry ${letter.trace_id}`, () => retryOne(letter));
}

async function showLetters(more = false) {
  const query = new URLSearchParams({ limit: '25', ...filters() });
  if (more) query.set('next_token', nextToken);
  const page = await ask(`/api/v1/dlq/events?${query}`);
  const body = byId('letters').tBodies[0];
  if (!more) body.replaceChildren();
  page.events.forEach(showRow);
  nextToken = page.next_token;
  byId('more').hidden = nextToken === '';
  byId('none').hidden = body.rows.length > 0 || nextToken !== '';
  if (page.errors.length > 0) say(page.errors.join('; '));
}

async function refresh() {
  await showSummary();
  await showLetters();
}

function fact(name, value) {
  const dt = document.createElement('dt');
  const dd = document.createElement('dd');
  dt.textContent = name;
  dd.textContent = value;
  byId('facts').append(dt, dd);
}

async function showDetail(letter) {
  const whole = await ask(keyPath(letter.key));
  shown = letter;
  byId('detail-title').textContent = whole.event_id || whole.trace_id;
  byId('facts').replaceChildren();
  for (const name of ['trace_id', 'source', 'error_class', 'error', 'received_at', 'first_failed_at', 'failed_at',
    'retry_count', 'redrives', 'content_type', 'schema_version', 'key']) {
    if (whole[name] !== undefined && whole[name] !== '') fact(name.replaceAll('_', ' '), String(whole[name]));
  }
  byId('attempts').replaceChildren(...(whole.attempts || []).map((attempt) => {
    const item = document.createElement('li');
    item.value = attempt.attempt;
    item.textContent = `${time(attempt.at)} UTC: ${attempt.error} (${attempt.ms} ms)`;
    return item;
  }));
  byId('encoding').textContent = whole.original_encoding === 'base64' ? '(base64)' : '';
  byId('payload').textContent = whole.original_body;
  byId('retry-one').textContent = whole.parked ? 'Retry, although parked' : 'Retry';
  if (!byId('detail').open) byId('detail').showModal();
}

function retry(body) {
  return ask('/api/v1/dlq/retry', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });
}

async function retryOne(letter) {
  const how = letter.parked ? 'This event is parked. Deliver it once more all the same?' : 'Deliver this event once more?';
  if (!window.confirm(`${how}\n\n${letter.source}  ${letter.event_id}`)) return;
  const result = await retry({ keys: [letter.key], force: letter.parked });
  const [failed] = result.failed;
  byId('detail').close();
  say(failed ? `${letter.event_id}: ${failed.error}` : `${letter.event_id}: ${result.processed[0]?.note || 'delivered'}`);
  await refresh();
}

async function dropOne(letter) {
  if (!window.confirm(`Delete this dead letter for good, undelivered?\n\n${letter.source}  ${letter.event_id}`)) return;
  await ask(keyPath(letter.key), { method: 'DELETE' });
  byId('detail').close();
  say(`${letter.event_id}: dropped`);
  await refresh();
}

async function retryAll() {
  if (!window.confirm('Deliver all dead letters of this list once more, those on further pages too?')) return;
  let delivered = 0;
  let failed = 0;
  let next = '';
  do {
    const result = await retry({ limit: 50, next_token: next, ...filters() });
    delivered += result.processed.length;
    failed += result.failed.length;
    next = result.next_token;
    say(`${delivered} delivered, ${failed} failed${next ? ' so far' : ''}${result.errors.map((e) => `; ${e}`).join('')}`);
    if (result.errors.length > 0) break;
  } while (next);
  await refresh();
}

byId('token-form').addEventListener('submit', guarded(async () => {
  token = byId('token').value.trim();
  byId('token').value = '';
  say('');
  await refresh();
}));
byId('filters').addEventListener('submit', guarded(() => showLetters()));
byId('more').addEventListener('click', guarded(() => showLetters(true)));
byId('retry-all').addEventListener('click', guarded(retryAll));
byId('retry-one').addEventListener('click', guarded(() => retryOne(shown)));
byId('drop-one').addEventListener('click', guarded(() => dropOne(shown)));
setInterval(() => {
  if (!document.hidden && byId('token-form').hidden) showSummary().catch(() => { byId('state').textContent = 'no answer'; byId('state').className = 'state bad'; });
}, 5000);
guarded(refresh)();
