#!/usr/bin/env bash
# Sets up what a rotation needs, one phase for each kind of administrator. Repeat it as often as you like: what is there is
# left alone. docs/set-up.md explains it.
#
#   setup/setup.sh [--what-if] SETTINGS PHASE
#
#   SETTINGS   your copy of setup/settings.example. The script adds the ids of what it makes. There is no secret in it.
#   PHASE      entra     registers two apps, and consents for the rotating user
#              vault     makes the key vault, and gives the connection's app its role there
#              project   makes the service connection and the pipeline, and lets only that pipeline and one branch use it
#              trust     lets the app trust the service connection: Entra once more
#              user      signs the rotating user in; the refresh token goes straight to the vault
#              all       these five, for one person who has all the rights
#   --what-if  shows each command that would change something (+), beside those that only look (?), and changes nothing
#
# Needs bash, curl and the Azure CLI with its extension azure-devops, signed in; for the phase user also `rotate-pat`, from
# the folder `bin` of the task, on the PATH or named by ROTATE_PAT. It was not run in a tenant: look at --what-if first.
#
# This file is the frame. The phases are in entra.sh (entra, trust), azure.sh (vault, user) and project.sh.
set -euo pipefail

# What a person fills in, and what the phases add.
organization='' user='' name='' subscription='' group='' location='' vault='' secret='' role_on=''
project='' repository='' branch='' pipeline='' yaml='' pat=''
tenant='' user_id='' app='' app_object='' client='' client_object='' subscription_name='' pipeline_id=''
connection='' issuer='' subject='' stored=''
asked='organization user name subscription group location vault secret role_on project repository branch pipeline yaml pat'
added='tenant user_id app app_object client client_object subscription_name pipeline_id connection issuer subject stored'

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
every='entra vault project trust user'
devops=499b84ac-1321-427f-aa17-267ca6975798 # Azure DevOps, in every tenant
what_if='' doing='' failed='' remedy='' finished='' lent=''
exec 3>&1 # for what is said from within $(…)

say() { printf '%s\n' "$*" >&3; }
now() { doing=$1; }
die() { failed=$1 remedy=$2 && exit 1; } # what failed, and the one thing to do

# However it ends: a lent role goes back, and an error says what failed, what is true now, and what to do.
ended() {
  local status=$?
  trap - EXIT
  failed=${failed:-could not $doing}
  [ -z "$lent" ] || give_back || printf 'Take the role back by hand: az role assignment delete --ids %s\n' "$lent" >&2
  rm -rf "$work"
  if [ "$status" -ne 0 ]; then
    [ -z "$finished" ] || finished="the next run goes on from what this one did, which stays:$finished"
    remedy=${remedy:-correct what is said above (the rights that the phase needs are at its head), then run the same command again}
    printf '\nsetup.sh: %s\nNow: %s\nDo: %s\n' "$failed" "${finished:-this run changed nothing}" "$remedy" >&2
  fi
  exit "$status"
}

# A command, as it can be copied. What stands in <> is known only once it is made.
show() {
  local line=$1 word
  shift
  for word in "$@"; do
    case $word in
      *\'*) word="\"$word\"" ;;
      *[!A-Za-z0-9@._:/=,-]* | '') word="'$word'" ;;
    esac
    line+=" $word"
  done
  say "  $line"
}

# Only looks. What is not made yet is not looked for.
look() {
  show '?' "$@"
  case $* in *'<'*'>'*) return ;; esac
  "$@"
}

# Changes something.
change() {
  show + "$@"
  [ -z "$what_if" ] || return 0
  "$@" || return
  finished+=$'\n'"  $doing"
}

# Makes something; what the command prints is its id, which is kept under a name.
make() {
  local key=$1 id="<$1>"
  shift
  show + "$@"
  if [ -z "$what_if" ]; then
    id=$("$@")
    finished+=$'\n'"  $doing"
  fi
  keep "$key" "$id"
}

# Keeps a value, in the settings too if it belongs there.
keep() {
  [ -n "$2" ] || die "could not $doing: there was no answer" "look for it, and add the line $1=VALUE to $settings"
  [ "${!1}" != "$2" ] || return 0
  printf -v "$1" %s "$2"
  [ -n "$what_if" ] || case " $added " in *" $1 "*) printf '%s=%s\n' "$1" "$2" >>"$settings" ;; esac
}

# A file for the next command, shown.
file() {
  cat >"$work/$1"
  sed 's/^/  | /' "$work/$1" >&3
}

# A phase begins: the rights that it needs, and the settings.
phase() {
  local key
  say ''
  say "== $1${what_if:+, and what it would do}"
  say "Needs: $2."
  shift 2
  for key in "$@"; do
    [ -n "${!key}" ] || die "$settings has no $key" \
      "add the line if it is one of setup/settings.example; else run first the phase that adds it (the order: $every)"
  done
}

signed_in() {
  local at
  now 'see where az is signed in'
  at=$(look az account show --query tenantId -o tsv)
  [ "$at" = "$tenant" ] || die "az is signed in to the tenant $at, and the organization's is $tenant" \
    "az login --tenant $tenant --allow-no-subscriptions, then run the same command again"
}

read_settings() {
  local line key value
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in '' | '#'*) continue ;; esac
    key=${line%%=*} value=${line#*=}
    case " $asked $added " in *" $key "*) ;; *) die "$settings has an unknown line: $line" 'compare it with setup/settings.example' ;; esac
    # Values go into JSON, queries and addresses.
    case $key:$value in
      *[\"\'\\\`\<\>\$\&\;]*) die "$key has a character that this script does not take" 'set that part up by hand: docs/sign-in.md' ;;
      organization:*[!A-Za-z0-9-]* | vault:*[!A-Za-z0-9-]* | secret:*[!A-Za-z0-9-]* | subscription:*[!0-9a-fA-F-]*)
        die "$key is not of the form that the service uses: $value" "correct that line of $settings" ;;
      role_on:vault | role_on:secret) ;;
      role_on:*) die "role_on is $value" 'write role_on=vault or role_on=secret' ;;
    esac
    printf -v "$key" %s "$value"
  done <"$settings"
}

# shellcheck source=setup/entra.sh
. "$here/entra.sh"
# shellcheck source=setup/azure.sh
. "$here/azure.sh"
# shellcheck source=setup/project.sh
. "$here/project.sh"

case ${1:-} in -h | --help) sed -n '2,18s/^# \{0,1\}//p' "$0" && exit ;; esac
work=$(mktemp -d)
trap ended EXIT
if [ "${1:-}" = --what-if ]; then what_if=yes && shift; fi
settings=${1:-} phases=${2:-}
usage='setup/setup.sh [--what-if] SETTINGS PHASE, or --help'
[ -f "$settings" ] || die "there is no file of settings: $settings" "$usage"
case " $every all " in *" $phases "*) ;; *) die "there is no phase $phases" "$usage" ;; esac
read_settings
org=https://dev.azure.com/$organization
vault_id=/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.KeyVault/vaults/$vault
[ "$phases" != all ] || phases=$every
for each in $phases; do "phase_$each"; done
