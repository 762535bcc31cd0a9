'use strict';
// What must hold of the files that are about to be shipped. Each check names what is wrong and where; nothing is mended.

const fs = require('fs');
const path = require('path');

const read = (file) => fs.readFileSync(file, 'utf8');

/** The crate, the task, the extension and the changelog bear one version, which is returned. */
function version(top) {
  const krate = (/^version = "([^"]+)"/m.exec(read(path.join(top, 'Cargo.toml'))) || [])[1];
  const { Major, Minor, Patch } = JSON.parse(read(path.join(top, 'task.json'))).version;
  const stated = {
    'Cargo.toml': krate,
    'task.json': `${Major}.${Minor}.${Patch}`,
    'extension/vss-extension.json': JSON.parse(read(path.join(top, 'extension/vss-extension.json'))).version,
    'extension/CHANGELOG.md': (/^## (\S+)/m.exec(read(path.join(top, 'extension/CHANGELOG.md'))) || [])[1],
  };
  if (new Set(Object.values(stated)).size !== 1) {
    const each = Object.entries(stated).map(([file, version]) => `${file} says ${version}`);
    throw new Error(`the versions differ: ${each.join(', ')}. Raise all four together`);
  }
  return krate;
}

/** Every file of the task's folder is one that the manifest or the launcher names, and every one named is there. */
function folder(task) {
  const manifest = JSON.parse(read(path.join(task, 'task.json')));
  const launcher = read(path.join(task, 'launcher.js'));
  const programs = [...new Set(launcher.match(/rotate-pat-[a-z]+-[a-z0-9]+(\.exe)?(?=')/g))];
  const there = filesOf(task);
  const needed = ['task.json', 'launcher.js', 'bin/SHA256SUMS'];
  for (const stage of ['prejobexecution', 'execution', 'postjobexecution']) {
    for (const handler of Object.values(manifest[stage] || {})) needed.push(handler.target);
  }
  for (const file of needed) if (!there.includes(file)) throw new Error(`${file} is named and not there`);
  const known = [...needed, 'icon.png', ...programs.map((program) => `bin/${program}`)];
  for (const file of there) if (!known.includes(file)) throw new Error(`${file} is there, and neither task.json nor launcher.js names it`);
  return programs.map((program) => ({ program, there: there.includes(`bin/${program}`) }));
}

/** The manifest keeps Microsoft's schema. */
function schema(top, Ajv) {
  const schema = JSON.parse(read(path.join(__dirname, 'tasks.schema.json')));
  // It is draft 4 in name; nothing else of it is older than what this validator reads.
  delete schema.$schema;
  delete schema.id;
  const validate = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false }).compile(schema);
  if (validate(JSON.parse(read(path.join(top, 'task.json'))))) return;
  const each = validate.errors.map(({ instancePath, message, params }) => `${instancePath || '/'} ${message} ${JSON.stringify(params)}`);
  throw new Error(`task.json does not keep tasks.schema.json:\n  ${each.join('\n  ')}`);
}

/** The files below a folder, sorted, with slashes. */
function filesOf(folder, below = '') {
  return fs.readdirSync(path.join(folder, below), { withFileTypes: true })
    .flatMap((entry) => {
      const name = below ? `${below}/${entry.name}` : entry.name;
      return entry.isDirectory() ? filesOf(folder, name) : [name];
    })
    .sort();
}

module.exports = { version, folder, schema, filesOf };
