# shellcheck shell=bash
# For the administrator of Microsoft Entra: the apps and their consent (entra), and what the app trusts (trust).

graph=00000003-0000-0000-c000-000000000000 # Microsoft Graph, in every tenant

phase_entra() {
  phase entra "the role Cloud Application Administrator in the organization's tenant" organization user name
  local found scope scopes has
  now "ask $org for its tenant"
  found=$(look curl -sSI --max-time 30 -H 'X-TFS-FedAuthRedirect: Suppress' "$org/_apis/connectiondata" |
    tr -d '\r' | awk -F ': *' 'tolower($1) == "x-vss-resourcetenant" { print $2 }')
  [ "$found" != 00000000-0000-0000-0000-000000000000 ] ||
    die "$org is backed by Microsoft accounts, which cannot manage PATs by API" 'connect the organization to Microsoft Entra first'
  keep tenant "$found"
  signed_in
  now "find the rotating user $user"
  found=$(look az ad user show --id "$user" --query id -o tsv)
  keep user_id "$found"

  app_of_ours app "$name"
  app_of_ours client "$name-sign-in" --public-client-redirect-uris http://localhost

  now "give $name-sign-in the permissions vso.pats and vso.pats_manage"
  scopes=$(look az ad sp show --id "$devops" -o tsv \
    --query "oauth2PermissionScopes[?value=='vso.pats' || value=='vso.pats_manage'].id")
  [ "$(printf '%s\n' "$scopes" | wc -w)" -eq 2 ] || die 'this tenant does not list the permissions vso.pats and vso.pats_manage' \
    "choose them in the portal: App registrations > $name-sign-in > API permissions > Add > Azure DevOps > Delegated"
  has=$(look az ad app permission list --id "$client" --query "[?resourceAppId=='$devops'].resourceAccess[].id" -o tsv)
  for scope in $scopes; do
    case $has in
      *"$scope"*) ;;
      *) change az ad app permission add --id "$client" --api "$devops" --api-permissions "$scope=Scope" --output none ;;
    esac
  done
  consent "$devops" vso.pats vso.pats_manage
  consent "$graph" openid profile offline_access
  say "Next: send $settings to the administrator of Azure (phase vault), and then to that of the project (phase project)."
}

# An app without any credential, and its service principal.
app_of_ours() {
  local key=$1 display=$2 found
  shift 2
  now "find the app $display"
  if [ -n "${!key}" ]; then
    look az ad app show --id "${!key}" --query appId -o tsv >/dev/null
  else
    # Names of apps are not unique, and whoever made one may hold a credential of it.
    found=$(look az ad app list --filter "displayName eq '$display'" --query '[0].appId' -o tsv)
    [ -z "$found" ] || die "there is an app $display already ($found), and $settings does not say that it is yours" \
      "add the line $key=$found if it is yours and nobody holds a credential of it; else choose another name="
    now "register the app $display"
    make "$key" az ad app create --display-name "$display" --sign-in-audience AzureADMyOrg "$@" --query appId -o tsv
  fi
  now "find the service principal of $display"
  found=$(look az ad sp list --filter "appId eq '${!key}'" --query '[0].id' -o tsv)
  if [ -n "$found" ]; then
    keep "${key}_object" "$found"
  else
    now "give $display a service principal"
    make "${key}_object" az ad sp create --id "${!key}" --query id -o tsv
  fi
}

# Consent for this one user. az replaces every earlier consent of the app for that API.
consent() {
  local api=$1 object has scope missing=''
  shift
  now "consent to $* for $user"
  object=$(look az ad sp show --id "$api" --query id -o tsv)
  has=$(look az ad app permission list-grants --filter "clientId eq '$client_object'" -o tsv \
    --query "[?resourceId=='$object' && (consentType=='AllPrincipals' || principalId=='$user_id')].scope" | tr '\n' ' ')
  for scope in "$@"; do
    case " $has " in *" $scope "*) ;; *) missing=yes ;; esac
  done
  [ -z "$missing" ] || change az ad app permission grant --id "$client" --api "$api" --scope "$@" \
    --consent-type Principal --principal-id "$user_id" --output none
}

phase_trust() {
  phase trust "Cloud Application Administrator in the organization's tenant, or owner of the app $name" name tenant app issuer subject
  local has
  signed_in
  now "let the app $name trust the service connection"
  has=$(look az ad app federated-credential list --id "$app" -o tsv \
    --query "[?issuer=='$issuer' && subject=='$subject'].name | [0]")
  if [ -z "$has" ]; then
    file credential.json <<END
{ "name": "$name-connection", "issuer": "$issuer", "subject": "$subject", "audiences": ["api://AzureADTokenExchange"] }
END
    change az ad app federated-credential create --id "$app" --parameters "$work/credential.json" --output none
  fi
  say "Next: send $settings to the administrator of Azure, who signs the rotating user in (phase user)."
}
