// The page at /: what is typed, what is asked of the server, and when. view.js draws.
import { LIMITS, codeFor, showCode, showError, showHeat, showRanking, showTaskPrompts } from './view.js';

const $ = (id) => document.getElementById(id);

// The prompts of question and documents; where both are the same, any text can be compared with any.
const TASKS = [
  { name: 'Search', question: 'query', documents: 'document' },
  { name: 'Question answering', question: 'question-answering', documents: 'document' },
  { name: 'Fact checking', question: 'fact-verification', documents: 'document' },
  { name: 'Code search', question: 'code-retrieval', documents: 'document' },
  { name: 'Sentence similarity', question: 'semantic-similarity', documents: 'semantic-similarity' },
  { name: 'Clustering', question: 'clustering', documents: 'clustering' },
  { name: 'Classification', question: 'classification', documents: 'classification' },
  { name: 'Summarization', question: 'summarization', documents: 'summarization' },
  { name: 'No prompt', question: 'none', documents: 'none' },
];

const SAMPLE = {
  question: 'How do I keep bread from going stale?',
  documents: [
    'Wrap a loaf in cloth and keep it at room temperature; the fridge dries it out faster.',
    'Slices of bread freeze well and can go into the toaster straight from the freezer.',
    'Sourdough needs a starter that has been fed with flour and water for about a week.',
    'The bakery on the corner opens at six and is closed on Mondays.',
    'A bicycle chain should be oiled after every long ride in the rain.',
    'Lubricate the drivetrain of your bike whenever it has got wet.',
    'The night train to Vienna leaves from platform nine.',
  ],
};

const server = { batch: 32, maxTokens: 2048, known: false };
let latest = 0; // number of the newest comparison: answers to older ones are dropped
let shown = false;

class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function call(path, body) {
  const headers = {};
  if ($('key').value) headers.authorization = `Bearer ${$('key').value}`;
  if (body) headers['content-type'] = 'application/json';
  const method = body ? 'POST' : 'GET';
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new ServerError(0, 'The server cannot be reached. Is it still running?');
  }
  if (response.ok) return response.json();
  const text = await response.text();
  let message = text;
  try {
    message = JSON.parse(text).error;
  } catch {
    // Plain text, or nothing: what the server refuses before it reads JSON.
  }
  if (response.status === 401) message = $('key').value ? 'The server does not know this API key.' : 'The server asks for an API key.';
  if (response.status === 429) {
    const wait = response.headers.get('retry-after');
    message = `The server is busy.${wait ? ` It expects to have room in ${wait} s.` : ''}`;
  }
  throw new ServerError(response.status, message || `The server answered ${response.status}.`);
}

// In as many requests as the server's limit of texts makes necessary.
async function callInBatches(path, texts, rest) {
  const answers = [];
  for (let i = 0; i < texts.length; i += server.batch) {
    answers.push(...(await call(path, { inputs: texts.slice(i, i + server.batch), ...rest })));
  }
  return answers;
}

async function learnServer() {
  const info = await call('/info');
  server.batch = info.max_client_batch_size || server.batch;
  server.maxTokens = info.max_input_length || server.maxTokens;
  server.known = true;
  $('server-line').textContent = `${info.served_model_name || info.model_id} · ${info.model_dtype} · up to ${server.maxTokens} tokens`;
}

function documents() {
  const text = $('documents').value.replace(/\r\n?/g, '\n');
  const blocks = document.querySelector('input[name=split]:checked').value === 'block';
  return text.split(blocks ? /\n[ \t]*\n+/ : '\n').map((part) => part.trim()).filter(Boolean);
}

