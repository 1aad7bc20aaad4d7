// The web page of `domain-events local`. Everything that comes from events or messages is
// inserted with textContent or as the value of a form field, and never as HTML.
'use strict';

const MAX_SHOWN = 300;
const RATE_SECONDS = 10;
/** The number of events whose mean lag is shown. */
const MAX_LAGS = 20;
/** Control and formatting characters, except tab and line breaks. */
const INVISIBLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]/g;

const $ = (id) => document.getElementById(id);

// ---------------------------------------------------------------- elements

/** An element with attributes and children. Strings become text. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'class') element.className = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Text of others, isolated from the direction of the text around it. */
function user(text, className = '') {
  return el('bdi', { class: `user ${className}`, title: text.length > 40 ? visible(text) : null }, visible(text));
}

/** Replaces characters that cannot be seen, or that change the direction of text. */
function visible(text) {
  return text.replace(INVISIBLE, (c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}

const link = (view, value) => `#${view}/${encodeURIComponent(value)}`;

// ---------------------------------------------------------------- time

/** The time of a decimal number of seconds, as text and in full. */
function time(seconds) {
  const date = new Date(Number(seconds) * 1000);
  const clock = date.toLocaleTimeString(undefined, { hour12: false }) + '.' + String(date.getMilliseconds()).padStart(3, '0');
  const today = date.toDateString() === new Date().toDateString();
  const text = today ? clock : `${date.toLocaleDateString()} ${clock}`;
  return el('time', { datetime: date.toISOString(), title: `${seconds} s\n${date.toISOString()}` }, text);
}

function duration(millis) {
  if (millis == null) return '–';
  if (millis < 1000) return `${Math.round(millis)} ms`;
  if (millis < 60_000) return `${(millis / 1000).toFixed(1)} s`;
  if (millis < 3_600_000) return `${Math.floor(millis / 60_000)} min`;
  if (millis < 172_800_000) return `${Math.floor(millis / 3_600_000)} h`;
  return `${Math.floor(millis / 86_400_000)} days`;
}

// ---------------------------------------------------------------- JSON as text

/**
 * Reads JSON without converting numbers. Returns the tokens with their offsets and, for
 * each value, its JSON Pointer and extent; `error` is the offset of a syntax error.
 */
function scan(text) {
  const token = /\s*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|([^\s{}[\],:"]+))/y;
  const tokens = [];
  const values = [];
  const open = [];
  let expectKey = false;
  let at = 0;
  const pointer = () => open.map((o) => '/' + (o.array ? o.index : escapePointer(o.key ?? ''))).join('');
  while (at < text.length) {
    token.lastIndex = at;
    const match = token.exec(text);
    if (!match) {
      if (text.slice(at).trim() === '') break;
      return { tokens, values, error: at };
    }
    at = token.lastIndex;
    const content = match[1] ?? match[2] ?? match[3];
    const start = at - content.length;
    const top = open[open.length - 1];
    if (content === '{' || content === '[') {
      const value = { pointer: pointer(), start, end: text.length };
      values.push(value);
      tokens.push({ text: content, kind: 'open', pointer: value.pointer });
      open.push({ array: content === '[', index: 0, key: null, value });
      expectKey = content === '{';
    } else if (content === '}' || content === ']') {
      if (!top || top.array !== (content === ']')) return { tokens, values, error: start };
      open.pop();
      top.value.end = at;
      tokens.push({ text: content, kind: 'close', pointer: top.value.pointer });
      expectKey = false;
    } else if (content === ',') {
      if (!top) return { tokens, values, error: start };
      top.index += 1;
      expectKey = !top.array;
      tokens.push({ text: content, kind: 'comma' });
    } else if (content === ':') {
      tokens.push({ text: content, kind: 'colon' });
      expectKey = false;
    } else if (expectKey && match[2] !== undefined) {
      top.key = unquote(content);
      tokens.push({ text: content, kind: 'key', pointer: pointer() });
    } else {
      const value = { pointer: pointer(), start, end: at };
      values.push(value);
      tokens.push({ text: content, kind: match[2] !== undefined ? 'string' : 'literal', pointer: value.pointer });
    }
  }
  return { tokens, values, error: open.length ? text.length : null };
}

function unquote(text) {
  try { return JSON.parse(text); } catch { return text.slice(1, -1); }
}

const escapePointer = (key) => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** The value at `pointer`, or the closest value around it. */
function closest(values, pointer) {
  for (let wanted = pointer; ; wanted = wanted.slice(0, wanted.lastIndexOf('/'))) {
    const found = values.find((value) => value.pointer === wanted);
    if (found || wanted === '') return found;
  }
}

/** JSON text on indented lines. Numbers and strings keep their form; other text stays as it is. */
function indented(text) {
  const { tokens, error } = scan(text);
  if (error !== null) return text;
  let depth = 0;
  let out = '';
  tokens.forEach((token, index) => {
    const previous = tokens[index - 1]?.kind;
    if (token.kind === 'close') depth -= 1;
    const isFirst = previous === 'open' && token.kind !== 'close';
    const isLast = token.kind === 'close' && previous !== 'open';
    if (isFirst || isLast || previous === 'comma') out += '\n' + '  '.repeat(depth);
    // In JSON, a character and its escape are the same.
    out += token.text.replace(INVISIBLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
    if (token.kind === 'colon') out += ' ';
    if (token.kind === 'open') depth += 1;
  });
  return out;
}

/** JSON on indented lines, with the value at `pointer` marked. Other text stays as it is. */
function formatted(text, pointer = null) {
  const { tokens, values, error } = scan(text);
  const pre = el('pre', { class: 'json', tabindex: '0' });
  if (error !== null || tokens.length === 0) {
    pre.append(user(text));
    return pre;
  }
  const marked = pointer === null ? null : closest(values, pointer).pointer;
  const isMissing = marked !== null && marked !== pointer;
  let depth = 0;
  let target = pre;
  const newline = () => target.append('\n' + '  '.repeat(Math.min(depth, 40)));
  tokens.forEach((token, index) => {
    const previous = tokens[index - 1];
    const isEmpty = token.kind === 'close' && previous?.kind === 'open';
    if (token.kind === 'close') {
      depth -= 1;
      if (!isEmpty) newline();
    } else if (previous?.kind === 'open' || previous?.kind === 'comma') {
      newline();
    }
    if (!isMissing && target === pre && marked !== null && token.pointer === marked && token.kind !== 'close') {
      target = el('mark', { title: 'The rejected part' });
      pre.append(target);
    }
    target.append(el('span', { class: token.kind }, visible(token.text)), token.kind === 'colon' ? ' ' : '');
    if (token.kind === 'open') depth += 1;
    if (isMissing && token.kind === 'open' && token.pointer === marked) {
      newline();
      target.append(el('mark', {}, visible(pointer.slice(marked.length + 1)), ' is missing'));
    }
    const isWhole = token.kind !== 'open' && token.kind !== 'key';
    if (target !== pre && token.pointer === marked && isWhole) target = pre;
  });
  return pre;
}

// ---------------------------------------------------------------- events

function dataBlock(event) {
  if (event.data === null) return el('p', { class: 'note' }, 'This event has no data.');
  const size = new Blob([event.data]).size;
  const block = el('div', { class: 'data' });
  const show = () => block.replaceChildren(formatted(event.data));
  const hide = () => block.replaceChildren(
    el('p', { class: 'hidden-data' }, `Data is hidden (${size} bytes). `,
      el('button', { type: 'button', onclick: show }, 'Show')),
  );
  block.update = () => ($('show-data').checked ? show() : hide());
  block.update();
  return block;
}

function field(name, ...content) {
  return [el('dt', {}, name), el('dd', {}, ...content)];
}

function eventItem(event, { depth = null, note = null } = {}) {
  const summary = el('summary', {},
    time(event.timestamp),
    user(event.eventType, 'type'),
    user(event.id, 'id'),
    user(event.emitterId, 'emitter'));
  const details = el('details', { class: 'event' }, summary);
  // The content is created when it is needed: a page shows hundreds of events.
  details.addEventListener('toggle', () => {
    if (details.open && !details.filled) {
      details.filled = true;
      details.append(eventBody(event));
    }
  });
  const item = el('li', { class: depth === null ? '' : `depth-${Math.min(depth, 8)}` });
  if (note) item.append(el('span', { class: 'note' }, note));
  item.append(details);
  return item;
}

function eventBody(event) {
  const list = el('dl', { class: 'fields' });
  list.append(
    ...field('ID', user(event.id), el('a', { href: link('history', event.id) }, 'History')),
    ...field('EventType', user(event.eventType), el('a', { href: link('type', event.eventType) }, 'All of this type'),
      event.version === 1 ? null : `version ${event.version}`),
    ...field('Emitter', user(event.emitterId), user(event.emitterType, 'muted')),
    ...field('EventId', user(event.eventId)));
  if (event.correlationId !== null) {
    list.append(...field('CorrelationId', user(event.correlationId),
      el('a', { href: link('conversation', event.correlationId) }, 'Conversation')));
  }
  if (event.causationId !== null) list.append(...field('CausationId', user(event.causationId)));
  if (event.traceParent !== null) list.append(...field('TraceParent', user(event.traceParent)));
  list.append(...field('Timestamp', event.timestamp, el('span', { class: 'muted' }, new Date(Number(event.timestamp) * 1000).toISOString())));
  if (event.storedAt !== null) {
    const lag = (Number(event.storedAt) - Number(event.timestamp)) * 1000;
    list.append(...field('StoredAt', event.storedAt, el('span', { class: 'muted' }, `${duration(Math.max(lag, 0))} later`)));
  }
  for (const [name] of event.other) list.append(...field('Other field', user(name)));
  return el('div', { class: 'body' }, list, dataBlock(event));
}

// ---------------------------------------------------------------- live

const live = { waiting: [], times: [], lags: [], paused: false, scheduled: false };

function matches(event, filter) {
  return filter === '' || [event.eventType, event.id, event.emitterId, event.correlationId ?? '']
    .some((text) => text.toLowerCase().includes(filter));
}

function addLive(event, isNew) {
  if (isNew) {
    live.times.push(performance.now());
  }
  if (event.storedAt !== null) live.lags.push((Number(event.storedAt) - Number(event.timestamp)) * 1000);
  if (live.lags.length > MAX_LAGS) live.lags.shift();
  live.waiting.push(event);
  if (live.waiting.length > MAX_SHOWN) live.waiting.shift();
  if (!live.scheduled) {
    live.scheduled = true;
    // Once a frame: events may arrive faster than a page can be drawn.
    requestAnimationFrame(showLive);
  }
}

function showLive() {
  live.scheduled = false;
  if (live.paused) {
    $('live-note').textContent = `${live.waiting.length}${live.waiting.length === MAX_SHOWN ? ' or more' : ''} new events`;
    return;
  }
  const list = $('live-events');
  const filter = $('filter').value.trim().toLowerCase();
  const fragment = document.createDocumentFragment();
  for (const event of live.waiting.splice(0).reverse()) {
    const item = eventItem(event);
    item.event = event;
    item.hidden = !matches(event, filter);
    fragment.append(item);
  }
  list.prepend(fragment);
  while (list.children.length > MAX_SHOWN) list.lastElementChild.remove();
  $('live-note').textContent = '';
  showEmpty();
}

/** Explains an empty list. */
function showEmpty() {
  const items = [...$('live-events').children];
  $('live-empty').hidden = items.length > 0;
  $('live-unmatched').hidden = items.length === 0 || items.some((item) => !item.hidden);
}

function showStatistics(statistics) {
  const since = performance.now() - RATE_SECONDS * 1000;
  live.times = live.times.filter((at) => at >= since);
  const rate = live.times.length / RATE_SECONDS;
  const lag = live.lags.length ? live.lags.reduce((sum, each) => sum + each, 0) / live.lags.length : null;
  $('rate').textContent = rate >= 10 ? Math.round(rate) : rate.toFixed(1);
  $('lag').textContent = duration(lag === null ? null : Math.max(lag, 0));
  $('queued').textContent = statistics.visible + statistics.inFlight + statistics.delayed;
  $('queue-detail').textContent = statistics.inFlight ? `${statistics.inFlight} in flight` : '';
  $('oldest').textContent = duration(statistics.oldestMillis);
  $('rejected-total').textContent = statistics.rejected;
  $('rejected-count').textContent = statistics.rejected;
  $('rejected-count').hidden = statistics.rejected === 0;
  showOutbox(statistics.outbox);
  if (statistics.rejected !== rejected.count) {
    rejected.count = statistics.rejected;
    loadRejected();
  }
}

function connect() {
  const source = new EventSource('api/live');
  const status = (text, state) => {
    $('connection').textContent = text;
    $('connection').dataset.state = state;
  };
  source.onopen = () => {
    status('Connected', 'on');
    $('outage').hidden = true;
  };
  source.onerror = () => {
    status('Disconnected', 'off');
    if (!$('outage').hidden) return;
    const since = new Date().toLocaleTimeString(undefined, { hour12: false });
    $('outage').textContent = `The stack has not responded since ${since}, and the page shows an earlier state. `
      + 'Start `domain-events local` again with the same ports; the page then reconnects.';
    $('outage').hidden = false;
  };
  const on = (name, act) => source.addEventListener(name, (message) => act(JSON.parse(message.data)));
  on('recent', (events) => {
    live.waiting = [];
    live.lags = [];
    $('live-events').replaceChildren();
    for (const event of events) addLive(event, false);
  });
  on('event', (event) => addLive(event, true));
  on('missed', (count) => {
    $('live-note').textContent = `${count} events are not shown: they arrived too fast.`;
  });
  on('statistics', showStatistics);
}

// ---------------------------------------------------------------- search

async function answer(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error('The stack does not respond. Start `domain-events local` again with the same ports.');
  }
  if (!response.ok) throw new Error(await response.text());
  return response;
}

let latestSearch = 0;

async function search(kind, value) {
  const number = ++latestSearch;
  $('search-kind').value = kind;
  $('search-value').value = value;
  $('search-note').textContent = 'Searching…';
  $('search-events').replaceChildren();
  try {
    const response = await answer(`api/${kind}?value=${encodeURIComponent(value)}`);
    const { events, more } = await response.json();
    if (number !== latestSearch) return;
    const count = events.length === 0 ? 'no events' : events.length === 1 ? 'one event' : `${events.length} events`;
    const order = kind === 'conversation' ? 'Each event is below the event that caused it.' : 'The latest event comes first.';
    const title = { history: 'History of', type: 'Events of the type', conversation: 'Conversation' }[kind];
    const hint = events.length === 0 ? 'Check the spelling; upper and lower case differ.' : events.length > 1 ? order : '';
    $('search-note').replaceChildren(`${title} `, user(value), `: ${more ? 'the first ' : ''}${count}. `, hint);
    const items = kind === 'conversation' ? tree(events) : events.map((event) => eventItem(event));
    $('search-events').replaceChildren(...items);
  } catch (error) {
    if (number === latestSearch) $('search-note').textContent = visible(error.message);
  }
}

/** Each event below its cause. Events that cause each other are shown once. */
function tree(events) {
  const byId = new Map(events.map((event) => [event.eventId, event]));
  const effects = new Map();
  for (const event of events) {
    if (event.causationId !== null && byId.has(event.causationId)) {
      const siblings = effects.get(event.causationId) ?? [];
      siblings.push(event);
      effects.set(event.causationId, siblings);
    }
  }
  const items = [];
  const shown = new Set();
  const show = (root) => {
    const waiting = [{ event: root, depth: 0 }];
    while (waiting.length) {
      const { event, depth } = waiting.pop();
      if (shown.has(event.key)) continue;
      shown.add(event.key);
      const isMissing = event.causationId !== null && !byId.has(event.causationId);
      items.push(eventItem(event, { depth, note: isMissing ? 'Its cause is not in this conversation.' : null }));
      const next = effects.get(event.eventId) ?? [];
      waiting.push(...next.map((effect) => ({ event: effect, depth: depth + 1 })).reverse());
    }
  };
  events.filter((event) => event.causationId === null || !byId.has(event.causationId)).forEach(show);
  events.forEach(show);
  return items;
}

// ---------------------------------------------------------------- rejected messages

const rejected = { count: 0, items: new Map() };

async function loadRejected() {
  let messages;
  try {
    messages = await (await answer('api/rejected')).json();
  } catch (error) {
    $('rejected-note').textContent = visible(error.message);
    return;
  }
  const list = $('rejected-messages');
  const present = new Set(messages.map((message) => message.seq));
  for (const [seq, item] of rejected.items) {
    if (!present.has(seq)) {
      item.remove();
      rejected.items.delete(seq);
    }
  }
  for (const message of messages) {
    if (!rejected.items.has(message.seq)) {
      const item = rejectedItem(message);
      rejected.items.set(message.seq, item);
      list.prepend(item);
    }
  }
  $('rejected-empty').hidden = messages.length > 0;
}

function rejectedItem(message) {
  const title = message.code ?? 'RECEIVED TOO OFTEN';
  const reason = message.reason
    ?? 'SQS moved this message because the consumer could not store it. The log of the consumer contains the cause.';
  const summary = el('summary', {},
    time(message.sentAt / 1000),
    user(title, 'code'),
    message.pointer ? user(message.pointer, 'pointer') : null,
    user(reason, 'reason'));
  const fields = el('dl', { class: 'fields' },
    ...field('Reason', user(reason)),
    ...(message.pointer === null ? [] : field('Pointer', user(message.pointer))),
    ...field('Message id', user(message.originalMessageId ?? message.messageId)));
  const body = el('div', { class: 'data' });
  const show = () => body.replaceChildren(formatted(message.body, message.pointer));
  body.update = () => ($('show-data').checked ? show() : body.replaceChildren(
    el('p', { class: 'hidden-data' }, `The message is hidden (${new Blob([message.body]).size} bytes). `,
      el('button', { type: 'button', onclick: show }, 'Show'))));
  body.update();
  const details = el('details', { class: 'event rejected' }, summary,
    el('div', { class: 'body' }, fields, body, editor(message)));
  return el('li', {}, details);
}

function editor(message) {
  const area = el('textarea', { rows: '12', spellcheck: 'false', autocomplete: 'off', 'aria-label': 'Corrected message' });
  const note = el('p', { class: 'note', role: 'status' });
  const form = el('form', { class: 'editor', hidden: true }, area,
    el('div', { class: 'toolbar' },
      el('button', { type: 'submit', class: 'primary' }, 'Send'),
      el('button', { type: 'button', onclick: () => { area.value = indented(message.body); } }, 'Reset'),
      el('button', { type: 'button', onclick: () => close() }, 'Cancel')),
    note);
  const open = el('button', {
    type: 'button',
    onclick: () => {
      area.value = indented(message.body);
      form.hidden = false;
      open.hidden = true;
      area.focus();
      const { values } = scan(area.value);
      const value = message.pointer === null ? null : closest(values, message.pointer);
      if (value?.pointer === message.pointer) area.setSelectionRange(value.start, value.end);
      else if (value) area.setSelectionRange(value.start + 1, value.start + 1);
    },
  }, 'Edit and send again');
  const close = () => {
    form.hidden = true;
    open.hidden = false;
    open.focus();
  };
  form.addEventListener('submit', async (submit) => {
    submit.preventDefault();
    note.textContent = 'Sending…';
    try {
      await answer(`api/rejected/${encodeURIComponent(message.seq)}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ body: area.value }),
      });
      rejected.items.get(message.seq)?.remove();
      rejected.items.delete(message.seq);
      $('rejected-note').textContent = 'Sent. The event appears under Live when it is stored, or here if it is rejected again.';
      $('rejected-note').scrollIntoView({ block: 'nearest' });
      $('main').focus();
      await loadRejected();
    } catch (error) {
      note.textContent = visible(error.message);
    }
  });
  return el('div', { class: 'edit' }, open, form);
}

// ---------------------------------------------------------------- outbox

function showOutbox(outbox) {
  $('outbox-link').hidden = outbox === null;
  $('outbox-tile').hidden = outbox === null;
  if (outbox === null) return;
  $('outbox-total').textContent = outbox.rows;
  $('outbox-count').textContent = outbox.rows;
  $('outbox-count').hidden = outbox.rows === 0;
  $('outbox-oldest').textContent = outbox.oldestMillis === null ? '' : `oldest ${duration(outbox.oldestMillis)}`;
  if (!$('view-outbox').hidden) loadOutbox(outbox.rows);
}

function outboxRow(row) {
  const cells = row.problem === null
    ? [
      time(row.timestamp),
      user(row.eventType, 'type'),
      user(row.id, 'id'),
      el('span', { class: 'age' }, `${duration(Math.max(Date.now() - Number(row.timestamp) * 1000, 0))} old`),
      user(row.eventId, 'emitter'),
    ]
    : [
      el('span', { class: 'code' }, 'CANNOT BE SENT'),
      el('span', { class: 'problem' }, user(row.problem, 'reason'), '. Correct or delete the row ', user(row.eventId, 'id'), '.'),
    ];
  return el('div', { class: 'event row' }, ...cells);
}

async function loadOutbox(count) {
  let rows;
  try {
    rows = await (await answer('api/outbox')).json();
  } catch (error) {
    $('outbox-note').textContent = visible(error.message);
    return;
  }
  $('outbox-rows').replaceChildren(...rows.map((row) => el('li', {}, outboxRow(row))));
  $('outbox-empty').hidden = rows.length > 0;
  $('outbox-note').textContent = rows.length < count
    ? `The first ${rows.length} of ${count} rows. The relay sends them and deletes their rows.`
    : 'Committed events that SQS has not accepted yet. The relay sends them and deletes their rows.';
}

// ---------------------------------------------------------------- navigation

const VIEWS = ['live', 'search', 'outbox', 'rejected'];
const SEARCHES = ['history', 'type', 'conversation'];

function decode(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function navigate() {
  const [name, ...rest] = location.hash.slice(1).split('/');
  const isSearch = SEARCHES.includes(name) && rest.length > 0;
  const view = isSearch ? 'search' : VIEWS.includes(name) ? name : 'live';
  for (const other of VIEWS) $(`view-${other}`).hidden = other !== view;
  for (const anchor of document.querySelectorAll('nav a')) {
    if (anchor.dataset.view === view) anchor.setAttribute('aria-current', 'page');
    else anchor.removeAttribute('aria-current');
  }
  if (isSearch) search(name, decode(rest.join('/')));
  else if (view === 'search') $('search-value').focus();
  if (view === 'outbox') loadOutbox(0);
}

$('search-form').addEventListener('submit', (submit) => {
  submit.preventDefault();
  const target = link($('search-kind').value, $('search-value').value);
  if (location.hash === target) navigate();
  else location.hash = target;
});
$('filter').addEventListener('input', () => {
  const filter = $('filter').value.trim().toLowerCase();
  for (const item of $('live-events').children) item.hidden = !matches(item.event, filter);
  showEmpty();
});
$('pause').addEventListener('click', () => {
  live.paused = !live.paused;
  $('pause').setAttribute('aria-pressed', String(live.paused));
  $('pause').textContent = live.paused ? 'Continue' : 'Pause';
  if (!live.paused) showLive();
});
$('show-data').addEventListener('change', () => {
  for (const block of document.querySelectorAll('.data')) block.update();
});
window.addEventListener('hashchange', navigate);

navigate();
connect();
loadRejected();
