'use strict';
// What we ship: tfx's own check of the task's manifest, and a second `.vsix` by `tfx extension create` from the same folder,
// compared part by part with the one that is shipped. `pipelines/package.sh` has made that one, after the official schema.
//
//   node shipped.js STAGE TOOLS

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const [stage, tools] = process.argv.slice(2);
const tfx = path.join(tools, 'node_modules/tfx-cli/_build');
const JSZip = require(path.join(tools, 'node_modules/jszip'));
const { validate } = require(path.join(tfx, 'lib/jsonvalidate'));

function tell(client, name, why) {
  console.log([why ? 'FAILED' : 'passed', client, name, why || ''].join('\t'));
  if (why) process.exitCode = 1;
}

async function parts(file) {
  const zip = await JSZip.loadAsync(fs.readFileSync(file), { checkCRC32: true });
  const names = Object.keys(zip.files).filter((name) => !zip.files[name].dir).sort();
  return new Map(await Promise.all(names.map(async (name) => [name, await zip.files[name].async('nodebuffer')])));
}

async function main() {
  const manifest = path.join(stage, 'RotatePat/task.json');
  let issues = '';
  try {
    validate(manifest);
  } catch (error) {
    issues = error.message.replace(/\s+/g, ' ');
  }
  tell('tfx-cli (npm)', 'task.json, by its validators', issues);

  const ours = fs.readdirSync(stage).find((name) => name.endsWith('.vsix'));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'rotate-pat-conformance-'));
  try {
    const made = path.join(folder, 'other.vsix');
    const run = spawnSync(process.execPath, [path.join(tfx, 'tfx-cli.js'), 'extension', 'create', '--root', stage, '--manifest-globs',
      'vss-extension.json', '--output-path', made, '--no-prompt', '--no-color'], { encoding: 'utf8' });
    if (run.status !== 0) return tell('tfx-cli (npm)', 'extension create', `${run.stdout}${run.stderr}`.replace(/\s+/g, ' '));
    const [mine, theirs] = [await parts(path.join(stage, ours)), await parts(made)];
    const names = new Set([...mine.keys(), ...theirs.keys()]);
    const differ = [...names].filter((name) => !mine.has(name) || !theirs.has(name) || !mine.get(name).equals(theirs.get(name)));
    tell('tfx-cli (npm)', `extension create: ${names.size} parts, as in ${ours}`, differ.join(', '));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

main();
