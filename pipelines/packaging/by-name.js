'use strict';
// Shows that the program in an empty root finds hosts by name and judges certificates: a name server and a TLS server of its
// own on loopback, the latter with a certificate that no authority has signed. The program must have asked for the name, have
// come to the server, and have refused it for its certificate.
//
//   node by-name.js FOLDER     with root/program, key.pem and cert.pem; in a network namespace, for ports 53 and 443

const { spawn } = require('child_process');
const dgram = require('dgram');
const fs = require('fs');
const path = require('path');
const tls = require('tls');

const folder = process.argv[2];
const read = (file) => fs.readFileSync(path.join(folder, file));
const asked = new Set();
let connections = 0;

/** Answers each question for an IPv4 address with 127.0.0.1, and others with nothing. */
function answer(query) {
  const labels = [];
  let at = 12;
  while (query[at] !== 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
    at += query[at] + 1;
  }
  const question = query.subarray(12, at + 5);
  const isAddress = query.readUInt16BE(at + 1) === 1;
  asked.add(labels.join('.'));
  const header = Buffer.from([query[0], query[1], 0x81, 0x80, 0, 1, 0, isAddress ? 1 : 0, 0, 0, 0, 0]);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
  return Buffer.concat(isAddress ? [header, question, record] : [header, question]);
}

const names = dgram.createSocket('udp4');
names.on('message', (query, from) => names.send(answer(query), from.port, from.address));
const server = tls.createServer({ key: read('key.pem'), cert: read('cert.pem') });
server.on('connection', () => { connections += 1; });
server.on('tlsClientError', () => {});

names.bind(53, '127.0.0.1', () => server.listen(443, '127.0.0.1', () => {
  const env = {
    INPUT_COMMAND: 'rotate', INPUT_PATNAME: 'nuget-publish', INPUT_ACCESSTOKEN: 'none', INPUT_DRYRUN: 'true',
    INPUT_VALIDFORDAYS: '30', INPUT_OVERLAPHOURS: '24', INPUT_RETIREOLDPAT: 'afterJob', INPUT_VARIABLE: 'PAT',
    ENDPOINT_URL_SYSTEMVSSCONNECTION: 'https://dev.azure.com/contoso/', VSTS_PUBLIC_VARIABLES: '[]', VSTS_SECRET_VARIABLES: '[]',
    SYSTEM_TEAMPROJECTID: '00000000-0000-4000-8000-000000000001',
    BUILD_BUILDID: '1', SYSTEM_JOBATTEMPT: '1',
  };
  const program = spawn('chroot', [path.join(folder, 'root'), '/program', 'task'], { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  program.stdout.on('data', (data) => { said += data; });
  program.on('exit', (code) => {
    const holds = [...asked].some((name) => name.endsWith('dev.azure.com')) && connections > 0 && /certificate/i.test(said) && code === 3;
    console.log(said.trim());
    console.log(`asked for ${[...asked].join(', ')}; ${connections} connections; exit code ${code}`);
    console.log(holds ? '==> by name over TLS: ok' : '==> by name over TLS: not as expected');
    process.exit(holds ? 0 : 1);
  });
}));
