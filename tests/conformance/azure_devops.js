'use strict';
// npm azure-devops-node-api: Microsoft's client of Azure DevOps finds its way and reads, writes and is refused.

const assert = require('node:assert');
const { suite, refused } = require('./serve.js');
const api = require('azure-devops-node-api');

const ORGANIZATION = 'https://dev.azure.com/contoso';
const connection = (begins) => new api.WebApi(ORGANIZATION, api.getBearerHandler(begins.userToken));

suite('azure-devops-node-api (npm)', {
  'connection data with a user\'s token': async ({ begins }) => {
    const data = await connection(begins).connect();
    assert.strictEqual(data.instanceId, begins.organizationId);
    assert.strictEqual(data.authenticatedUser.providerDisplayName, 'rotator');
  },
  'connection data with a PAT': async ({ begins }) => {
    const data = await new api.WebApi(ORGANIZATION, api.getPersonalAccessTokenHandler(begins.pat)).connect();
    assert.strictEqual(data.authenticatedUser.properties.Account.$value, begins.user);
  },
  'a build, by id': async ({ begins }) => {
    const build = await (await connection(begins).getBuildApi()).getBuild(begins.project, begins.build);
    assert.deepStrictEqual([build.id, build.status, build.project.name], [begins.build, 1, begins.project]);
  },
  'variable groups, by name and by id': async ({ begins }) => {
    const client = await connection(begins).getTaskAgentApi();
    const listed = await client.getVariableGroups(begins.project, 'Prod secrets');
    assert.deepStrictEqual(listed.map((group) => group.id), [begins.group]);
    const { variables } = await client.getVariableGroup(begins.project, begins.group);
    assert.strictEqual(variables.REGION.value, 'westeurope');
    assert.deepStrictEqual([variables.NUGET_PAT.value, variables.NUGET_PAT.isSecret], [null, true]);
  },
  'a variable of a group is written, and every other one stays': async ({ begins, world }) => {
    const client = await connection(begins).getTaskAgentApi();
    const before = (await world()).groups['Prod secrets'];
    const group = await client.getVariableGroup(begins.project, begins.group);
    group.variables.REGION.value = 'northeurope';
    const answered = await client.updateVariableGroup(group, begins.group);
    assert.strictEqual(answered.variables.REGION.value, 'northeurope');
    before.REGION[0] = 'northeurope';
    assert.deepStrictEqual((await world()).groups['Prod secrets'], before);
  },
  'a service connection\'s secret is replaced': async ({ begins, world }) => {
    const client = await connection(begins).getServiceEndpointApi();
    const [listed] = await client.getServiceEndpointsByNames(begins.project, ['contoso-feed']);
    assert.strictEqual(listed.id, begins.endpoint);
    const found = await client.getServiceEndpointDetails(begins.project, begins.endpoint);
    found.authorization.parameters.apitoken = 'a-new-secret-of-the-feed';
    await client.updateServiceEndpoint(found, begins.endpoint);
    assert.strictEqual((await world()).endpoints['contoso-feed'], 'a-new-secret-of-the-feed');
  },
  'a token that nobody issued': async () => {
    await refused(() => new api.WebApi(ORGANIZATION, api.getBearerHandler('wrong')).connect(), '401');
  },
});
