#!/usr/bin/env bash
# Rolls a new build of the worker out and back while orders run: it ramps the new version 0 -> 50 -> 100 %, makes it the
# current one, rolls back, and kills the new worker. Then it checks that every order shipped and that the verdict has
# no contradiction.
#
#   deploy/rollout-drill.sh [ORDERS]     orders in each of five phases; the default is 8
#
# It needs a running stack without chaos (`cargo xtask up --fast --chaos off --detach`, or compose with Temporal's port
# published), a built worker, and bash, curl, jq and the Temporal CLI. It starts two workers beside those of the stack,
# and ends them. While it runs, they get all new work of the task queue; then the stack's own worker gets it again.
#
#   API_URL, PROVIDER_URL, TEMPORAL_ADDRESS, TASK_QUEUE   select the stack
#   OLD_WORKER, NEW_WORKER                                the programs of the two builds; the default is the same
#   TEMPORAL_CLI                                          the Temporal CLI
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ORDERS=${1:-8}
API_URL=${API_URL:-http://127.0.0.1:3002}
PROVIDER_URL=${PROVIDER_URL:-http://127.0.0.1:3001}
export TEMPORAL_ADDRESS=${TEMPORAL_ADDRESS:-127.0.0.1:7233}
TASK_QUEUE=${TASK_QUEUE:-founder-tasks}
OLD_WORKER=${OLD_WORKER:-$PWD/target/debug/temporal-worker}
NEW_WORKER=${NEW_WORKER:-$OLD_WORKER}
CLI=${TEMPORAL_CLI:-temporal}
# Seconds.
readonly SET_LIMIT=60 END_LIMIT=180
RUN=drill-$(date +%s)
LOGS=$(mktemp -d)

say() { printf 'rollout drill: %s (%d s)\n' "$1" "$SECONDS"; }
fail() {
    printf 'rollout drill: %s; the logs of the workers are in %s\n' "$1" "$LOGS" >&2
    exit 1
}

declare -A worker=()
finish() {
    local status=$? build
    trap - EXIT
    # Afterwards, the workers without a version get the work of the queue again.
    "$CLI" worker deployment set-current-version --deployment-name "$RUN" --unversioned --yes \
        --ignore-missing-task-queues >/dev/null 2>&1 || true
    for build in "${!worker[@]}"; do
        kill "${worker[$build]}" 2>/dev/null || true
        wait "${worker[$build]}" 2>/dev/null || true
    done
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start_worker() { # start_worker BUILD PROGRAM
    [[ -x $2 ]] || fail "$2 is no program; build it with: cargo build --bin temporal-worker"
    # The folder has no .env.
    (cd "$LOGS" && exec env TEMPORAL_DEPLOYMENT_NAME="$RUN" TEMPORAL_WORKER_BUILD_ID="$1" TASK_QUEUE="$TASK_QUEUE" \
        PROVIDER_URL="$PROVIDER_URL" METRICS_ADDR=127.0.0.1:0 LOG_FORMAT=json FOUNDER_OFFLINE=true "$2") \
        >"$LOGS/$1.log" 2>&1 &
    worker[$1]=$!
}

# Repeats a command about a version, because the server learns of a version only when its worker polls.
deployment() { # deployment COMMAND BUILD [OPTION...]
    local deadline=$((SECONDS + SET_LIMIT)) answer
    until answer=$("$CLI" worker deployment "$1" --deployment-name "$RUN" --build-id "$2" --yes "${@:3}" 2>&1); do
        ((SECONDS < deadline)) || fail "$1 $2: $answer"
        sleep 0.5
    done
}

call() { # call METHOD URL [BODY]
    local -a data=()
    (($# < 3)) || data=(--header 'Content-Type: application/json' --data-binary "$3")
    # A query of a worker that died is answered with 503 for some seconds.
    curl --disable --silent --show-error --fail-with-body --noproxy '*' --max-time 70 --retry 20 --retry-delay 1 \
        --request "$1" "${data[@]}" "$2" ||
        fail "$1 $2 failed"
}

orders=()
place() { # place PHASE: half of its orders wait for an approval, so that later phases find them under way
    local number id
    for ((number = 1; number <= ORDERS; number++)); do
        id=$RUN-$1-$number
        call POST "$API_URL/api/v1/order" "$(jq -n --arg id "$id" --argjson waits "$((number % 2))" '{
            orderId: $id, customerId: "rollout-drill", customerEmail: "customer@example.com",
            items: [{sku: "book", quantity: 2, price: 29.99}], totalAmount: 59.98, requiresApproval: ($waits == 1),
            shippingAddress: {street: "1 Main Street", city: "Springfield", state: "IL", zip: "62701", country: "US"}
        }')" >/dev/null
        orders+=("$id")
    done
}

# Rejects the first order of a phase, and approves the others that wait.
decide() {
    local number id step deadline action=reject
    for ((number = 1; number <= ORDERS; number += 2)); do
        id=$RUN-$1-$number deadline=$((SECONDS + END_LIMIT))
        until step=$(call GET "$API_URL/api/v1/order/order-fulfillment-$id/status" | jq -r .currentStep) &&
            [[ $step == awaiting_approval ]]; do
            ((SECONDS < deadline)) || fail "$id does not wait for its approval, it is at $step"
            sleep 0.2
        done
        # Temporal asks a worker that died for some seconds more. The API answers 503, and the decision may still count.
        until curl --disable --silent --noproxy '*' --max-time 20 --request POST \
            "$API_URL/api/v1/order/order-fulfillment-$id/$action" |
            jq --exit-status '.success == true or .error == "already_decided"' >/dev/null; do
            ((SECONDS < deadline)) || fail "$action $id has no answer"
            sleep 1
        done
        action=approve
    done
}

say "$ORDERS orders in each phase, deployment $RUN"
start_worker old "$OLD_WORKER"
deployment set-current-version old
place old-only
say "the old build runs orders"

start_worker new "$NEW_WORKER"
deployment set-ramping-version new --percentage 50
place ramp-50
decide old-only
say "half of the new orders go to the new build"
deployment set-ramping-version new --percentage 100
place ramp-100
deployment set-current-version new
place new-current
decide ramp-50
say "the new build is the current one, and orders under way moved to it"

deployment set-current-version old
kill -9 "${worker[new]}"
wait "${worker[new]}" 2>/dev/null || true
unset 'worker[new]'
place rolled-back
say "rolled back, and the new worker is killed"
decide ramp-100
decide new-current
decide rolled-back

declare -A ends=() builds=() ramped=()
for id in "${orders[@]}"; do
    end=$(call GET "$API_URL/api/v1/order/order-fulfillment-$id/result?timeout=60" | jq -r .status)
    ends[$end]=$((${ends[$end]:-0} + 1))
    [[ $end =~ ^(shipped|rejected)$ ]] || printf 'rollout drill: %s ended %s\n' "$id" "$end" >&2
    outcome=not_shipped
    [[ $end != shipped ]] || outcome=shipped
    call PUT "$PROVIDER_URL/ledger/orders/$id/outcome" "{\"outcome\": \"$outcome\"}" >/dev/null
    build=$("$CLI" workflow describe -w "order-fulfillment-$id" -o json |
        jq -r '.workflowExecutionInfo.versioningInfo.deploymentVersion.buildId // "none"')
    builds[$build]=$((${builds[$build]:-0} + 1))
    # Nothing moved the orders of the ramp that did not wait.
    [[ $id != *-ramp-50-*[02468] ]] || ramped[$build]=$((${ramped[$build]:-0} + 1))
    verdict=$(call GET "$PROVIDER_URL/verdict?final=true&orderId=$id")
    [[ $(jq '.open + (.contradictions | length)' <<<"$verdict") == 0 ]] || fail "the ledger contradicts $id: $verdict"
done
for end in "${!ends[@]}"; do printf 'rollout drill: %3d orders %s\n' "${ends[$end]}" "$end"; done
for build in "${!builds[@]}"; do printf 'rollout drill: %3d orders ended on the %s build\n' "${builds[$build]}" "$build"; done
((${ends[rejected]:-0} == 5)) || fail "not every rejected order was compensated"
((${ends[shipped]:-0} + 5 == ${#orders[@]})) || fail "not every approved order shipped"
((${builds[old]:-0} > 0 && ${builds[new]:-0} > 0)) || fail "one build did no work"
printf 'rollout drill: of the ramp, %d orders ran on the old build and %d on the new one\n' \
    "${ramped[old]:-0}" "${ramped[new]:-0}"
say "passed: every approved order shipped, every rejected one was undone, and the ledger agrees"
