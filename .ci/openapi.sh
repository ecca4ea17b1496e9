#!/usr/bin/env bash
# Asks the provider, with chaos off, whatever its OpenAPI document allows and much that it doesn't: no answer may
# have a status, a header or a body that the document doesn't know, and none may be a 5xx. About a minute.
# Wants the programs built (`cargo build --workspace --bins`) and python3 with pip.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TOOLS=$PWD/target/tools/schemathesis
LOG=$PWD/target/ci/openapi-provider.log
CHECKS=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance
# These turn chaos on, so they are asked last, and nothing else after them.
SWITCHES='^/chaos/(plans|profile)'

if ! cmp --silent .ci/schemathesis.txt "$TOOLS/installed.txt"; then
    rm -rf "$TOOLS"
    install=(--quiet --no-input --disable-pip-version-check --no-deps --only-binary=:all: -r .ci/schemathesis.txt)
    python3 -m pip install --root-user-action=ignore --target "$TOOLS" "${install[@]}" || {
        rm -rf "$TOOLS"
        python3 -m venv "$TOOLS"
        "$TOOLS/bin/python" -m pip install "${install[@]}"
    }
    cp .ci/schemathesis.txt "$TOOLS/installed.txt"
fi

mkdir -p "$(dirname "$LOG")"
LISTEN_ADDR=127.0.0.1:0 CHAOS_PROFILE=off SHIPPING_LABEL_DURATION=0s CHAOS_TIMEOUT_DELAY=0s CHAOS_MAX_RUNS=5 \
    LOG_FORMAT=json RUST_LOG=info target/debug/fake-stripe-chaos >"$LOG" 2>&1 &
provider=$!
trap 'kill "$provider" 2>/dev/null || true' EXIT

address=
for _ in {1..100}; do
    address=$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$LOG" | head -n 1)
    [[ -n $address ]] && break
    kill -0 "$provider" || { cat "$LOG"; exit 1; }
    sleep 0.1
done
[[ -n $address ]] || { echo "the provider doesn't say where it listens"; exit 1; }

# It leaves files where it stands.
cd "$(dirname "$LOG")"

# One worker: two trip over a cache in hypothesis, now and then.
ask() {
    PYTHONPATH=$TOOLS "$TOOLS/bin/schemathesis" run "http://$address/api/docs/openapi.json" \
        --checks "$CHECKS" --seed 1 --workers 1 --warnings off --no-color --continue-on-failure \
        --generation-database none "$@"
}

ask --max-time 35 --exclude-path-regex "$SWITCHES"
ask --max-time 10 --include-path-regex "$SWITCHES"
