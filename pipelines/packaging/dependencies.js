'use strict';
// What this project depends on, counted and checked, with nothing but cargo: each named dependency has its reason beside it, and
// every crate of every shipped program has an allowed licence, comes from crates.io, and is none of those that were banned, by
// the lists of `.cargo/deny.toml`. Two versions of one crate are two programs to keep up to date: they fail too.

const { spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const { TARGETS, crates } = require('./notices.js');

/** The dependencies that a manifest names, by section, each with the comment above it. */
function named(manifest) {
  const found = [];
  let section = '', comment = '';
  for (const line of manifest.split('\n')) {
    const heading = /^\[(.+)\]$/.exec(line);
    const dependency = /^([A-Za-z0-9_-]+) *=/.exec(line);
    if (heading) [section, comment] = [heading[1], ''];
    else if (line.startsWith('#')) comment += line.slice(1);
    else if (line === '') comment = '';
    else if (dependency && /^(.*\.)?(dev-|build-)?dependencies$/.test(section)) found.push({ section, name: dependency[1], reason: comment.trim() });
  }
  return found;
}

/** The lists of deny.toml: allowed licences, and banned crates with the reason. */
function rules(text) {
  const allow = /^allow = \[(.*)\]$/m.exec(text);
  const licences = new Set([...allow[1].matchAll(/"([^"]+)"/g)].map(([, one]) => one));
  const banned = new Map([...text.matchAll(/\{ crate = "([^"]+)", reason = "([^"]+)" \}/g)].map(([, name, reason]) => [name, reason]));
  return { licences, banned };
}

/** Whether a licence expression (SPDX, or the older form with slashes) can be met with these licences. */
function isMet(expression, licences) {
  const tokens = (expression || '').replaceAll('/', ' OR ').match(/\(|\)|[^\s()]+/g) || [];
  const one = () => {
    if (tokens[0] === '(') {
      tokens.shift();
      const inner = any();
      tokens.shift();
      return inner;
    }
    const name = tokens.shift();
    if (tokens[0] !== 'WITH') return licences.has(name);
    const exception = tokens.splice(0, 2)[1];
    return licences.has(`${name} WITH ${exception}`);
  };
  const all = () => {
    let met = one();
    while (tokens[0] === 'AND') { tokens.shift(); met = one() && met; }
    return met;
  };
  const any = () => {
    let met = all();
    while (tokens[0] === 'OR') { tokens.shift(); met = all() || met; }
    return met;
  };
  return tokens.length > 0 && any() && tokens.length === 0;
}

/** What is wrong with the crates of a program. */
function faults(list, { licences, banned }) {
  const wrong = [];
  const versions = new Map();
  for (const { name, version, license, source } of list) {
    if (source === null) continue;        // our own
    if (!isMet(license, licences)) wrong.push(`${name} ${version}: the licence ${license} is not among those allowed`);
    if (!/^registry\+https:\/\/github\.com\/rust-lang\/crates\.io-index$/.test(source)) wrong.push(`${name} ${version}: comes from ${source}`);
    if (banned.has(name)) wrong.push(`${name} ${version}: banned, as ${banned.get(name)}`);
    versions.set(name, [...(versions.get(name) || []), version]);
  }
  for (const [name, all] of versions) if (all.length > 1) wrong.push(`${name} is there ${all.length} times: ${all.join(', ')}`);
  return wrong;
}

function main(top) {
  const known = rules(fs.readFileSync(path.join(top, '.cargo/deny.toml'), 'utf8'));
  const dependencies = named(fs.readFileSync(path.join(top, 'Cargo.toml'), 'utf8'));
  const wrong = new Set(dependencies.filter(({ reason }) => !reason).map(({ name, section }) => `${name} in [${section}] has no reason beside it`));
  for (const section of new Set(dependencies.map((one) => one.section))) {
    console.log(`[${section}]: ${dependencies.filter((one) => one.section === section).length} named, each with its reason`);
  }
  console.log('\n| program | crates in it, ours not counted |\n|---|---:|');
  for (const platform of Object.keys(TARGETS)) {
    const list = crates(top, [platform]);
    console.log(`| ${platform} | ${list.filter((one) => one.source !== null).length} |`);
    for (const fault of faults(list, known)) wrong.add(fault);
  }
  const audit = spawnSync('cargo', ['audit', '--no-fetch', '--quiet'], { cwd: top, encoding: 'utf8' });
  if (/no such command/.test(audit.stderr)) console.log('\nadvisories: not looked up, cargo-audit is not installed');
  else if (audit.status !== 0) wrong.add(`advisories:\n${audit.stdout}${audit.stderr}`);
  for (const fault of wrong) console.error(`dependencies: ${fault}`);
  return wrong.size;
}

module.exports = { named, rules, isMet, faults };
if (require.main === module) process.exit(main(path.join(__dirname, '../..')) === 0 ? 0 : 1);
