'use strict';
// npm @azure/msal-node: secret, certificate, refresh token, device code and what is refused. It knows no proxy: its
// documented `networkClient` sends through the one of the core pipeline of Azure's SDK.

const assert = require('node:assert');
const fs = require('node:fs');
const { X509Certificate } = require('node:crypto');
const { suite, refused } = require('./serve.js');
const msal = require('@azure/msal-node');
const { createDefaultHttpClient, createPipelineRequest, createHttpHeaders, getDefaultProxySettings, proxyPolicy } = require('@azure/core-rest-pipeline');

const AZURE_DEVOPS = '499b84ac-1321-427f-aa17-267ca6975798';
const APP = { scopes: [`${AZURE_DEVOPS}/.default`] };
const PATS = [`${AZURE_DEVOPS}/vso.pats`, `${AZURE_DEVOPS}/vso.pats_manage`];

const http = createDefaultHttpClient();
const proxy = proxyPolicy(getDefaultProxySettings());
const send = (method) => async (url, options = {}) => {
  const request = createPipelineRequest({ url, method, headers: createHttpHeaders(options.headers), body: options.body });
  const answer = await proxy.sendRequest(request, (request) => http.sendRequest(request));
  return { status: answer.status, headers: answer.headers.toJSON(), body: JSON.parse(answer.bodyAsText) };
};
const system = { networkClient: { sendGetRequestAsync: send('GET'), sendPostRequestAsync: send('POST') } };
const authority = (begins) => `https://login.microsoftonline.com/${begins.tenant}`;
const bySecret = (begins, clientSecret) => new msal.ConfidentialClientApplication({ auth: { clientId: begins.secretClient.id, authority: authority(begins), clientSecret }, system });
const byPublicClient = (begins) => new msal.PublicClientApplication({ auth: { clientId: begins.publicClient, authority: authority(begins) }, system });

suite('@azure/msal-node (npm)', {
  'a client secret': async ({ begins, holder }) => {
    const { accessToken } = await bySecret(begins, begins.secretClient.secret).acquireTokenByClientCredential(APP);
    assert.strictEqual(await holder(accessToken), 'App("pat-rotator")');
  },
  'a wrong client secret is refused by number': async ({ begins }) => {
    await refused(() => bySecret(begins, 'wrong').acquireTokenByClientCredential(APP), 'invalid_client', '7000215');
  },
  'a certificate, signed as documented': async ({ begins, holder }) => {
    const pem = fs.readFileSync(begins.certificateClient.pem, 'utf8');
    const clientCertificate = { privateKey: pem, thumbprintSha256: new X509Certificate(pem).fingerprint256.replaceAll(':', '') };
    const auth = { clientId: begins.certificateClient.id, authority: authority(begins), clientCertificate };
    const { accessToken } = await new msal.ConfidentialClientApplication({ auth, system }).acquireTokenByClientCredential(APP);
    assert.strictEqual(await holder(accessToken), 'App("certified")');
  },
  'a refresh token of another client\'s cache': async ({ begins, holder, world }) => {
    const before = (await world()).refreshTokensRedeemed;
    const { accessToken } = await byPublicClient(begins).acquireTokenByRefreshToken({ refreshToken: begins.publicRefreshToken, scopes: PATS });
    assert.strictEqual(await holder(accessToken), 'User("rotator")');
    assert.strictEqual((await world()).refreshTokensRedeemed, before + 1);
  },
  'a refresh token that nobody issued is refused by number': async ({ begins }) => {
    await refused(() => byPublicClient(begins).acquireTokenByRefreshToken({ refreshToken: '1.nobodys', scopes: PATS }), 'invalid_grant', '70000');
  },
  'a device code, signed in with while the client polls': async ({ begins, order, holder }) => {
    const client = byPublicClient(begins);
    let signed;
    const deviceCodeCallback = ({ userCode, message }) => {
      assert.ok(message.includes(userCode));
      signed = order('sign in on the device');
    };
    const { accessToken, account } = await client.acquireTokenByDeviceCode({ scopes: PATS, deviceCodeCallback });
    await signed;
    assert.strictEqual(await holder(accessToken), 'User("rotator")');
    assert.strictEqual(account.username, begins.user);
    const silent = await client.acquireTokenSilent({ scopes: PATS, account });
    assert.deepStrictEqual([silent.accessToken, silent.fromCache], [accessToken, true]);
  },
});
