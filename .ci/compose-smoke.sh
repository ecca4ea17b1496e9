#!/usr/bin/env bash
# Builds the images, and runs them with the settings of the Helm chart's pods. Then tests each compose file: starts the
# stack, ships an order, checks the verdict, repeats `up`, restarts with `down` and `up`, and removes everything.
# Project name, ports, image tags and volumes are unique, so that it can run beside other stacks.
#
#   OPT_LEVEL=0 .ci/compose-smoke.sh     builds without optimisation, in half the time
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! docker info >/dev/null 2>&1 || ! docker compose version >/dev/null 2>&1; then
    echo "compose smoke: skipped, since no Docker engine with Compose is available"
    exit 0
fi

PROJECT=order-fulfilment-smoke-$$
# The variable of each port that the files publish.
PORTS=(TEMPORAL_PORT TEMPORAL_UI_PORT POSTGRES_PORT PROVIDER_PORT WORKER_PORT API_PORT FOUNDER_PORT)
free_ports() {
    python3 - "$1" <<'PY'
import socket, sys
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*[socket.getsockname()[1] for socket in taken])
PY
}
read -ra free <<<"$(free_ports "${#PORTS[@]}")"
for index in "${!PORTS[@]}"; do export "${PORTS[index]}=${free[index]}"; done
export IMAGE_TAG=$PROJECT SHIPPING_LABEL_DURATION=1s FOUNDER_OFFLINE=true
export API_URL=http://127.0.0.1:$API_PORT PROVIDER_URL=http://127.0.0.1:$PROVIDER_PORT
export WORKER_URL=http://127.0.0.1:$WORKER_PORT TEMPORAL_UI=http://127.0.0.1:$TEMPORAL_UI_PORT

file=docker-compose.yml
# The test doesn't use an .env of the checkout.
compose() { docker compose --project-name "$PROJECT" --file "$file" --env-file /dev/null --progress quiet "$@"; }

finish() {
    local status=$?
    trap - EXIT
    if ((status != 0)); then
        compose ps --all || true
        compose logs --no-color --tail 20 || true
    fi
    compose down --volumes --remove-orphans --timeout 20 || status=1
    docker image ls --quiet --filter "reference=*:$IMAGE_TAG" | sort -u | xargs -r docker image rm --force >/dev/null || status=1
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf 'compose smoke: %s (%d s)\n' "$1" "$SECONDS"; }
fail() {
    printf 'compose smoke: %s: %s\n' "$file" "$1" >&2
    exit 1
}

# Prints the running containers with their start times.
running() { compose ps --quiet | xargs docker inspect --format '{{.Name}} {{.Id}} {{.State.StartedAt}}' | sort; }

# Checks that the API and the provider know exactly one order, and that it shipped.
one_order_shipped() {
    local verdict orders='' deadline=$((SECONDS + 30))
    verdict=$(curl --fail --silent --show-error "$PROVIDER_URL/verdict?final=true" |
        jq -r '"orders=\(.orders) shipped=\(.shipped) open=\(.open) contradictions=\(.contradictions | length)"')
    [[ $verdict == "orders=1 shipped=1 open=0 contradictions=0" ]] || fail "the verdict is $verdict"
    # The list of orders is updated with a short delay.
    until [[ $orders == '["shipped"]' ]]; do
        ((SECONDS < deadline)) || fail "the orders are $orders"
        orders=$(curl --fail --silent --show-error "$API_URL/api/v1/orders" | jq -c '[.orders[].status]')
        sleep 0.2
    done
}

smoke() {
    file=$1
    local before
    # The images of the profile aren't built here, so only its configuration is checked.
    compose --profile observability config --quiet
    compose up --detach --wait --no-build
    say "$file: all healthy"
    ./test-order.sh services
    ./test-order.sh happy
    curl --fail --silent --show-error "http://127.0.0.1:$FOUNDER_PORT/api/v1/user-context" |
        jq -e '.location and .weather and .entertainment' >/dev/null || fail "founder has no user context"
    one_order_shipped
    before=$(running)
    compose up --detach --wait --no-build
    [[ $(running) == "$before" ]] || fail "a second up changed something"
    say "$file: a second up changed nothing"
    compose down --timeout 20
    compose up --detach --wait --no-build
    one_order_shipped
    say "$file: down and up kept all data"
    compose down --volumes --timeout 20
}

# The engine builds the images, since Compose needs a newer builder than the Dockerfile does.
for service in founder fake-stripe-chaos temporal-worker temporal-api; do
    docker build --quiet --target "$service" --tag "$service:$IMAGE_TAG" --build-arg "OPT_LEVEL=${OPT_LEVEL:-3}" . >/dev/null
    say "$service built"
done
for size in $(docker image ls --format '{{.Repository}}={{.Size}}' --filter "reference=*:$IMAGE_TAG"); do
    say "${size/=/: }"
done
if .ci/helm path >/dev/null; then
    .ci/helm containers
    say "the containers fit the chart's pods"
else
    say "the chart's containers: skipped, since Helm is not available"
fi
smoke docker-compose.yml
smoke docker-compose.light.yml
