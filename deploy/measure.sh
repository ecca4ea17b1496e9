#!/usr/bin/env bash
# Measures what an order costs: places a batch of orders, waits for its end, and prints orders per second, the processor
# time and the memory of each service, and the growth of the provider's file. docs/production.md uses it.
#
#   deploy/measure.sh [ORDERS]     the default is 1000
#
# It needs a running stack without chaos and with one worker, and bash, curl and jq. The API's ORDER_BATCH_WINDOW limits the
# orders at the same time: `ORDER_BATCH_WINDOW=200 cargo xtask up --fast --fresh --chaos off --detach`. With the Temporal CLI it also prints the history of one order.
#
#   API_URL, PROVIDER_URL, WORKER_URL     select the stack
#   TEMPORAL_ADDRESS, TEMPORAL_CLI        the Temporal server and its CLI
set -euo pipefail

ORDERS=${1:-1000}
API_URL=${API_URL:-http://127.0.0.1:3002}
PROVIDER_URL=${PROVIDER_URL:-http://127.0.0.1:3001}
WORKER_URL=${WORKER_URL:-http://127.0.0.1:9464}
export TEMPORAL_ADDRESS=${TEMPORAL_ADDRESS:-127.0.0.1:7233}
CLI=${TEMPORAL_CLI:-temporal}
# Seconds.
readonly END_LIMIT=1800 POLL_INTERVAL=0.5
RUN=measure-$(date +%s)

fail() {
    printf 'measure: %s\n' "$1" >&2
    exit 1
}

call() { # call METHOD URL [OPTION…]
    curl --disable --silent --show-error --fail-with-body --noproxy '*' --max-time 70 --request "$1" "${@:3}" "$2"
}

# Prints the value of a metric without labels: metric URL NAME.
metric() { call GET "$1/metrics" | awk -v name="$2" '$1 == name { value = $2 } END { printf "%d", value }'; }

now() { date +%s%3N; }

declare -A url=([temporal-api]=$API_URL [temporal-worker]=$WORKER_URL [fake-stripe-chaos]=$PROVIDER_URL) busy=()
for service in "${!url[@]}"; do
    busy[$service]=$(metric "${url[$service]}" process_cpu_seconds_total) || fail "$service has no metrics at ${url[$service]}"
done
file=$(metric "$PROVIDER_URL" ledger_file_bytes)

begin=$(now)
for ((number = 1; number <= ORDERS; number++)); do
    printf '{"orderId":"%s","customerId":"measure","customerEmail":"customer@example.com","items":[{"sku":"book","quantity":2,"price":29.99}],"totalAmount":59.98,"shippingAddress":{"street":"1 Main Street","city":"Springfield","state":"IL","zip":"62701","country":"US"}}\n' "$RUN-$number"
done | call POST "$API_URL/api/v1/order-batches?batchId=$RUN" --header 'Content-Type: application/x-ndjson' \
    --data-binary @- >/dev/null || fail "the batch was not accepted"
accepted=$(now)
until state=$(call GET "$API_URL/api/v1/order-batches/$RUN") && [[ $(jq --raw-output .status <<<"$state") == completed ]]; do
    (($(now) - begin < END_LIMIT * 1000)) || fail "the batch did not end: $state"
    sleep "$POLL_INTERVAL"
done
end=$(now)
shipped=$(jq '.ends.shipped // 0' <<<"$state")
((shipped == ORDERS)) || fail "only $shipped of $ORDERS orders shipped: $(jq -c .ends <<<"$state")"

awk -v orders="$ORDERS" -v accepted="$((accepted - begin))" -v all="$((end - begin))" 'BEGIN {
    printf "measure: %d orders: %.1f s for the request, %.1f s until the last one shipped, %.1f orders/s\n",
        orders, accepted / 1000, all / 1000, orders * 1000 / all
}'
for service in temporal-worker temporal-api fake-stripe-chaos; do
    seconds=$(($(metric "${url[$service]}" process_cpu_seconds_total) - busy[$service]))
    memory=$(metric "${url[$service]}" process_resident_memory_bytes)
    awk -v service="$service" -v seconds="$seconds" -v orders="$ORDERS" -v memory="$memory" 'BEGIN {
        printf "measure: %s used %.1f ms of a processor per order, and has %d MiB\n", service, seconds * 1000 / orders, memory / 1048576
    }'
done
file=$(($(metric "$PROVIDER_URL" ledger_file_bytes) - file))
printf 'measure: the file of the provider grew by %d bytes per order\n' $((file / ORDERS))
if command -v "$CLI" >/dev/null; then
    "$CLI" workflow describe --workflow-id "order-fulfillment-$RUN-1" --output json | jq --raw-output '.workflowExecutionInfo |
        "measure: the history of an order has \(.historyLength) events and \(.historySizeBytes) bytes"'
fi
