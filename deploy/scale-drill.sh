#!/usr/bin/env bash
# Scales the workers from 1 to 5 and back to 1 while orders run: it starts four workers beside that of the stack, and then
# ends them one by one with SIGTERM, as an autoscaler does. It checks that each ends by itself within its grace, that no
# activity was cancelled, that every order shipped, and that the verdict has no contradiction.
#
#   deploy/scale-drill.sh [ORDERS]     orders in each of five phases; the default is 60
#
# It needs a running stack without chaos (`cargo xtask up --fast --chaos off --detach`, or compose with Temporal's port
# published), a built worker, and bash, curl and jq. It ends only the workers that it started.
#
#   API_URL, PROVIDER_URL, TEMPORAL_ADDRESS, TASK_QUEUE   select the stack
#   WORKER                                                the program of the worker
#   GRACE                                                 its SHUTDOWN_GRACE, in seconds; the default is 60
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ORDERS=${1:-60}
API_URL=${API_URL:-http://127.0.0.1:3002}
PROVIDER_URL=${PROVIDER_URL:-http://127.0.0.1:3001}
export TEMPORAL_ADDRESS=${TEMPORAL_ADDRESS:-127.0.0.1:7233}
TASK_QUEUE=${TASK_QUEUE:-founder-tasks}
WORKER=${WORKER:-$PWD/target/debug/temporal-worker}
GRACE=${GRACE:-60}
readonly MOST=5 PLACERS=4
# Seconds. An activity that the grace cancels may still need some.
readonly READY_LIMIT=60 RESULT_LIMIT=60 END_MARGIN=10
RUN=scale-$(date +%s)
LOGS=$(mktemp -d)

say() { printf 'scale drill: %s (%d s)\n' "$1" "$SECONDS"; }
fail() {
    printf 'scale drill: %s; the logs of the workers are in %s\n' "$1" "$LOGS" >&2
    exit 1
}

declare -A worker=() address=()
placers=() helped=0
finish() {
    local status=$? pid
    trap - EXIT
    for pid in "${placers[@]}" "${worker[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

call() { # call METHOD URL [BODY]
    local -a data=()
    (($# < 3)) || data=(--header 'Content-Type: application/json' --data-binary "$3")
    curl --disable --silent --show-error --fail-with-body --noproxy '*' --max-time 70 --retry 20 --retry-delay 1 \
        --request "$1" "${data[@]}" "$2"
}

start_worker() { # start_worker NUMBER
    [[ -x $WORKER ]] || fail "$WORKER is no program; build it with: cargo build --bin temporal-worker"
    local port
    # A port that nobody listens on.
    until port=$((20000 + RANDOM % 10000)) && ! (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    address[$1]=127.0.0.1:$port
    # The folder has no .env.
    (cd "$LOGS" && exec env TASK_QUEUE="$TASK_QUEUE" PROVIDER_URL="$PROVIDER_URL" METRICS_ADDR="${address[$1]}" \
        SHUTDOWN_GRACE="${GRACE}s" LOG_FORMAT=json FOUNDER_OFFLINE=true "$WORKER") >"$LOGS/$1.log" 2>&1 &
    worker[$1]=$!
    local deadline=$((SECONDS + READY_LIMIT))
    until curl --disable --silent --fail --output /dev/null --noproxy '*' --max-time 5 "http://${address[$1]}/health/ready"; do
        ((SECONDS < deadline)) || fail "worker $1 is not ready after $READY_LIMIT s"
        kill -0 "${worker[$1]}" 2>/dev/null || fail "worker $1 ended at its start"
        sleep 0.2
    done
}

# Adds the values of a metric whose line has a text: sum METRICS NAME TEXT.
sum() { awk -v name="$2{" -v text="$3" 'index($0, name) == 1 && index($0, text) { total += $NF } END { print total + 0 }' "$1"; }

# Ends a worker as an autoscaler does, and checks its end.
end_worker() { # end_worker NUMBER
    local number=$1 pid=${worker[$1]} file=$LOGS/$1.metrics begin=$SECONDS status=0 used
    read_metrics "$number" || fail "worker $number has no metrics"
    used=$(sum "$file" temporal_worker_task_slots_used 'worker_type="ActivityWorker"')
    kill "$pid"
    # The metrics answer until the last activity has ended.
    while kill -0 "$pid" 2>/dev/null; do
        ((SECONDS - begin <= GRACE + END_MARGIN)) || fail "worker $number did not end $((GRACE + END_MARGIN)) s after SIGTERM"
        read_metrics "$number" || true
        sleep 0.1
    done
    wait "$pid" || status=$?
    unset "worker[$number]"
    ((status == 0)) || fail "worker $number ended with exit code $status"
    local done_here cancelled failed
    done_here=$(sum "$file" order_activity_attempts_total 'outcome="completed"')
    cancelled=$(sum "$file" order_activity_attempts_total 'outcome="cancelled"')
    failed=$(($(sum "$file" order_activity_attempts_total 'outcome="retryable"') +
        $(sum "$file" order_activity_attempts_total 'outcome="final"')))
    printf 'scale drill: worker %d had %d activities under way at SIGTERM, and ended after %d s; it completed %d\n' \
        "$number" "$used" $((SECONDS - begin)) "$done_here"
    helped=$((helped + done_here))
    ((cancelled == 0 && failed == 0)) || fail "worker $number cancelled $cancelled activities, and $failed failed"
}

read_metrics() { # read_metrics NUMBER
    local file=$LOGS/$1.metrics
    curl --disable --silent --fail --noproxy '*' --max-time 5 --output "$file.new" "http://${address[$1]}/metrics" &&
        mv "$file.new" "$file"
}

# Places the orders of a phase from several callers in the background.
place() { # place PHASE
    local first
    for ((first = 1; first <= PLACERS; first++)); do
        place_every "$1" "$first" &
        placers+=($!)
    done
}

place_every() { # place_every PHASE FIRST
    trap - EXIT INT TERM
    local number
    for ((number = $2; number <= ORDERS; number += PLACERS)); do
        call POST "$API_URL/api/v1/order" "$(jq -n --arg id "$RUN-$1-$number" '{
            orderId: $id, customerId: "scale-drill", customerEmail: "customer@example.com",
            items: [{sku: "book", quantity: 2, price: 29.99}], totalAmount: 59.98,
            shippingAddress: {street: "1 Main Street", city: "Springfield", state: "IL", zip: "62701", country: "US"}
        }')" >/dev/null || exit 1
        sleep 0.1
    done
}

placed() {
    local pid
    for pid in "${placers[@]}"; do
        wait "$pid" || fail "an order was not accepted"
    done
    placers=()
}

phases=(one up five down one-again)
say "$ORDERS orders in each of ${#phases[@]} phases, run $RUN"
place one
placed
say "1 worker"

place up
for ((number = 2; number <= MOST; number++)); do start_worker "$number"; done
placed
say "1 to $MOST workers"

place five
placed
say "$MOST workers"

place down
for ((number = MOST; number > 1; number--)); do end_worker "$number"; done
placed
say "$MOST to 1 workers"

# With few orders, one of them may get none.
((helped > 0)) || fail "the workers beside that of the stack did no work"

place one-again
placed
say "1 worker"

not_shipped=0
for phase in "${phases[@]}"; do
    for ((number = 1; number <= ORDERS; number++)); do
        id=$RUN-$phase-$number
        end=$(call GET "$API_URL/api/v1/order/order-fulfillment-$id/result?timeout=$RESULT_LIMIT" | jq --raw-output .status) ||
            fail "$id has no result"
        outcome=shipped
        if [[ $end != shipped ]]; then
            printf 'scale drill: %s ended %s\n' "$id" "$end" >&2
            not_shipped=$((not_shipped + 1)) outcome=not_shipped
        fi
        call PUT "$PROVIDER_URL/ledger/orders/$id/outcome" "{\"outcome\": \"$outcome\"}" >/dev/null || fail "$id has no ledger"
        verdict=$(call GET "$PROVIDER_URL/verdict?final=true&orderId=$id") || fail "$id has no verdict"
        [[ $(jq '.open + (.contradictions | length)' <<<"$verdict") == 0 ]] || fail "the ledger contradicts $id: $verdict"
    done
done
((not_shipped == 0)) || fail "$not_shipped orders did not ship"
say "passed: $((ORDERS * ${#phases[@]})) orders shipped, no activity was cancelled, and the ledger agrees"