function choices() {
  const task = TASKS[$('task').selectedIndex];
  return { task, dimensions: Number($('dimensions').value), question: $('question').value.trim(), documents: documents() };
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

async function embed(texts, prompt, dimensions) {
  const [vectors, tokens] = await Promise.all([
    callInBatches('/embed', texts, { prompt_name: prompt, dimensions, truncate: true }),
    callInBatches('/tokenize', texts, { prompt_name: prompt }),
  ]);
  return texts.map((text, i) => ({ text, vector: vectors[i], tokens: tokens[i] }));
}

async function compare() {
  const chosen = choices();
  if (chosen.documents.length === 0) {
    showError('Paste at least one document.');
    $('documents').focus();
    return;
  }
  const mine = ++latest;
  begin();
  try {
    if (!server.known) await learnServer();
    const began = performance.now();
    const [items, questions] = await Promise.all([
      embed(chosen.documents, chosen.task.documents, chosen.dimensions),
      chosen.question ? embed([chosen.question], chosen.task.question, chosen.dimensions) : [],
    ]);
    if (mine === latest) show(chosen, items, questions[0], performance.now() - began);
  } catch (error) {
    if (mine === latest) fail(error);
  } finally {
    if (mine === latest) end();
  }
}

function begin() {
  showError('');
  $('run').disabled = true;
  $('run').textContent = 'Comparing …';
  $('status').textContent = 'Comparing …';
  $('results').setAttribute('aria-busy', 'true');
  for (const id of ['ranking', 'pairs']) $(id).classList.add('busy');
}

function end() {
  $('run').disabled = false;
  $('run').textContent = 'Compare';
  $('results').removeAttribute('aria-busy');
  for (const id of ['ranking', 'pairs']) $(id).classList.remove('busy');
}

function fail(error) {
  if (error.status === 401) askForKey();
  $('status').textContent = '';
  showError(error.message);
}

function askForKey() {
  $('key-field').hidden = false;
  $('key').focus();
}

function show(chosen, items, question, milliseconds) {
  shown = true;
  $('empty').hidden = true;
  if (question) for (const item of items) item.score = dot(question.vector, item.vector);
  showRanking(items, question, server.maxTokens);
  const some = items.slice(0, LIMITS.heat);
  showHeat(some, some.map((a) => some.map((b) => dot(a.vector, b.vector))), items.length);
  showCode(codeFor(chosen, location.origin, Boolean($('key').value), server.batch));
  const all = question ? [...items, question] : items;
  const tokens = all.reduce((sum, item) => sum + Math.min(item.tokens.length, server.maxTokens), 0);
  const cut = all.filter((item) => item.tokens.length > server.maxTokens).length;
  $('status').textContent = `${items.length} ${items.length === 1 ? 'document' : 'documents'}, ${tokens} tokens, `
    + `${Math.max(1, Math.round(milliseconds))} ms` + (cut ? `. ${cut} cut to ${server.maxTokens} tokens` : '');
}

function count() {
  const n = documents().length;
  $('documents-count').textContent = `${n} ${n === 1 ? 'document' : 'documents'}`;
}

function taskChanged() {
  showTaskPrompts(TASKS[$('task').selectedIndex]);
  if (shown) compare();
}

function fillIn() {
  $('question').value = SAMPLE.question;
  document.querySelector('input[name=split][value=line]').checked = true;
  $('documents').value = SAMPLE.documents.join('\n');
  count();
}

$('task').append(...TASKS.map((task) => new Option(task.name)));
showTaskPrompts(TASKS[0]);
$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  compare();
});
$('task').addEventListener('change', taskChanged);
$('dimensions').addEventListener('change', () => shown && compare());
$('documents').addEventListener('input', count);
for (const radio of document.querySelectorAll('input[name=split]')) radio.addEventListener('change', count);
$('documents').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) $('form').requestSubmit();
});
$('sample').addEventListener('click', () => {
  fillIn();
  compare();
});
count();

learnServer()
  .catch((error) => {
    $('server-line').textContent = error.status === 401 ? 'This server asks for an API key.' : error.message;
    if (error.status === 401) askForKey();
  })
  .then(() => {
    if (location.hash === '#demo') $('sample').click();
  });
