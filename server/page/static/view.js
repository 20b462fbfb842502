// Draws results of the page at /, and writes the programs that would get them.

const $ = (id) => document.getElementById(id);
export const LIMITS = { heat: 40, chips: 400 };

// Text only ever goes in as text: what is pasted is never markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function showError(message) {
  $('error').textContent = message;
  $('error').hidden = !message;
}

export function showTaskPrompts(task) {
  const same = task.question === task.documents;
  const name = (prompt) => make('code', {}, prompt);
  $('prompts').replaceChildren(...(same
    ? ['prompt_name ', name(task.documents), ' for all texts']
    : ['prompt_name ', name(task.question), ' for the question, ', name(task.documents), ' for documents']));
}

function chip(token, index, promptBytes, lost) {
  const kind = token.special ? 'special' : lost ? 'lost' : token.stop <= promptBytes ? 'prompt' : 'own';
  return make('li', { class: kind, title: `${kind === 'own' ? '' : `${kind}, `}id ${token.id}` },
    token.text.replace(/\n/g, '⏎') || ' ');
}

// The tokens of one text, drawn when they are asked for.
function tokenDetails(item, maxTokens) {
  const total = item.tokens.length;
  const summary = make('summary', {}, `${Math.min(total, maxTokens)} tokens`);
  if (total > maxTokens) summary.append(' ', make('span', { class: 'cut' }, `cut: the text has ${total}`));
  const details = make('details', { class: 'tokens' }, summary);
  details.addEventListener('toggle', () => {
    if (!details.open || details.querySelector('ul')) return;
    const last = item.tokens.findLast((token) => !token.special);
    const promptBytes = (last ? last.stop : 0) - new TextEncoder().encode(item.text).length;
    details.append(make('ul', { class: 'chips', 'aria-label': 'Tokens', tabindex: '0' },
      ...item.tokens.slice(0, LIMITS.chips).map((t, i) => chip(t, i, promptBytes, i >= maxTokens - 1 && i < total - 1))));
    if (total > LIMITS.chips) details.append(make('p', { class: 'quiet' }, `The first ${LIMITS.chips} of ${total}.`));
  });
  return details;
}

export function showRanking(items, question, maxTokens) {
  const order = items.map((item, index) => ({ item, index }));
  if (question) order.sort((a, b) => b.item.score - a.item.score || a.index - b.index);
  $('ranking-title').textContent = question ? 'Nearest first' : 'Documents';
  $('ranked').replaceChildren(...order.map(({ item, index }, rank) => {
    const left = make('div');
    if (question) {
      const fill = make('i');
      fill.style.setProperty('--v', Math.max(0, Math.min(1, item.score)));
      left.append(make('span', { class: 'hidden' }, 'similarity '),
        make('span', { class: 'score' }, item.score.toFixed(4)), make('span', { class: 'bar', 'aria-hidden': 'true' }, fill));
    } else {
      left.append(make('span', { class: 'score' }, String(index + 1)));
    }
    return make('li', question && rank === 0 ? { class: 'first' } : {}, left,
      make('div', {}, make('p', { class: 'text' }, item.text), tokenDetails(item, maxTokens)));
  }));
  const old = $('question-tokens');
  if (old) old.remove();
  if (question) {
    const details = tokenDetails(question, maxTokens);
    details.id = 'question-tokens';
    details.firstChild.prepend('Question: ');
    $('ranked').before(details);
  }
  $('ranking').hidden = false;
}

function scaleOf(matrix) {
  const others = matrix.flatMap((row, i) => row.filter((_, j) => i !== j));
  const low = Math.min(...others);
  return { low, high: Math.max(...others, low + 0.01) };
}

export function showHeat(items, matrix, total) {
  $('pairs').hidden = items.length < 2;
  if (items.length < 2) return;
  const { low, high } = scaleOf(matrix);
  const columns = items.map((item, j) => make('th', { scope: 'col', abbr: item.text.slice(0, 60) }, String(j + 1)));
  const rows = matrix.map((row, i) => make('tr', {},
    make('th', { scope: 'row', title: items[i].text.slice(0, 300) }, make('span', { class: 'name' }, `${i + 1} ${items[i].text}`)),
    ...row.map((value, j) => {
      if (i === j) return make('td', { class: 'self' }, value.toFixed(2));
      const v = (value - low) / (high - low);
      const cell = make('td', {}, value.toFixed(2));
      cell.style.setProperty('--v', v.toFixed(3));
      cell.title = `${i + 1} and ${j + 1}: ${value.toFixed(4)}`;
      return cell;
    })));
  $('heat').replaceChildren(
    make('caption', { class: 'hidden' }, 'Similarity of each document with each other one'),
    make('thead', {}, make('tr', {}, make('td'), ...columns)), make('tbody', {}, ...rows));
  $('legend-low').textContent = low.toFixed(2);
  $('legend-high').textContent = high.toFixed(2);
  $('pairs-note').textContent = (total > items.length ? `The first ${items.length} of ${total}. ` : '')
    + 'The stronger the colour, the nearer the two texts.';
}

// ---- The same call from a program

const shellQuote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
// As JSON in lines: readable, and also valid JavaScript and, for strings and numbers, Python.
const pretty = (value) => JSON.stringify(value, null, 2);

