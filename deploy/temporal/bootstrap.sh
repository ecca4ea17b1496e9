#!/bin/sh
# Makes the namespace and our search attributes, and ends when a query by them works. Run again it changes
# nothing. Configured by TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.
set -eu

ATTEMPTS=120
RETENTION=72h
QUERY='orderId IS NOT NULL AND customerId IS NOT NULL AND orderStatus IS NOT NULL AND totalAmount IS NOT NULL AND idempotencyKey IS NOT NULL'

say() { printf 'temporal-bootstrap: %s\n' "$*"; }

namespace() {
    temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" ||
        temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
}

# Those that exist already are no fault.
attributes() {
    temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
        --name orderId --type Keyword --name customerId --type Keyword \
        --name orderStatus --type Keyword --name totalAmount --type Double \
        --name idempotencyKey --type Keyword
}

# A namespace is known to all of the server only seconds after it was made.
usable() { temporal workflow count --namespace "$TEMPORAL_NAMESPACE" --query "$QUERY"; }

attempt=1
until said=$({ namespace && attributes && usable; } 2>&1); do
    if [ "$attempt" -ge "$ATTEMPTS" ]; then
        say "gave up after $ATTEMPTS attempts: $(printf '%s\n' "$said" | tail -n 1)" >&2
        exit 1
    fi
    attempt=$((attempt + 1))
    sleep 1
done
say "namespace $TEMPORAL_NAMESPACE and its search attributes are there"
