#!/usr/bin/env bash
# Crashes every container of the running compose stack once while orders run, and checks that the container recovers.
# Then it waits for the end of each order, records its outcome at the provider, and checks the verdict.
#
#   deploy/crash-test.sh [ORDERS]     the default is 100
#
# COMPOSE_FILE, COMPOSE_PROJECT_NAME, API_URL and PROVIDER_URL select the stack. Needs bash, docker, curl and jq.
# Exit code: 0 when every container recovered, every order ended, and the verdict has no open order or contradiction.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ORDERS=${1:-100}
API_URL=${API_URL:-http://127.0.0.1:3002}
PROVIDER_URL=${PROVIDER_URL:-http://127.0.0.1:3001}
# Seconds.
readonly BACK_LIMIT=120 PLACE_LIMIT=120 END_LIMIT=900
RUN=crash-$(date +%s)

say() { printf 'crash test: %s (%d s)\n' "$1" "$SECONDS"; }
fail() {
    printf 'crash test: %s\n' "$1" >&2
    exit 1
}

# http METHOD URL [BODY]: sets $HTTP to the status, or to 000 without an answer, and $BODY to the body.
http() {
    local answer
    local -a data=()
    (($# < 3)) || data=(--header 'Content-Type: application/json' --data-binary "$3")
    answer=$(curl --disable --silent --max-time 40 --request "$1" "${data[@]}" --write-out '\n%{http_code}' "$2" || true)
    HTTP=${answer##*$'\n'} BODY=${answer%$'\n'*}
}

# Repeats a request, since the services crash during the test.
until_answered() { # until_answered LIMIT ACCEPTED METHOD URL [BODY]
    local deadline=$((SECONDS + $1)) accepted=$2
    shift 2
    until http "$@" && [[ $HTTP =~ ^($accepted)$ ]]; do
        ((SECONDS < deadline)) || fail "$1 $2: HTTP $HTTP $BODY"
        sleep 0.3
    done
}

placed=0
place() { # place COUNT
    local last=$((placed + $1)) body
    while ((placed < last && placed < ORDERS)); do
        placed=$((placed + 1))
        body=$(jq -n --arg id "$RUN-$placed" '{
            orderId: $id, customerId: "crash-test", customerEmail: "customer@example.com",
            items: [{sku: "book", quantity: 2, price: 29.99}], totalAmount: 59.98,
            shippingAddress: {street: "1 Main Street", city: "Springfield", state: "IL", zip: "62701", country: "US"}}')
        # 409: an earlier request placed the order, and its answer was lost.
        until_answered "$PLACE_LIMIT" '201|409' POST "$API_URL/api/v1/order" "$body"
    done
}

state() { docker inspect --format "$2" "$(docker compose ps --all --quiet "$1")"; }

# `docker kill` counts as a request to stop, after which the engine doesn't restart the container. So the process is
# killed directly.
crash() {
    local pid
    pid=$(state "$1" '{{.State.Pid}}')
    kill -KILL "$pid" 2>/dev/null || docker run --rm --pid host --privileged debian:bookworm-slim kill -KILL "$pid"
}

wait_until_back() { # wait_until_back SERVICE STARTED_BEFORE
    local deadline=$((SECONDS + BACK_LIMIT))
    until [[ $(state "$1" '{{.State.StartedAt}}') != "$2" && $(state "$1" '{{.State.Health.Status}}') == healthy ]]; do
        ((SECONDS < deadline)) || fail "$1 did not recover in $BACK_LIMIT s"
        sleep 0.3
    done
}

mapfile -t services < <(docker compose ps --services --status running | sort)
((${#services[@]})) || fail "no container runs; docker compose up -d --build --wait"
until_answered 5 200 GET "$PROVIDER_URL/chaos/profile"
say "${#services[@]} containers, $ORDERS orders, profile $(jq -r '.name // .profile.name // "?"' <<<"$BODY")"

# Each crash has the same number of orders before it and during it.
share=$(((ORDERS + 2 * ${#services[@]} - 1) / (2 * ${#services[@]})))
for service in "${services[@]}"; do
    place "$share"
    started=$(state "$service" '{{.State.StartedAt}}')
    at=$SECONDS
    crash "$service"
    place "$share"
    wait_until_back "$service" "$started"
    say "$service crashed and was healthy again after $((SECONDS - at)) s; $placed orders placed"
done
place "$ORDERS"

deadline=$((SECONDS + END_LIMIT)) ended=''
for ((number = 1; number <= placed; number++)); do
    order=$RUN-$number
    until_answered $((deadline - SECONDS)) 200 GET "$API_URL/api/v1/order/order-fulfillment-$order/result?timeout=30"
    ended+=$(jq -r '.status + (if .error then ": " + .error.code else "" end)' <<<"$BODY")$'\n'
    outcome=$(jq -r 'if .status == "shipped" then "shipped" else "not_shipped" end' <<<"$BODY")
    until_answered 30 200 PUT "$PROVIDER_URL/ledger/orders/$order/outcome" "{\"outcome\": \"$outcome\"}"
done
printf '%s' "$ended" | sort | uniq -c
say "all ended"

until_answered 30 200 GET "$PROVIDER_URL/verdict?final=true"
jq -r '.contradictions[] | "\(.orderId): \(.rule): \(.detail)"' <<<"$BODY"
jq -r '"orders=\(.orders) shipped=\(.shipped) open=\(.open) contradictions=\(.contradictions | length)"' <<<"$BODY"
jq -e --argjson placed "$placed" '.orders >= $placed and .open == 0 and .contradictions == []' <<<"$BODY" >/dev/null
