'use strict';
// Whose code is in the binaries: the licences' texts for people, and a list of components (CycloneDX) for programs. Both
// are made from Cargo.lock as cargo resolves it for the targets that are packaged, and hold nothing of the machine or the day.

const { execFileSync } = require('child_process');
const { createHash } = require('crypto');
const fs = require('fs');
const path = require('path');

const TARGETS = {
  'linux-x64': 'x86_64-unknown-linux-musl',
  'linux-arm64': 'aarch64-unknown-linux-musl',
  'windows-x64': 'x86_64-pc-windows-msvc',
  'macos-x64': 'x86_64-apple-darwin',
  'macos-arm64': 'aarch64-apple-darwin',
};

// What a binary holds beside its crates. The texts of the standard library's licences are among the crates'.
const BESIDES = [
  ['The Rust standard library', 'MIT OR Apache-2.0', 'Copyright (c) The Rust Project Contributors; https://github.com/rust-lang/rust. The texts are below.'],
  ['musl libc (Linux)', 'MIT', 'Copyright (c) 2005-2020 Rich Felker, et al.; https://musl.libc.org. The text of the MIT licence is below.'],
];

/** The crates in the binaries for these platforms, sorted, with the names of those each needs. */
function crates(top, platforms) {
  const found = new Map();
  for (const platform of platforms) {
    const target = TARGETS[platform];
    const metadata = JSON.parse(execFileSync('cargo', ['metadata', '--locked', '--format-version', '1', '--filter-platform', target],
      { cwd: top, encoding: 'utf8', maxBuffer: 1 << 28 }));
    const packages = new Map(metadata.packages.map((one) => [one.id, one]));
    const nodes = new Map(metadata.resolve.nodes.map((node) => [node.id, node]));
    // A macro runs in the compiler and is not in the binary, nor is what it needs.
    const isMacro = (id) => packages.get(id).targets.some((one) => one.kind.includes('proc-macro'));
    const visit = (id) => {
      const { name, version } = packages.get(id);
      const needs = nodes.get(id).deps
        .filter((dep) => dep.dep_kinds.some(({ kind }) => kind === null) && !isMacro(dep.pkg))
        .map((dep) => dep.pkg);
      const key = `${name} ${version}`;
      const known = found.get(key) || { ...packages.get(id), key, needs: new Set() };
      const isNew = !found.has(key) || known.platform !== platform;
      found.set(key, Object.assign(known, { platform }));
      for (const need of needs) {
        const { name, version } = packages.get(need);
        known.needs.add(`${name} ${version}`);
        if (isNew) visit(need);
      }
    };
    visit(metadata.resolve.root);
  }
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** The licences' texts, each with the crates that it covers. */
function texts(crates) {
  const byText = new Map();
  for (const one of crates) {
    const folder = path.dirname(one.manifest_path);
    const files = fs.readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice|copyright)/i.test(file) && fs.statSync(path.join(folder, file)).isFile());
    if (files.length === 0) throw new Error(`${one.key} (${one.license}) brings no text of its licence`);
    for (const file of files.sort()) {
      const text = fs.readFileSync(path.join(folder, file), 'utf8').replace(/\r\n/g, '\n').replace(/[ \t]+$/gm, '').trim();
      if (!byText.has(text)) byText.set(text, []);
      byText.get(text).push(one.key);
    }
  }
  return byText;
}

function notices(crates) {
  const rule = '-'.repeat(80);
  const lines = ['RotatePat contains the following software. The texts of its licences follow the list.', ''];
  for (const [what, licence, note] of BESIDES) lines.push(`${what}: ${licence}. ${note}`);
  for (const one of crates) lines.push(`${one.key}: ${one.license}. ${one.repository || `https://crates.io/crates/${one.name}`}`);
  for (const [text, keys] of texts(crates)) lines.push('', rule, `For ${keys.join(', ')}:`, '', text);
  return `${lines.join('\n')}\n`;
}

/** CycloneDX 1.5, without the time and the number that it allows to leave out: they would differ from build to build. */
function bom(top, crates) {
  const lock = fs.readFileSync(path.join(top, 'Cargo.lock'), 'utf8');
  const checksums = new Map([...lock.matchAll(/name = "([^"]+)"\nversion = "([^"]+)"\n(?:source = "[^"]+"\n)?(?:checksum = "([^"]+)")?/g)]
    .map(([, name, version, checksum]) => [`${name} ${version}`, checksum]));
  const reference = (key) => `pkg:cargo/${key.replace(' ', '@')}`;
  const component = (one) => {
    const checksum = checksums.get(one.key);
    return {
      type: one.source ? 'library' : 'application',
      'bom-ref': reference(one.key),
      name: one.name,
      version: one.version,
      ...(one.description && { description: one.description.trim().replace(/\s+/g, ' ') }),
      ...(checksum && { hashes: [{ alg: 'SHA-256', content: checksum }] }),
      licenses: [{ expression: one.license.replace(/\//g, ' OR ') }],
      purl: reference(one.key),
      ...(one.repository && { externalReferences: [{ type: 'vcs', url: one.repository }] }),
    };
  };
  const own = crates.find((one) => !one.source);
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: component(own) },
    components: crates.filter((one) => one.source).map(component),
    dependencies: crates.map((one) => ({ ref: reference(one.key), dependsOn: [...one.needs].sort().map(reference) })),
  };
  // The same content has the same number.
  const hash = createHash('sha256').update(JSON.stringify(document)).digest('hex');
  const serialNumber = `urn:uuid:${hash.slice(0, 8)}-${hash.slice(8, 12)}-5${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
  const { $schema, bomFormat, specVersion, ...rest } = document;
  return `${JSON.stringify({ $schema, bomFormat, specVersion, serialNumber, ...rest }, null, 2)}\n`;
}

/** Both documents for the platforms. */
module.exports = function (top, platforms) {
  const all = crates(top, platforms);
  return { notices: notices(all.filter((one) => one.source)), bom: bom(top, all), count: all.length - 1 };
};
module.exports.crates = crates;
module.exports.TARGETS = TARGETS;
