#!/usr/bin/env bash
# Counts and checks what the project depends on: reasons, licences, bans, sources, duplicates; advisories where cargo-audit is
# installed. The lists are in .cargo/deny.toml, which cargo-deny reads too. Needs cargo and Node.
set -euo pipefail
exec node "$(dirname "${BASH_SOURCE[0]}")/packaging/dependencies.js"