function curl(requests, origin, key) {
  return requests.map((body) => [
    `curl -s ${origin}/embed \\`,
    ...(key ? [`  -H "authorization: Bearer $API_KEY" \\`] : []),
    `  -H 'content-type: application/json' \\`,
    `  -d ${shellQuote(pretty(body))}`,
  ].join('\n')).join('\n\n') + '\n';
}

function python(chosen, origin, key, batch) {
  const header = key ? ', headers={"authorization": f"Bearer {os.environ[\'API_KEY\']}"}' : '';
  const lines = [
    ...(key ? ['import os', ''] : []),
    'import requests', '', '',
    'def embed(texts, prompt):',
    '    vectors = []',
    `    for i in range(0, len(texts), ${batch}):  # as many as one request may have`,
    `        body = {"inputs": texts[i : i + ${batch}], "prompt_name": prompt, "dimensions": ${chosen.dimensions}}`,
    `        response = requests.post("${origin}/embed", json=body${header})`,
    '        response.raise_for_status()',
    '        vectors += response.json()',
    '    return vectors', '', '',
    `documents = ${pretty(chosen.documents)}`,
    `vectors = embed(documents, ${JSON.stringify(chosen.task.documents)})`,
  ];
  if (!chosen.question) return lines.join('\n') + '\nprint(len(vectors), len(vectors[0]))\n';
  return [...lines,
    `question = embed([${JSON.stringify(chosen.question)}], ${JSON.stringify(chosen.task.question)})[0]`,
    'scores = [sum(a * b for a, b in zip(question, vector)) for vector in vectors]',
    'for score, text in sorted(zip(scores, documents), reverse=True):',
    '    print(f"{score:.4f}  {text}")', ''].join('\n');
}

function javascript(chosen, origin, key, batch) {
  const header = key ? ", authorization: `Bearer ${process.env.API_KEY}`" : '';
  const lines = [
    'async function embed(texts, prompt) {',
    '  const vectors = [];',
    `  for (let i = 0; i < texts.length; i += ${batch}) {  // as many as one request may have`,
    `    const response = await fetch('${origin}/embed', {`,
    "      method: 'POST',",
    `      headers: { 'content-type': 'application/json'${header} },`,
    `      body: JSON.stringify({ inputs: texts.slice(i, i + ${batch}), prompt_name: prompt, dimensions: ${chosen.dimensions} }),`,
    '    });',
    '    if (!response.ok) throw new Error(await response.text());',
    '    vectors.push(...(await response.json()));',
    '  }',
    '  return vectors;',
    '}', '',
    `const documents = ${pretty(chosen.documents)};`,
    `const vectors = await embed(documents, ${JSON.stringify(chosen.task.documents)});`,
  ];
  if (!chosen.question) return lines.join('\n') + '\nconsole.log(vectors.length, vectors[0].length);\n';
  return [...lines,
    `const [question] = await embed([${JSON.stringify(chosen.question)}], ${JSON.stringify(chosen.task.question)});`,
    'const ranked = documents.map((text, i) => [vectors[i].reduce((sum, x, k) => sum + x * question[k], 0), text]);',
    'ranked.sort((a, b) => b[0] - a[0]);',
    'for (const [score, text] of ranked) console.log(score.toFixed(4), text);', ''].join('\n');
}

export function codeFor(chosen, origin, key, batch) {
  const body = (inputs, prompt) => ({ inputs, prompt_name: prompt, dimensions: chosen.dimensions });
  const requests = [];
  for (let i = 0; i < chosen.documents.length; i += batch) {
    requests.push(body(chosen.documents.slice(i, i + batch), chosen.task.documents));
  }
  if (chosen.question) requests.push(body([chosen.question], chosen.task.question));
  return { curl: curl(requests, origin, key), python: python(chosen, origin, key, batch),
    javascript: javascript(chosen, origin, key, batch) };
}

let programs = {};
const tabs = ['curl', 'python', 'javascript'];

function selectTab(name, focus) {
  for (const each of tabs) {
    $(`tab-${each}`).setAttribute('aria-selected', String(each === name));
    $(`tab-${each}`).tabIndex = each === name ? 0 : -1;
  }
  $('code').setAttribute('aria-labelledby', `tab-${name}`);
  $('code').textContent = programs[name];
  if (focus) $(`tab-${name}`).focus();
}

const selectedTab = () => tabs.find((name) => $(`tab-${name}`).getAttribute('aria-selected') === 'true');

export function showCode(all) {
  programs = all;
  selectTab(selectedTab());
  $('call').hidden = false;
}

async function copy() {
  let done = true;
  try {
    await navigator.clipboard.writeText($('code').textContent);
  } catch {
    // No clipboard without TLS, except on localhost: leave it marked, so that Ctrl+C takes it.
    getSelection().selectAllChildren($('code'));
    done = false;
  }
  $('copy').textContent = done ? 'Copied' : 'Press Ctrl+C';
  setTimeout(() => { $('copy').textContent = 'Copy'; }, 2000);
}

for (const name of tabs) {
  $(`tab-${name}`).addEventListener('click', () => selectTab(name));
  $(`tab-${name}`).addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) selectTab(tabs[(tabs.indexOf(name) + step + tabs.length) % tabs.length], true);
  });
}
$('copy').addEventListener('click', copy);
