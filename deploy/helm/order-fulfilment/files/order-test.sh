#!/bin/sh
# Places an order, waits until it has shipped, records that outcome at the provider and asks for its verdict.
# Needs a POSIX shell and curl. Configured by API_URL, PROVIDER_URL (empty: asks the API alone whether it is ready),
# ORDER and TIMEOUT_SECONDS.
set -eu

say() { printf 'order test: %s\n' "$*"; }
fail() {
    say "FAILED: $*" >&2
    exit 1
}

# call METHOD URL [BODY]: the status into $status (000 without an answer), the body into $body.
call() {
    answer=$(curl --silent --max-time 40 --request "$1" --header 'Content-Type: application/json' \
        ${3:+--data-binary "$3"} --write-out '\n%{http_code}' "$2" || true)
    status=${answer##*
}
    body=${answer%
*}
}

# expect STATUS METHOD URL [BODY]
expect() {
    wanted=$1
    shift
    call "$@"
    [ "$status" = "$wanted" ] || fail "$1 $2 answered $status instead of $wanted: $body"
}

# has TEXT: the compact JSON in $body contains TEXT.
has() { case $body in *"$1"*) ;; *) return 1 ;; esac; }

expect 200 GET "$API_URL/health/ready"
say "$API_URL is ready"
if [ -z "$PROVIDER_URL" ]; then
    say "the provider is not the chart's: no order is placed, since it would cost money"
    exit 0
fi

# Whatever the profile: this order meets no fault.
ten='["success","success","success","success","success","success","success","success","success","success"]'
plan=
for operation in payment.authorize payment.capture inventory.reserve shipping.create-label notification.send; do
    plan="$plan${plan:+,}\"$operation\":$ten"
done
expect 200 PUT "$PROVIDER_URL/chaos/plans/$ORDER" "{$plan}"

expect 201 POST "$API_URL/api/v1/order" "{
    \"orderId\": \"$ORDER\", \"customerId\": \"helm-test\", \"customerEmail\": \"customer@example.com\",
    \"items\": [{\"sku\": \"book\", \"quantity\": 2, \"price\": 29.99}], \"totalAmount\": 59.98,
    \"shippingAddress\": {\"street\": \"1 Main Street\", \"city\": \"Springfield\", \"state\": \"IL\",
        \"zip\": \"62701\", \"country\": \"US\"}}"
say "order $ORDER is placed"

# 200 once the order has ended, 202 with its state where it has not within 30 s. Anything else is tried again.
deadline=$(($(date +%s) + TIMEOUT_SECONDS))
until call GET "$API_URL/api/v1/order/order-fulfillment-$ORDER/result?timeout=30" && [ "$status" = 200 ]; do
    [ "$(date +%s)" -lt "$deadline" ] || fail "no end within $TIMEOUT_SECONDS s: $status $body"
    [ "$status" = 202 ] || sleep 1
done
has '"status":"shipped"' || fail "the order ended, and has not shipped: $body"
say "the order has shipped"

expect 200 PUT "$PROVIDER_URL/ledger/orders/$ORDER/outcome" '{"outcome": "shipped"}'
expect 200 GET "$PROVIDER_URL/verdict?final=true&orderId=$ORDER"
if ! { has '"shipped":1' && has '"open":0' && has '"contradictions":[]'; }; then
    fail "the verdict: $body"
fi
say "the provider's verdict: shipped, nothing open, no contradiction"
