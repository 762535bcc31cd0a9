'use strict';
// The agent starts tasks through Node only, so this starts the program that does the work and stays out of its way:
// no packages, no wrapping of output, and nothing printed unless the program cannot speak for itself.
// It must run on any Node that an agent or a container image brings (16 and later).

const fs = require('fs');
const path = require('path');

const PROGRAMS = {
  'linux-x64': 'rotate-pat-linux-x64',
  'linux-arm64': 'rotate-pat-linux-arm64',
  'darwin-x64': 'rotate-pat-macos-x64',
  'darwin-arm64': 'rotate-pat-macos-arm64',
  'win32-x64': 'rotate-pat-windows-x64.exe',
  'win32-arm64': 'rotate-pat-windows-x64.exe', // Windows on Arm runs x64 programs
};
// How a program for each platform begins, in hexadecimal; a dot is any digit. ELF and Mach-O name the processor.
const FORMATS = {
  'linux-x64': /^7f454c4602.{26}3e00/,
  'linux-arm64': /^7f454c4602.{26}b700/,
  'darwin-x64': /^cffaedfe07000001/,
  'darwin-arm64': /^cffaedfe0c000001/,
  'win32-x64': /^4d5a/,
  'win32-arm64': /^4d5a/,
};
const SUPPORTED = 'Linux x64 and arm64, Windows x64, macOS x64 and arm64';

// The agent gives every secret of the job to every Node task. These are needed beside the ones that the inputs name.
const SECRETS = ['AGENT_PROXYPASSWORD', 'AGENT_CLIENTCERTPASSWORD', 'SYSTEM_ACCESSTOKEN'];

/** A variable's name in the environment, by the agent's rule. */
function converted(name) {
  return name.replace(/[. ]/g, '_').toUpperCase();
}

/** The environment less the secrets that are not the program's business. Names are compared in any case, as on Windows. */
function environment(all) {
  const input = (name) => (all[`INPUT_${name}`] || '').trim();
  const variable = input('VARIABLE') || (input('PUBLISHTO') ? '' : 'PAT');
  const secrets = SECRETS.concat(converted(variable), converted(input('CONFIRMVARIABLE')));
  const env = {};
  for (const name of Object.keys(all)) {
    const upper = name.toUpperCase();
    const withheld = upper.startsWith('SECRET_')
      ? !secrets.includes(upper.slice(7))
      : upper.startsWith('SECUREFILE_');
    if (!withheld) env[name] = all[name];
  }
  return env;
}

class Missing extends Error {}

/**
 * Fails unless the program is the one that was packaged: a file that was cut short or mixed up must not hold a token. It is
 * no guard against whoever may write here, as they could change this file too.
 */
function verify(file) {
  const sums = path.join(path.dirname(file), 'SHA256SUMS');
  if (!fs.existsSync(sums)) throw new Missing(sums);
  const line = fs.readFileSync(sums, 'utf8').split('\n').find((line) => line.slice(66) === path.basename(file));
  if (!line) {
    throw new Error(`this package of RotatePat has none for ${process.platform}-${process.arch}. Install the extension that has all platforms`);
  }
  if (!fs.existsSync(file)) throw new Missing(file);
  const hash = line.slice(0, 64);
  // Hashing takes Node about as long as the program takes for all its work, so a verified file is marked by a time of its
  // last change that belongs to its hash. Whatever changes the file changes the time. (Even seconds: any file system has them.)
  const mark = 946684800 + parseInt(hash.slice(0, 7), 16) * 2;
  if (fs.statSync(file).mtimeMs === mark * 1000) return;
  if (require('crypto').createHash('sha256').update(fs.readFileSync(file)).digest('hex') !== hash) {
    // The agent extracts a task again only when it finds no such mark of its own (seen in code: TaskManager.cs).
    throw new Error(`${file} is not the file that was packaged. Delete ${__dirname} and ${__dirname}.completed on the agent, ` +
      'and the next run fetches the task again');
  }
  try {
    fs.utimesSync(file, mark, mark);
  } catch (error) {
    // Not ours to change: the next run hashes it again.
  }
}

