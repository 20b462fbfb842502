// The page at /docs: the OpenAPI document, for people.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Descriptions mark code with `backticks`.
function prose(text) {
  return text.split('`').map((part, i) => (i % 2 ? make('code', {}, part) : part));
}

let api;

function resolve(value) {
  if (!value || !value.$ref) return value;
  return value.$ref.slice(2).split('/').reduce((node, key) => node[key], api);
}

function typeOf(schema) {
  const s = resolve(schema);
  if (s.const !== undefined) return JSON.stringify(s.const);
  if (s.enum) return s.enum.length > 8 ? 'one of many words' : s.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (s.allOf) return s.allOf.map(typeOf).join(' & ');
  if (s.anyOf) return [...new Set(s.anyOf.map(typeOf))].join(' | ');
  const types = [s.type || 'anything'].flat();
  return types.map((type) => (type === 'array' && s.items ? `[${typeOf(s.items)}]` : type)).join(' | ');
}

// Fields of an object; those of alternatives one after the other.
function fieldsOf(schema) {
  const s = resolve(schema);
  if (s.type === 'array') return fieldsOf(s.items);
  const own = Object.entries(s.properties || {}).map(([name, field]) => (
    { name, field, required: (s.required || []).includes(name) }));
  return [...own, ...(s.anyOf || []).flatMap(fieldsOf)];
}

function fieldTable(schema) {
  const rows = fieldsOf(schema).map(({ name, field, required }) => {
    const s = resolve(field);
    const notes = [required ? 'Required. ' : '', s.description || field.description || '',
      s.default === undefined ? '' : ` Default ${JSON.stringify(s.default)}.`].join('');
    const words = s.enum && s.enum.length > 8 ? make('p', { class: 'quiet' }, s.enum.filter(Boolean).join(', ')) : '';
    return make('tr', {}, make('th', { scope: 'row' }, name), make('td', {}, make('code', {}, typeOf(field))),
      make('td', {}, ...prose(notes), words));
  });
  return make('table', {}, make('caption', { class: 'hidden' }, 'Fields'), make('tbody', {}, ...rows));
}

function responseTable(responses) {
  return make('table', {}, make('caption', { class: 'hidden' }, 'Answers by status'), make('tbody', {},
    ...Object.entries(responses).map(([status, response]) => {
      const r = resolve(response);
      return make('tr', {}, make('th', { scope: 'row' }, status), make('td', {}, ...prose(r.description)),
        make('td', { class: 'quiet' }, Object.keys(r.content || {}).join(', ')));
    })));
}

function curl(method, path, example) {
  const url = location.origin + path.replace('{model}', 'embeddinggemma').replace('{file}', 'style.css');
  if (method === 'get') return `curl -s ${url}`;
  return `curl -s ${url} -H 'content-type: application/json' \\\n  -d '${JSON.stringify(example).replaceAll("'", "'\\''")}'`;
}

function route(path, method, operation) {
  const inside = make('div', { class: 'inside' });
  if (operation.description) inside.append(make('p', {}, ...prose(operation.description)));
  const body = operation.requestBody && operation.requestBody.content['application/json'];
  inside.append(make('pre', { tabindex: '0', 'aria-label': 'Example' }, curl(method, path, body && body.example)));
  if (body) inside.append(make('h4', {}, 'Request'), fieldTable(body.schema));
  const good = (resolve(operation.responses['200']) || {}).content;
  const answer = good && good['application/json'];
  if (answer && fieldsOf(answer.schema).length) inside.append(make('h4', {}, 'Answer'), fieldTable(answer.schema));
  inside.append(make('h4', {}, 'Status'), responseTable(operation.responses));
  return make('details', { class: 'route', id: operation.operationId },
    make('summary', {}, make('span', { class: 'method' }, method.toUpperCase()), make('span', { class: 'path' }, path),
      make('span', { class: 'quiet' }, operation.summary)), inside);
}

function render() {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) => (
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation }))));
  const parts = api.tags.map((tag) => make('section', {}, make('h2', {}, tag.name),
    make('p', { class: 'quiet' }, ...prose(tag.description)),
    ...operations.filter(({ operation }) => operation.tags.includes(tag.name))
      .map(({ path, method, operation }) => route(path, method, operation))));
  return [make('p', { class: 'lead' }, api.info.summary, '.'), make('p', { class: 'lead quiet' }, ...prose(api.info.description)),
    ...parts];
}

const main = document.getElementById('main');
try {
  const response = await fetch('/api-doc/openapi.json');
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  api = await response.json();
  main.replaceChildren(...render());
} catch (error) {
  main.replaceChildren(make('p', { class: 'note error', role: 'alert' }, `The document cannot be shown: ${error.message}.`));
}
main.removeAttribute('aria-busy');
const target = document.getElementById(location.hash.slice(1));
if (target) {
  target.open = true;
  target.scrollIntoView();
}
