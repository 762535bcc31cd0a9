'use strict';
// Starts the simulator for a suite in JavaScript, and counts what was seen. The suite runs in a process that knows the proxy
// and the CA from its environment, as these clients read them: so this one starts it again.

const { spawn } = require('node:child_process');
const readline = require('node:readline');
const assert = require('node:assert');

/** Runs the suite: its cases by name, each with what the world begins with and with a way to ask for the world. */
async function suite(client, cases) {
  if (!process.env.CONFORMANCE_BEGINS) return parent();
  const begins = JSON.parse(process.env.CONFORMANCE_BEGINS);
  const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const order = async (words) => {
    process.stderr.write(`ORDER ${words}\n`);
    return JSON.parse((await answers.next()).value);
  };
  const world = () => order('world');
  const holder = async (token) => (await world()).accessTokens.find((known) => known.value === token).holder;
  const tell = async (name, act) => {
    let why = '';
    try {
      await act({ begins, order, world, holder });
    } catch (error) {
      why = `${error.name}: ${error.message}`.replace(/\s+/g, ' ').slice(0, 600);
      process.stderr.write(`${error.stack}\n`);
      process.exitCode = 1;
    }
    process.stdout.write(`${why ? 'FAILED' : 'passed'}\t${client}\t${name}\t${why}\n`);
  };
  for (const [name, act] of Object.entries(cases)) await tell(name, act);
  await tell('nothing was sent that no client may send', async () => assert.deepStrictEqual(await order('problems'), []));
  process.exit();
}

function parent() {
  const served = spawn(process.env.CONFORMANCE_SERVE, [process.env.CONFORMANCE_FOLDER], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = readline.createInterface({ input: served.stdout });
  let child;
  lines.on('line', (line) => {
    if (child) return child.stdin.write(`${line}\n`);
    const { proxy, ca } = JSON.parse(line);
    const env = { ...process.env, CONFORMANCE_BEGINS: line, HTTPS_PROXY: proxy, NODE_EXTRA_CA_CERTS: ca, NO_PROXY: '', no_proxy: '' };
    child = spawn(process.execPath, [require.main.filename], { env, stdio: ['pipe', 'inherit', 'pipe'] });
    readline.createInterface({ input: child.stderr }).on('line', (said) => {
      if (said.startsWith('ORDER ')) served.stdin.write(`${said.slice(6)}\n`);
      else process.stderr.write(`${said}\n`);
    });
    child.on('exit', (code) => {
      process.exitCode = code === null ? 1 : code;
      served.stdin.end();
    });
  });
  served.on('exit', (code) => {
    if (code !== 0) process.exitCode = 1;
  });
}

/** What is thrown says all of these words. */
async function refused(act, ...words) {
  const error = await act().then(() => assert.fail('it was not refused'), (error) => error);
  const said = `${error.name} ${error.code} ${error.statusCode} ${error.errorNo} ${error.message}`;
  for (const word of words) assert.ok(said.includes(word), `no ${word} in ${said}`);
  return error;
}

module.exports = { suite, refused };