/** Whether the system itself runs such a file: Node hands any other to /bin/sh. */
function fits(file, platform) {
  const head = Buffer.alloc(20);
  const open = fs.openSync(file, 'r');
  try {
    fs.readSync(open, head, 0, head.length, 0);
  } finally {
    fs.closeSync(open);
  }
  return FORMATS[platform].test(head.toString('hex')) || head.toString('latin1', 0, 2) === '#!';
}

function executes(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK); // false also where the file system is mounted noexec
    return true;
  } catch (error) {
    return false;
  }
}

/** A file that may be executed, and the folder to delete afterwards if it had to be a copy. An extension's archive carries no modes. */
function executable(file, platform) {
  verify(file);
  if (!fits(file, platform)) throw new Error(`${file} is not a program for this agent (${platform}). Install the extension again`);
  if (executes(file)) return { file };
  try {
    fs.chmodSync(file, 0o755);
    if (executes(file)) return { file };
  } catch (error) {
    // Another owner, a read-only mount, a file system without modes: the copy decides.
  }
  const temp = process.env.AGENT_TEMPDIRECTORY || require('os').tmpdir();
  const folder = fs.mkdtempSync(path.join(temp, 'rotate-pat-'));
  try {
    const copy = path.join(folder, path.basename(file));
    fs.copyFileSync(file, copy);
    fs.chmodSync(copy, 0o755);
    if (executes(copy)) return { file: copy, folder };
  } catch (error) {
    remove(folder);
    throw error;
  }
  remove(folder);
  throw new Error(`neither the task's folder nor ${temp} lets a program be executed. ` +
    "Mount the agent's work folder, or its temporary folder, without noexec");
}

function remove(folder) {
  try {
    if (folder) fs.rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    // The agent empties its temporary folder after the job.
  }
}

/**
 * Says what the program could not say, in one write. With an exit code the agent fails the step by itself; a result printed
 * as well would fail a good second attempt too (seen in code: RetryHelper.cs).
 */
function fail(message, exitCode) {
  const data = message.replace(/##(?=vso|\[)/gi, '**').replace(/%/g, '%AZP25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
  process.exitCode = exitCode;
  process.stdout.on('error', () => { process.exitCode = exitCode || 2; }); // nobody listens: only the exit code is left
  const issue = `##vso[task.logissue type=error]${data}\n`;
  // A program that died may have ended within a line.
  process.stdout.write(exitCode ? `\n${issue}` : `${issue}##vso[task.complete result=Failed;]${data}\n`);
}

/** Runs the program with the stage's name as its argument. */
module.exports = function launch(stage) {
  const windows = process.platform === 'win32';
  const platform = `${process.platform}-${process.arch}`;
  if (!PROGRAMS[platform]) {
    return fail(`RotatePat has no program for this agent (${platform}). Run the job on one of: ${SUPPORTED}.`, 0);
  }
  const program = path.join(__dirname, 'bin', PROGRAMS[platform]);

  // The agent's cancel reaches only Node on Unix, and the whole console group on Windows. The program decides how to end.
  let child;
  for (const signal of windows ? ['SIGINT', 'SIGBREAK'] : ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => { if (child && !windows) child.kill(signal); });
  }

  let ready = {};
  const refused = (error) => {
    remove(ready.folder);
    fail(error instanceof Missing
      ? `could not find RotatePat's program for this agent: ${error.message} does not exist. Install the extension again.`
      : `could not start RotatePat's program: ${error.message}.`, 0);
  };
  try {
    ready = executable(program, platform);
    child = require('child_process').spawn(ready.file, [stage], {
      env: Object.assign(environment(process.env), { ROTATE_PAT_NODE: process.version }),
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  } catch (error) {
    return refused(error);
  }
  child.on('error', refused);
  child.on('exit', (code, signal) => {
    remove(ready.folder);
    if (code === 0 || code === 3) return; // it has told the agent its result: 3 is a failure that was told
    fail(`RotatePat's program ended without a result (${signal || `exit code ${code}`}). ` +
      'What it had done by then is in the log above. Run the pipeline again: the next run repairs what this one left.',
    signal ? 128 + require('os').constants.signals[signal] : code);
  });
};
