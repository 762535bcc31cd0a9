'use strict';
// Checks pipelines against Microsoft's schema of pipelines, in which this task is added as its own manifest describes it: the
// schema knows the tasks that come with Azure DevOps only, and those with every input.
//
//   node pipelines.js TOP TOOLS SCHEMA FILE...

const fs = require('fs');
const path = require('path');

const [top, tools, schemaFile, ...files] = process.argv.slice(2);
const tool = (name) => require(path.join(tools, 'node_modules', name));
const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));

/** Every task that a pipeline uses, as `Name@1`. */
function tasksOf(value, found = new Set()) {
  if (value && typeof value === 'object') {
    if (typeof value.task === 'string') found.add(value.task);
    for (const part of Object.values(value)) tasksOf(part, found);
  }
  return found;
}

/** As if each condition of a template were true: what it holds stands in its place. The schema knows no expressions as keys. */
function expanded(value) {
  const isCondition = (part) => part && typeof part === 'object' && Object.keys(part).length === 1 && /^\$\{\{.*\}\}$/.test(Object.keys(part)[0]);
  if (Array.isArray(value)) return value.flatMap((part) => (isCondition(part) ? expanded(Object.values(part)[0]) : [expanded(part)]));
  if (!value || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, expanded(part)]));
}

/** The schema's form of this task, from its manifest. */
function ownTask() {
  const manifest = read(path.join(top, 'task.json'));
  const name = `${manifest.name}@${manifest.version.Major}`;
  const properties = {};
  for (const input of manifest.inputs) {
    const choices = input.type === 'boolean' ? ['true', 'false'] : Object.keys(input.options || {});
    // A value may be an expression in place of a choice.
    const type = choices.length > 0 ? { anyOf: [{ enum: choices }, { type: 'string', pattern: '\\$' }] } : { type: 'string' };
    for (const one of [input.name, ...(input.aliases || [])]) properties[one] = type;
  }
  const inputs = { type: 'object', properties, additionalProperties: false };
  return { name, properties: { task: { const: name }, inputs }, required: ['task', 'inputs'] };
}

/** The schema with the tasks that are used and no others: a fault would be reported once for each that it knows. */
function schemaFor(tasks) {
  const schema = read(schemaFile);
  const { name, ...own } = ownTask();
  const task = schema.definitions.task;
  const uses = (pattern) => [...tasks].some((used) => new RegExp(pattern, 'i').test(used));
  task.properties.task.anyOf = task.properties.task.anyOf.filter(({ enum: [known] }) => tasks.has(known)).concat({ const: name });
  task.anyOf = task.anyOf.filter(({ properties }) => uses(properties.task.pattern)).concat(own);
  return schema;
}

const Ajv = tool('ajv');
const YAML = tool('yaml');
for (const file of files) {
  // Azure Pipelines reads every value as a text, as this schema of YAML's does.
  const pipeline = expanded(YAML.parse(fs.readFileSync(file, 'utf8'), { schema: 'failsafe' }));
  const validate = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false, logger: false, coerceTypes: true }).compile(schemaFor(tasksOf(pipeline)));
  const name = path.relative(top, file);
  if (validate(pipeline)) {
    console.log(`${name}: ok`);
    continue;
  }
  // Of the alternatives that the schema tries, those that got furthest were meant.
  const depth = ({ instancePath }) => instancePath.split('/').length;
  const most = Math.max(...validate.errors.map(depth));
  const each = validate.errors.filter((error) => depth(error) === most)
    .map(({ instancePath, message, params }) => `  ${instancePath} ${message} ${JSON.stringify(params)}`);
  console.error(`${name} does not keep the schema of pipelines:\n${[...new Set(each)].join('\n')}`);
  process.exitCode = 1;
}
