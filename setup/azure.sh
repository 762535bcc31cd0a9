# shellcheck shell=bash
# For the administrator of the Azure subscription: the vault (vault), and the refresh token in it (user).

officer='Key Vault Secrets Officer' # reads and writes secrets; vault.bicep gives the same role by its id

phase_vault() {
  phase vault "Owner of the resource group $group, or of the subscription if there is no such group" \
    subscription group location vault secret role_on tenant app_object
  local found
  signed_in
  now "read the subscription $subscription"
  found=$(look az account show --subscription "$subscription" --query name -o tsv)
  keep subscription_name "$found"
  now "find the vault $vault"
  found=$(look az group exists --name "$group" --subscription "$subscription" -o tsv)
  if [ "$found" = true ]; then
    # Without its --resource-type, az drops every error and lists nothing.
    found=$(look az keyvault list --resource-type vault --resource-group "$group" --subscription "$subscription" \
      --query '[].[name, to_string(properties.enableRbacAuthorization)]' -o tsv |
      awk -v vault="$vault" 'tolower($1) == tolower(vault) { print $2 }')
  else
    found=''
    now "make the resource group $group"
    change az group create --name "$group" --location "$location" --subscription "$subscription" --output none
  fi
  # A vault that exists keeps everything else that was set on it.
  now "make the vault $vault, and give the app $name its role"
  case $found in
    '') deploy true ;;
    true) deploy false ;;
    *) die "the vault $vault works with access policies, and not with roles" "choose another vault= in $settings" ;;
  esac
  say "Next: send $settings to the administrator of the project (phase project)."
}

# The vault, if it is new, and the role of the connection's app: on the vault, or on the one secret once it is there.
deploy() {
  local new=$1 scope=$vault_id one='' principal=$app_object has=''
  if [ "$role_on" = secret ]; then
    scope=$vault_id/secrets/$secret one=$secret
    [ -n "$stored" ] || principal=''
  fi
  if [ "$new" = true ]; then
    [ -z "$what_if" ] || vault_id='<vault>'
  else
    [ -n "$principal" ] || return 0
    has=$(look az role assignment list --scope "$scope" --role "$officer" \
      --query "[?principalId=='$principal'].id | [0]" -o tsv)
  fi
  [ -n "$has" ] || change az deployment group create --name "rotate-pat-$vault" --resource-group "$group" \
    --subscription "$subscription" --template-file "$here/vault.bicep" --output none \
    --parameters "vaultName=$vault" "newVault=$new" "location=$location" "principalId=$principal" "secretName=$one"
}

phase_user() {
  phase user "Owner of the vault $vault (you), and the rotating user at this machine's browser" organization project branch \
    pipeline yaml pat name user tenant client subscription group location vault secret role_on app_object pipeline_id
  local program=${ROTATE_PAT:-rotate-pat} url=https://$vault.vault.azure.net/secrets/$secret
  signed_in
  if [ -n "$stored" ]; then
    say "  The refresh token was stored on $stored. To sign in anew, take that line out of $settings."
  else
    sign_in
  fi
  if [ "$role_on" = secret ]; then
    now "give the app $name its role on the secret $secret"
    deploy false
  fi
  say "
Next: let the pipeline $pipeline check that everything is there. Put this into $yaml, by a pull request to $branch:

trigger: none
pr: none
pool: { vmImage: ubuntu-latest }
steps:
- task: RotatePat@1
  name: check
  inputs:
    command: check
    azureSubscription: $name
    refreshTokenSecret: $url
    patName: $pat

Then run it: az pipelines run --org $org --project '$project' --id $pipeline_id --branch $branch
When each row is ok, put pipelines/rotate.yml in its place, with the same three inputs, and with dryRun: true for the first run."
}

sign_in() {
  local me has tries=40
  [ -n "$what_if" ] || command -v "$program" >/dev/null || die "there is no program $program" \
    'take it from the folder bin of the task, make it executable, and name it: ROTATE_PAT=./rotate-pat-linux-x64'
  now "see whether you may write the vault $vault"
  me=$(look az ad signed-in-user show --query id -o tsv)
  has=$(look az role assignment list --scope "$vault_id" --role "$officer" \
    --query "[?principalId=='$me'].id | [0]" -o tsv)
  if [ -n "$has" ]; then
    say "  You have the role $officer on $vault already, and keep it: take it back if nobody needs it."
  else
    now "lend you the role $officer on $vault"
    make lent az role assignment create --role "$officer" --scope "$vault_id" --assignee-object-id "$me" \
      --assignee-principal-type User --query id -o tsv
  fi
  if [ -z "$what_if" ]; then
    now "list the secrets of $vault, for ten minutes" # a fresh role takes some of them
    until look az keyvault secret list --vault-name "$vault" --maxresults 1 --query 'length(@)' -o tsv >/dev/null 2>"$work/said"; do
      tries=$((tries - 1))
      [ "$tries" -gt 0 ] || { cat "$work/said" >&2 && exit 1; }
      sleep 15
    done
  fi
  now "sign $user in, and store the refresh token"
  say '    token_to PROGRAM is: az account get-access-token --resource https://vault.azure.net --query accessToken -o tsv | PROGRAM'
  change token_to "$program" sign-in --tenant "$tenant" --client-id "$client" --user "$user" --vault-secret "$url" --vault-token-stdin
  keep stored "$(date -u +%Y-%m-%d)"
  [ -z "$lent" ] || give_back
}

# Gives a program the vault's token on standard input. It goes nowhere else.
token_to() {
  az account get-access-token --resource https://vault.azure.net --query accessToken -o tsv | "$@"
}

give_back() {
  now "take back the role $officer on $vault"
  change az role assignment delete --ids "$lent" --output none || return
  lent=''
}
