#!/bin/sh
# Creates the namespace and the search attributes, and ends when a query with them works. A second run changes nothing.
# TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE configure it.
set -eu

ATTEMPTS=120
RETENTION=72h
QUERY='orderId IS NOT NULL AND customerId IS NOT NULL AND orderStatus IS NOT NULL AND totalAmount IS NOT NULL AND idempotencyKey IS NOT NULL'

say() { printf 'temporal-bootstrap: %s\n' "$*"; }

namespace() {
    temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" ||
        temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
}

# Attributes that exist already cause no error.
attributes() {
    temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
        --name orderId --type Keyword --name customerId --type Keyword \
        --name orderStatus --type Keyword --name totalAmount --type Double \
        --name idempotencyKey --type Keyword
}

# All parts of the server know a new namespace only after some seconds.
usable() { temporal workflow count --namespace "$TEMPORAL_NAMESPACE" --query "$QUERY"; }

attempt=1
until output=$({ namespace && attributes && usable; } 2>&1); do
    if [ "$attempt" -ge "$ATTEMPTS" ]; then
        say "gave up after $ATTEMPTS attempts: $(printf '%s\n' "$output" | tail -n 1)" >&2
        exit 1
    fi
    attempt=$((attempt + 1))
    sleep 1
done
say "namespace $TEMPORAL_NAMESPACE and its search attributes are ready"
