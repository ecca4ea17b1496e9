#!/usr/bin/env bash
# Sends each service valid and invalid requests for its OpenAPI document. No answer may have an undocumented status,
# header or body, and none may be a 5xx.
#
#   .ci/openapi.sh               all three, in about 3 minutes
#   .ci/openapi.sh founder api   some of provider, founder, api
#
# The API runs with a real Temporal server, worker and provider, with chaos off and short waits. Every order ends within
# seconds, so event streams and long polls can be tested too.
# Needs the programs built (`cargo build --workspace --bins`), curl, and python3 with pip.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PROGRAMS=$PWD/target/debug
TOOLS=$PWD/target/tools/schemathesis
LOGS=$PWD/target/ci/openapi
CHECKS=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance
# These requests turn chaos on, so they are the last ones.
SWITCHES='^/chaos/(plans|profile)'
READY_LIMIT=60

parts=("$@")
((${#parts[@]})) || parts=(provider founder api)

# Ends every started process, the last one first.
started=()
finish() {
    local status=$? index
    trap - EXIT
    for ((index = ${#started[@]} - 1; index >= 0; index--)); do
        kill "${started[index]}" 2>/dev/null || true
        wait "${started[index]}" 2>/dev/null || true
    done
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_schemathesis() {
    ! cmp --silent .ci/schemathesis.txt "$TOOLS/installed.txt" || return 0
    rm -rf "$TOOLS"
    local install=(--quiet --no-input --disable-pip-version-check --no-deps --only-binary=:all: -r .ci/schemathesis.txt)
    python3 -m pip install --root-user-action=ignore --target "$TOOLS" "${install[@]}" || {
        rm -rf "$TOOLS"
        python3 -m venv "$TOOLS"
        "$TOOLS/bin/python" -m pip install "${install[@]}"
    }
    cp .ci/schemathesis.txt "$TOOLS/installed.txt"
}

free_ports() {
    python3 - "$1" <<'PY'
import socket, sys
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*[socket.getsockname()[1] for socket in taken])
PY
}

# start NAME [VARIABLE=VALUE...] PROGRAM [ARGUMENT...]
start() {
    local name=$1
    # The folder has no .env, and keeps the files of the process out of the checkout.
    (cd "$LOGS" && exec env LOG_FORMAT=json RUST_LOG=info SHUTDOWN_GRACE=2s "${@:2}") >"$LOGS/$name.log" 2>&1 &
    started+=($!)
}

# ready NAME PORT
ready() {
    local deadline=$((SECONDS + READY_LIMIT))
    until curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "http://127.0.0.1:$2/health/ready"; do
        if ((SECONDS >= deadline)); then
            echo "$1 isn't ready after $READY_LIMIT s; its log ends:" >&2
            tail -n 20 "$LOGS/$1.log" >&2
            exit 1
        fi
        sleep 0.2
    done
}

start_provider() {
    start "$1" LISTEN_ADDR="127.0.0.1:$2" CHAOS_PROFILE=off SHIPPING_LABEL_DURATION=0s CHAOS_TIMEOUT_DELAY=0s \
        CHAOS_MAX_RUNS=5 "$PROGRAMS/fake-stripe-chaos"
}

failed=''

# ask PORT [OPTION...]: reports findings at once, and fails the script at its end. It uses one worker, since two
# sometimes conflict over a cache of hypothesis.
ask() {
    (cd "$LOGS" && PYTHONPATH=$TOOLS "$TOOLS/bin/schemathesis" run "http://127.0.0.1:$1/api/docs/openapi.json" \
        --checks "$CHECKS" --seed 1 --workers 1 --warnings off --no-color --continue-on-failure \
        --generation-database none --request-timeout 30 "${@:2}") || failed=yes
}

provider() {
    local port
    port=$(free_ports 1)
    start_provider provider "$port"
    ready provider "$port"
    ask "$port" --max-time 35 --exclude-path-regex "$SWITCHES"
    ask "$port" --max-time 10 --include-path-regex "$SWITCHES"
}

founder() {
    local port
    port=$(free_ports 1)
    start founder LISTEN_ADDR="127.0.0.1:$port" FOUNDER_OFFLINE=true "$PROGRAMS/founder"
    ready founder "$port"
    ask "$port" --max-time 20
}

api() {
    local cli temporal provider worker port
    cli=$("$PROGRAMS/xtask" temporal-cli)
    read -r temporal provider worker port <<<"$(free_ports 4)"
    start temporal "$cli" server start-dev --headless --ip 127.0.0.1 --port "$temporal" --log-level warn
    start_provider api-provider "$provider"
    local connection=(TEMPORAL_ADDRESS="127.0.0.1:$temporal" TEMPORAL_NAMESPACE=default)
    start worker "${connection[@]}" METRICS_ADDR="127.0.0.1:$worker" PROVIDER_URL="http://127.0.0.1:$provider" \
        FOUNDER_OFFLINE=true "$PROGRAMS/temporal-worker"
    start api "${connection[@]}" LISTEN_ADDR="127.0.0.1:$port" APPROVAL_TIMEOUT=1s PAYMENT_CANCEL_WINDOW=1s \
        "$PROGRAMS/temporal-api"
    ready worker "$worker"
    ready api "$port"
    ask "$port" --max-time 60
}

mkdir -p "$LOGS"
install_schemathesis
for part in "${parts[@]}"; do
    [[ $part =~ ^(provider|founder|api)$ ]] || {
        echo ".ci/openapi.sh: there is no part '$part'; there are provider, founder and api" >&2
        exit 2
    }
done
for part in "${parts[@]}"; do
    printf '\n--- the OpenAPI document of %s (%d s)\n' "$part" "$SECONDS"
    "$part"
done
[[ ! $failed ]] || { printf '\n--- NOT all answers are as documented (%d s)\n' "$SECONDS"; exit 1; }
printf '\n--- all answers are as documented (%d s)\n' "$SECONDS"
