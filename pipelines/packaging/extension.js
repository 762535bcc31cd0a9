'use strict';
// Makes the .vsix from the task's folder: icons, notices, list of components, Microsoft's own tool, and then the same archive
// once more with fixed dates and order, so that the same files are the same bytes.
//
//   node extension.js TOP STAGE TOOLS PUBLISHER PLATFORM...
//
// STAGE holds the task's folder RotatePat, and gets the rest. Prints the path of the .vsix.

const { spawnSync } = require('child_process');
const { createHash } = require('crypto');
const fs = require('fs');
const path = require('path');
const checks = require('./checks.js');

const MOST_BYTES = 19e6; // what older uploads have been seen to refuse is not far above
const EPOCH = new Date(Date.UTC(1980, 0, 1)); // the earliest date that an archive can hold

const [top, stage, tools, publisher, ...platforms] = process.argv.slice(2);
const tool = (name) => require(path.join(tools, 'node_modules', name));

async function main() {
  checks.schema(top, tool('ajv'));
  const version = checks.version(top);
  await icons();
  documents();
  const manifest = describe(publisher);
  const raw = build();
  const archive = path.join(stage, `${manifest.publisher}.${manifest.id}-${version}.vsix`);
  fs.writeFileSync(archive, await normalised(raw));
  fs.rmSync(raw);
  const size = fs.statSync(archive).size;
  if (size >= MOST_BYTES) throw new Error(`${archive} has ${size} bytes: ${MOST_BYTES} is the limit`);
  await sameFiles(archive, manifest);
  console.log(`${size} bytes, SHA-256 ${createHash('sha256').update(fs.readFileSync(archive)).digest('hex')}`);
  console.log(archive);
}

/** One drawing, two sizes: the extension's and the task's. */
async function icons() {
  const resvg = tool('@resvg/resvg-wasm');
  await resvg.initWasm(fs.readFileSync(path.join(tools, 'node_modules/@resvg/resvg-wasm/index_bg.wasm')));
  const drawing = fs.readFileSync(path.join(top, 'extension/icon.svg'), 'utf8');
  for (const [file, value] of [['icon.png', 128], ['RotatePat/icon.png', 32]]) {
    fs.writeFileSync(path.join(stage, file), new resvg.Resvg(drawing, { fitTo: { mode: 'width', value } }).render().asPng());
  }
}

function documents() {
  for (const file of ['extension/overview.md', 'LICENSE']) fs.copyFileSync(path.join(top, file), path.join(stage, path.basename(file)));
  const { notices, bom, count } = require('./notices.js')(top, platforms);
  fs.writeFileSync(path.join(stage, 'third-party-notices.txt'), notices);
  fs.writeFileSync(path.join(stage, 'sbom.cdx.json'), bom);
  console.log(`${count} crates in the notices and the list of components`);
}

/** The extension's manifest as packaged: each file of the task by itself, so that no type is guessed by this machine's tools. */
function describe(publisher) {
  const manifest = JSON.parse(fs.readFileSync(path.join(top, 'extension/vss-extension.json'), 'utf8'));
  if (publisher) manifest.publisher = publisher;
  const types = { '.js': 'application/javascript', '.json': 'application/json', '.png': 'image/png' };
  const task = checks.filesOf(path.join(stage, 'RotatePat')).map((file) => ({
    path: `RotatePat/${file}`,
    contentType: types[path.extname(file)] || (file.endsWith('SHA256SUMS') ? 'text/plain' : 'application/octet-stream'),
  }));
  manifest.files = [...task, ...manifest.files.filter((file) => file.path !== 'RotatePat')];
  fs.writeFileSync(path.join(stage, 'vss-extension.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** Microsoft's tool. It only warns of faults for which the Marketplace or an agent would refuse the task, so a warning stops this. */
function build() {
  const raw = path.join(stage, 'raw.vsix');
  const run = spawnSync(process.execPath, [path.join(tools, 'node_modules/tfx-cli/_build/tfx-cli.js'), 'extension', 'create',
    '--root', stage, '--manifest-globs', 'vss-extension.json', '--output-path', raw, '--no-prompt', '--no-color'], { encoding: 'utf8' });
  const said = `${run.stdout || ''}${run.stderr || ''}`;
  if (run.status !== 0 || /warn|error/i.test(said)) throw new Error(`tfx ended with ${run.status}:\n${said}`);
  return raw;
}

async function normalised(raw) {
  const JSZip = tool('jszip');
  const from = await JSZip.loadAsync(fs.readFileSync(raw));
  const to = new JSZip();
  const names = Object.keys(from.files).filter((name) => !from.files[name].dir).sort();
  for (const name of names) to.file(name, await from.files[name].async('nodebuffer'), { date: EPOCH, createFolders: false });
  return to.generateAsync({ type: 'nodebuffer', platform: 'DOS', compression: 'DEFLATE', compressionOptions: { level: 9 } });
}

/** What is in the archive is what was staged, byte for byte, beside the three files that the format asks for. */
async function sameFiles(archive, manifest) {
  const zip = await tool('jszip').loadAsync(fs.readFileSync(archive), { checkCRC32: true });
  const staged = new Set([...manifest.files.map((file) => file.path), 'icon.png', 'overview.md', 'LICENSE']);
  for (const name of staged) {
    if (!zip.files[name]) throw new Error(`${name} is missing in ${archive}`);
    if (!fs.readFileSync(path.join(stage, name)).equals(await zip.files[name].async('nodebuffer'))) throw new Error(`${name} differs in ${archive}`);
  }
  const others = Object.keys(zip.files).filter((name) => !staged.has(name));
  const expected = ['[Content_Types].xml', 'extension.vsixmanifest', 'extension.vsomanifest'];
  if (others.sort().join() !== expected.join()) throw new Error(`unexpected files in ${archive}: ${others}`);
}

main().catch((error) => {
  console.error(`extension.js: ${error.message}`);
  process.exitCode = 1;
});
