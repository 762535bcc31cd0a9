'use strict';
// What we print: npm azure-pipelines-task-lib parses every logging command, finds in it what the emulated agent found, and
// writes it again, byte for byte.

const fs = require('node:fs');
const { commandFromString } = require('azure-pipelines-task-lib/taskcommand');

const lowered = (properties) => Object.fromEntries(Object.entries(properties).map(([name, value]) => [name.toLowerCase(), value]));
const sorted = (properties) => JSON.stringify(Object.entries(properties).sort());
const seen = new Map();
for (const text of fs.readFileSync(process.argv[2], 'utf8').split('\n').filter(Boolean)) {
  const { line, command, properties, data } = JSON.parse(text);
  const parsed = commandFromString(line);
  const wrong = [];
  if (parsed.toString() !== line) wrong.push('is written in another way');
  if (parsed.command.toLowerCase() !== command) wrong.push('has another name');
  if (sorted(lowered(parsed.properties)) !== sorted(properties)) wrong.push('has other properties');
  if (parsed.message !== data) wrong.push('has another value');
  const entry = seen.get(command) || { count: 0, wrong: '' };
  entry.count += 1;
  // The line may hold a secret of the simulated world; its name is enough to find it.
  entry.wrong = entry.wrong || wrong.join(', ');
  seen.set(command, entry);
}
for (const [command, { count, wrong }] of [...seen].sort()) {
  console.log([wrong ? 'FAILED' : 'passed', 'azure-pipelines-task-lib (npm)', `${command}, ${count} times, parsed and written again`, wrong].join('\t'));
  if (wrong) process.exitCode = 1;
}
if (seen.size === 0) process.exitCode = 1;
