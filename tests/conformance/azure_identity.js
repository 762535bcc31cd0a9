'use strict';
// npm @azure/identity and @azure/keyvault-secrets: ways of signing in, and a vault's secrets.

const assert = require('node:assert');
const { suite, refused } = require('./serve.js');
const { AzurePipelinesCredential, ClientCertificateCredential, ClientSecretCredential } = require('@azure/identity');
const { SecretClient } = require('@azure/keyvault-secrets');

const APP = '499b84ac-1321-427f-aa17-267ca6975798/.default';
const bySecret = ({ tenant, secretClient }) => new ClientSecretCredential(tenant, secretClient.id, secretClient.secret);
const vault = (credential) => new SecretClient('https://contoso-kv.vault.azure.net', credential);
const pipelines = (begins, connection, token) => {
  process.env.SYSTEM_OIDCREQUESTURI = begins.oidcRequestUri;
  return new AzurePipelinesCredential(begins.tenant, begins.secretClient.id, connection, token);
};

suite('@azure/identity and @azure/keyvault-secrets (npm)', {
  'ClientSecretCredential': async ({ begins, holder }) => {
    assert.strictEqual(await holder((await bySecret(begins).getToken(APP)).token), 'App("pat-rotator")');
  },
  'ClientSecretCredential with a wrong secret': async ({ begins }) => {
    await refused(() => new ClientSecretCredential(begins.tenant, begins.secretClient.id, 'wrong').getToken(APP), '7000215');
  },
  'ClientCertificateCredential': async ({ begins, holder }) => {
    const { id, pem } = begins.certificateClient;
    const { token } = await new ClientCertificateCredential(begins.tenant, id, { certificatePath: pem }).getToken(APP);
    assert.strictEqual(await holder(token), 'App("certified")');
  },
  'AzurePipelinesCredential, against the OIDC endpoint': async ({ begins, holder }) => {
    const { token } = await pipelines(begins, begins.serviceConnection, begins.jobToken).getToken(APP);
    assert.strictEqual(await holder(token), 'App("pat-rotator")');
  },
  'AzurePipelinesCredential with a service connection that is not there': async ({ begins }) => {
    await refused(() => pipelines(begins, '00000000-0000-4000-8000-000000000000', begins.jobToken).getToken(APP), '404');
  },
  'AzurePipelinesCredential with a job token that nobody issued': async ({ begins }) => {
    await refused(() => pipelines(begins, begins.serviceConnection, 'wrong').getToken(APP), '401');
  },
  'a secret is set and read back, with its tags and its end': async ({ begins, world }) => {
    const client = vault(bySecret(begins));
    const expiresOn = new Date(Date.UTC(2031, 0, 2, 3, 4, 5));
    const written = await client.setSecret('first', 'välue 1', { tags: { a: 'b' }, expiresOn });
    const read = await client.getSecret('first');
    assert.deepStrictEqual([read.value, read.properties.version, read.properties.tags, read.properties.expiresOn],
      ['välue 1', written.properties.version, { a: 'b' }, expiresOn]);
    const [version] = (await world()).vault.first.versions;
    assert.deepStrictEqual([version.value, version.tags, version.expires], ['välue 1', { a: 'b' }, expiresOn / 1000]);
  },
  'all versions of a secret, over several pages': async ({ begins }) => {
    const client = vault(bySecret(begins));
    const written = [];
    for (let n = 0; n < 5; n += 1) written.push((await client.setSecret('second', `value ${n}`)).properties.version);
    const listed = [];
    for await (const one of client.listPropertiesOfSecretVersions('second')) listed.push(one.version);
    assert.deepStrictEqual(listed.sort(), [...written].sort());
    assert.strictEqual((await client.getSecret('second', { version: written[2] })).value, 'value 2');
  },
  'a version is disabled, and refuses to be read': async ({ begins, world }) => {
    const client = vault(bySecret(begins));
    const old = (await client.setSecret('third', 'old')).properties.version;
    await client.setSecret('third', 'new');
    assert.strictEqual((await client.updateSecretProperties('third', old, { enabled: false, tags: { why: 'old' } })).enabled, false);
    await refused(() => client.getSecret('third', { version: old }), '403', 'disabled');
    assert.deepStrictEqual((await world()).vault.third.versions.map((one) => [one.value, one.enabled, one.tags]), [['old', false, { why: 'old' }], ['new', true, {}]]);
  },
  'a secret that is not there': async ({ begins }) => {
    await refused(() => vault(bySecret(begins)).getSecret('nobodys'), '404', 'SecretNotFound');
  },
  'an app without a role on the vault': async ({ begins }) => {
    const { tenant, publisher } = begins;
    await refused(() => vault(new ClientSecretCredential(tenant, publisher.id, publisher.secret)).getSecret('first'), '403');
  },
});
