'use strict';
// The packaging's checks, each made to fail: a check that lets everything pass looks like one that found nothing.
//
//   node --test selftest.js     with the folder of the tools in TOOLS and the schema of pipelines in SCHEMA

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const checks = require('./checks.js');

const { TOOLS, SCHEMA } = process.env;
const TOP = path.join(__dirname, '../..');

/** A folder with copies of these files of the repository, gone when the test is. */
function copies(t, files) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'rotate-pat-selftest-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  for (const [file, as] of Object.entries(files)) {
    const to = path.join(folder, as);
    fs.mkdirSync(path.dirname(to), { recursive: true });
    fs.copyFileSync(path.join(TOP, file), to);
  }
  return folder;
}

function edit(file, from, to) {
  const text = fs.readFileSync(file, 'utf8');
  assert.ok(text.includes(from), `${file} has no ${from}`);
  fs.writeFileSync(file, text.replace(from, to));
}

test('the four versions must be one', (t) => {
  const names = ['Cargo.toml', 'task.json', 'extension/vss-extension.json', 'extension/CHANGELOG.md'];
  const folder = copies(t, Object.fromEntries(names.map((name) => [name, name])));
  const version = checks.version(folder);
  const { Major, Minor, Patch } = JSON.parse(fs.readFileSync(path.join(folder, 'task.json'))).version;
  assert.strictEqual(version, `${Major}.${Minor}.${Patch}`);
  const changes = [[`version = "${version}"`, 'version = "9.9.9"'], [`"Patch": ${Patch}`, '"Patch": 99'], [`"version": "${version}"`, '"version": "9.9.9"'],
    [`## ${version}`, '## 9.9.9']];
  for (const [i, [from, to]] of changes.entries()) {
    const file = path.join(folder, names[i]);
    const before = fs.readFileSync(file);
    edit(file, from, to);
    assert.throws(() => checks.version(folder), new RegExp(`${names[i]} says (9\\.9\\.9|.*\\.99)`));
    fs.writeFileSync(file, before);
  }
});

test('a task has the files that it names, and no others', (t) => {
  const launcher = Object.fromEntries(['launcher.js', 'rotate.js', 'settle.js'].map((file) => [`pipelines/launcher/${file}`, file]));
  const folder = copies(t, { 'task.json': 'task.json', ...launcher, LICENSE: 'bin/SHA256SUMS' });
  const write = (file) => fs.writeFileSync(path.join(folder, file), '');
  const gone = (file) => fs.rmSync(path.join(folder, file));
  assert.ok(checks.folder(folder).every(({ there }) => !there));
  write('bin/rotate-pat-linux-x64');
  assert.deepStrictEqual(checks.folder(folder).filter(({ there }) => there), [{ program: 'rotate-pat-linux-x64', there: true }]);

  for (const stranger of ['bin/rotate-pat-linux-riscv', 'notes.txt', 'rotate-pat-linux-x64']) {
    write(stranger);
    assert.throws(() => checks.folder(folder), { message: `${stranger} is there, and neither task.json nor launcher.js names it` });
    gone(stranger);
  }
  for (const needed of ['settle.js', 'rotate.js', 'bin/SHA256SUMS']) {
    gone(needed);
    assert.throws(() => checks.folder(folder), { message: `${needed} is named and not there` });
    write(needed);
  }
});

test('the manifest keeps the schema', (t) => {
  const Ajv = require(path.join(TOOLS, 'node_modules/ajv'));
  const folder = copies(t, { 'task.json': 'task.json' });
  const file = path.join(folder, 'task.json');
  checks.schema(folder, Ajv);
  const before = fs.readFileSync(file);
  for (const [from, to, where] of [
    ['"Major": 1', '"Major": "one"', '/version/Major'],
    ['"type": "multiLine"', '"type": "lines"', '/inputs'],
    ['"target": "rotate.js"', '"targets": "rotate.js"', '/execution'],
    ['"id": "069923a3', '"id": "x', '/id'],
    ['"runsOn": ["Agent", ', '"runsOn": ["Anywhere", ', '/runsOn'],
  ]) {
    edit(file, from, to);
    assert.throws(() => checks.schema(folder, Ajv), (error) => error.message.includes(where), to);
    fs.writeFileSync(file, before);
  }
});

test('a pipeline keeps the schema, and its steps the manifest', (t) => {
  const folder = copies(t, { 'pipelines/rotate.yml': 'rotate.yml' });
  const file = path.join(folder, 'rotate.yml');
  const check = () => spawnSync(process.execPath, [path.join(__dirname, 'pipelines.js'), TOP, TOOLS, SCHEMA, file], { encoding: 'utf8' });
  const whole = check();
  assert.strictEqual(whole.status, 0, whole.stderr);
  const before = fs.readFileSync(file);
  for (const [from, to, said] of [
    ['patName:', 'patname:', 'patname'],
    ['RotatePat@1', 'RotatePat@2', 'RotatePat@1'],
    ['always:', 'allways:', 'allways'],
    ['lockBehavior: sequential', 'lockBehavior: parallel', '/lockBehavior'],
    ['- bash:', '- bsh:', 'bsh'],
  ]) {
    edit(file, from, to);
    const { status, stderr } = check();
    assert.strictEqual(status, 1, to);
    assert.ok(stderr.includes('does not keep the schema') && stderr.includes(said), stderr);
    fs.writeFileSync(file, before);
  }
});
