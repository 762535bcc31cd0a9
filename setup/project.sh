# shellcheck shell=bash
# For the administrator of the Azure DevOps project: the service connection, the pipeline, and who may use them.

checks=7.1-preview.1 # the version of the APIs of checks and of permissions of pipelines

phase_project() {
  phase project "Project Administrator of $project; for a user who is not a member yet, also Project Collection Administrator" \
    organization project repository branch pipeline yaml name user tenant app subscription subscription_name
  local found project_id repository_id
  signed_in
  now 'find the extension azure-devops of az'
  found=$(look az extension list --query "[?name=='azure-devops'].version" -o tsv)
  [ -n "$found" ] || die 'az has no extension azure-devops' 'az extension add --name azure-devops, then run the same command again'

  now "see whether $user is a member of $organization"
  if ! look az devops user show --org "$org" --user "$user" --query id -o tsv >/dev/null 2>"$work/said"; then
    grep -q 'Could not resolve identity' "$work/said" || { cat "$work/said" >&2 && exit 1; }
    now "make $user a member of $organization, with the access level Basic"
    change az devops user add --org "$org" --email-id "$user" --license-type express --output none
  fi

  now "find the project $project"
  project_id=$(look az devops project show --org "$org" --project "$project" --query id -o tsv)
  now "find the repository $repository"
  repository_id=$(look az repos show --org "$org" --project "$project" --repository "$repository" --query id -o tsv)
  now "find the pipeline $pipeline"
  found=$(look az pipelines list --org "$org" --project "$project" --name "$pipeline" --query "[?name=='$pipeline'].id | [0]" -o tsv)
  if [ -n "$found" ]; then
    keep pipeline_id "$found"
  else
    now "make the pipeline $pipeline"
    make pipeline_id az pipelines create --org "$org" --project "$project" --name "$pipeline" --repository "$repository" \
      --repository-type tfsgit --branch "$branch" --yml-path "$yaml" --skip-first-run true --query id -o tsv
  fi

  service_connection
  federation issuer workloadIdentityFederationIssuer
  federation subject workloadIdentityFederationSubject
  authorization
  check "the branch control of $branch" fe1de3ee-a436-41b4-bb20-f6eb4cb879a7 1440 <<END
    "displayName": "Branch control",
    "definitionRef": { "id": "86b05a0c-73e6-4f7d-b3cf-e38f3b39a75b", "name": "evaluatebranchProtection", "version": "0.0.1" },
    "inputs": { "allowedBranches": "refs/heads/$branch", "ensureProtectionOfBranch": "true", "allowUnknownStatusBranch": "false" }
END
  check 'the exclusive lock' 2ef31ad6-baa0-403a-8b45-2cbc9b4e5563 43200 </dev/null

  # Without any policy on the branch, the branch control refuses each run.
  now "see whether the branch $branch is protected"
  found=$(look az repos policy list --org "$org" --project "$project" --repository-id "$repository_id" --branch "$branch" \
    --query '[?isEnabled && isBlocking].id | [0]' -o tsv)
  if [ -z "$found" ]; then
    now "ask for one reviewer before something is merged into $branch"
    change az repos policy approver-count create --org "$org" --project "$project" --repository-id "$repository_id" \
      --branch "$branch" --blocking true --enabled true --minimum-approver-count 1 --creator-vote-counts false \
      --allow-downvotes false --reset-on-source-push true --output none
  fi

  say "By hand, as $user: sign in to $org with a browser once."
  say "By hand, if PATs are restricted: Organization settings > Policies > Restrict personal access token creation: allow $user."
  say 'Put no approval on this connection: each scheduled run would wait for it.'
  say "Next: send $settings back to the administrator of Entra (phase trust)."
}

service_connection() {
  local found
  now "find the service connection $name"
  found=$(look az devops service-endpoint list --org "$org" --project "$project" -o tsv \
    --query "[?name=='$name'].[id, authorization.parameters.serviceprincipalid] | [0]" | tr '\n' ' ')
  if [ -z "$found" ]; then
    now "make the service connection $name"
    file connection.json <<END
{
  "name": "$name", "type": "AzureRM", "url": "https://management.azure.com/",
  "data": {
    "subscriptionId": "$subscription", "subscriptionName": "$subscription_name",
    "environment": "AzureCloud", "scopeLevel": "Subscription", "creationMode": "Manual"
  },
  "authorization": {
    "scheme": "WorkloadIdentityFederation",
    "parameters": { "tenantid": "$tenant", "serviceprincipalid": "$app" }
  },
  "isShared": false, "isReady": true,
  "serviceEndpointProjectReferences": [{ "name": "$name", "projectReference": { "id": "$project_id", "name": "$project" } }]
}
END
    make connection az devops service-endpoint create --org "$org" --project "$project" \
      --service-endpoint-configuration "$work/connection.json" --query id -o tsv
    return
  fi
  case $found in
    *"$app"*) keep connection "${found%% *}" ;;
    *) die "the service connection $name is over another app (${found#* })" 'choose another name= and begin with the phase entra' ;;
  esac
}

# What the app must trust. The service says it; it is never made up.
federation() {
  local value="<$1>"
  now "read the $1 of the connection's tokens"
  case $connection in
    '<'*) ;;
    *) value=$(look az devops service-endpoint show --org "$org" --project "$project" --id "$connection" \
      --query "authorization.parameters.$2" -o tsv) ;;
  esac
  keep "$1" "$value"
}

# One pipeline may use the connection.
authorization() {
  local found url="$org/$project_id/_apis/pipelines/pipelinePermissions/endpoint/$connection?api-version=$checks"
  now "let only the pipeline $pipeline use the connection $name"
  found=$(look az rest --resource "$devops" --url "$url" -o tsv \
    --query "[allPipelines.authorized, pipelines[?to_string(id)=='$pipeline_id' && authorized].id | [0]]" | tr '\n' ' ')
  case $found in
    *[Tt]rue*) die "every pipeline of $project may use the connection $name" \
      "restrict it (Project settings > Service connections > $name > Security), then run the same command again" ;;
    *"$pipeline_id"*) return ;;
  esac
  file permission.json <<<"{ \"pipelines\": [{ \"id\": $pipeline_id, \"authorized\": true }] }"
  change az rest --method patch --resource "$devops" --url "$url" --body "@$work/permission.json" --output none
}

# A check on the connection: its type, its timeout in minutes, and its settings on standard input. The ids are those of
# Microsoft's Terraform provider.
check() {
  local what=$1 type=$2 timeout=$3 has url="$org/$project_id/_apis/pipelines/checks/configurations?api-version=$checks"
  now "put $what on the connection $name"
  has=$(look az rest --resource "$devops" --url "$url&resourceType=endpoint&resourceId=$connection" \
    --query "value[?type.id=='$type'].id | [0]" -o tsv)
  [ -z "$has" ] || return 0
  {
    printf '{\n  "type": { "id": "%s" }, "timeout": %s,\n' "$type" "$timeout"
    printf '  "resource": { "type": "endpoint", "id": "%s", "name": "%s" },\n  "settings": {\n' "$connection" "$name"
    cat
    printf '  }\n}\n'
  } >"$work/settings.json"
  file check.json <"$work/settings.json"
  change az rest --method post --resource "$devops" --url "$url" --body "@$work/check.json" --output none
}
