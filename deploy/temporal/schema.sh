#!/bin/sh
# Gives PostgreSQL the databases and tables of this Temporal release. Run again it changes nothing, or brings
# them up to a newer release. Configured by temporal-sql-tool's own SQL_… variables.
set -eu

ATTEMPTS=60
SCHEMA=/etc/temporal/schema/postgresql/v12

say() { printf 'temporal-schema: %s\n' "$*"; }

# Runs the tool on one database, and keeps what it says for the case that it matters.
sql() { said=$(temporal-sql-tool --db "$@" 2>&1); }

# Only a database without a schema lets itself be set up.
prepare() {
    sql "$1" create || return 1
    sql "$1" update-schema -d "$SCHEMA/$2/versioned" && return
    sql "$1" setup-schema -v 0.0 && sql "$1" update-schema -d "$SCHEMA/$2/versioned"
}

give_up() {
    case $said in
    *'password authentication failed'*)
        why="PostgreSQL refuses POSTGRES_PASSWORD for user $SQL_USER: its volume was made with another one" ;;
    *) why="$1: $(printf '%s\n' "$said" | tail -n 1)" ;;
    esac
    say "$why" >&2
    exit 1
}

# The server can be restarting, however healthy it was a moment ago; only a wrong password stays wrong.
patiently() {
    attempt=1
    until prepare "$@"; do
        case $said in *'password authentication failed'*) give_up ;; esac
        [ "$attempt" -lt "$ATTEMPTS" ] || give_up "$1 could not be prepared in $ATTEMPTS attempts"
        attempt=$((attempt + 1))
        sleep 1
    done
    say "$1 is up to date"
}

patiently temporal temporal
patiently temporal_visibility visibility
