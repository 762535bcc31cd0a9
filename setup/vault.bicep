// The key vault that holds the rotating user's refresh token, and the role of the service connection's app on it.
// setup.sh deploys it; by hand: az deployment group create --resource-group GROUP --template-file setup/vault.bicep --parameters …

@description('Name of the vault.')
param vaultName string

@description('False: the vault exists and stays as it is, with its firewall and tags.')
param newVault bool = true

@description('Where a new vault is made.')
param location string = resourceGroup().location

@description('Object id of the service principal of the connection. Empty: no role is given.')
param principalId string = ''

@description('The one secret that the role is for. Empty: all secrets of the vault.')
param secretName string = ''

// Key Vault Secrets Officer: reads secrets, writes new versions, disables old ones. Secrets User cannot write.
// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security#key-vault-secrets-officer
var role = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7')

resource made 'Microsoft.KeyVault/vaults@2023-07-01' = if (newVault) {
  name: vaultName
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 90
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource secret 'Microsoft.KeyVault/vaults/secrets@2023-07-01' existing = {
  parent: vault
  name: secretName == '' ? 'none' : secretName
}

resource onVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (principalId != '' && secretName == '') {
  name: guid(vault.id, principalId, role)
  scope: vault
  dependsOn: [
    made
  ]
  properties: {
    roleDefinitionId: role
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource onSecret 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (principalId != '' && secretName != '') {
  name: guid(secret.id, principalId, role)
  scope: secret
  dependsOn: [
    made
  ]
  properties: {
    roleDefinitionId: role
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
