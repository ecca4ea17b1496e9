#!/bin/sh
# Creates or updates the databases and tables of this Temporal release in PostgreSQL. A second run changes nothing.
# The SQL_… variables of temporal-sql-tool configure it.
set -eu

ATTEMPTS=60
SCHEMA=/etc/temporal/schema/postgresql/v12

say() { printf 'temporal-schema: %s\n' "$*"; }

# Runs the tool on one database, and keeps its output for an error message.
sql() { output=$(temporal-sql-tool --db "$@" 2>&1); }

# setup-schema works only on a database without a schema.
prepare() {
    sql "$1" create || return 1
    sql "$1" update-schema -d "$SCHEMA/$2/versioned" && return
    sql "$1" setup-schema -v 0.0 && sql "$1" update-schema -d "$SCHEMA/$2/versioned"
}

give_up() {
    case $output in
    *'password authentication failed'*)
        reason="PostgreSQL refuses POSTGRES_PASSWORD for user $SQL_USER: its volume has another password" ;;
    *) reason="$1: $(printf '%s\n' "$output" | tail -n 1)" ;;
    esac
    say "$reason" >&2
    exit 1
}

# Retries, since the server can restart after its health check passed. A wrong password is not retried.
with_retries() {
    attempt=1
    until prepare "$@"; do
        case $output in *'password authentication failed'*) give_up ;; esac
        [ "$attempt" -lt "$ATTEMPTS" ] || give_up "$1 could not be prepared in $ATTEMPTS attempts"
        attempt=$((attempt + 1))
        sleep 1
    done
    say "$1 is up to date"
}

with_retries temporal temporal
with_retries temporal_visibility visibility
