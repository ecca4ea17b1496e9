#!/usr/bin/env bash
# Places orders on a running stack and checks the end of each: status, error, steps, compensations in their order,
# the provider's ledger, and the provider's verdict on the recorded outcome.
#
#   ./test-order.sh            a menu
#   ./test-order.sh help       the scenarios, and how to run one without a menu
#
# Exit code: 0 when every check passed, 1 when one failed, 2 when the test can't run.
set -uo pipefail

API_URL=${API_URL:-http://127.0.0.1:3002}
PROVIDER_URL=${PROVIDER_URL:-http://127.0.0.1:3001}
WORKER_URL=${WORKER_URL:-http://127.0.0.1:9464}
TEMPORAL_UI=${TEMPORAL_UI:-http://127.0.0.1:8080}
API_URL=${API_URL%/} PROVIDER_URL=${PROVIDER_URL%/} WORKER_URL=${WORKER_URL%/} TEMPORAL_UI=${TEMPORAL_UI%/}

readonly SCENARIOS=(happy approval rejection cancellation timeout saga chaos)
readonly BATCH=10 LARGEST_BATCH=500
# Seconds. An order of a named scenario needs at most 30. In a batch, compensations may be retried.
readonly ORDER_LIMIT=120 APPROVAL_LIMIT=150 BATCH_LIMIT=600
# The time in which an order may have no readable status.
readonly NO_STATUS_LIMIT=15

# Every order has two books for 59.98.
readonly PRICE=29.99 TOTAL=59.98 CENTS=5998
readonly PAID="payment_authorization, inventory_reservation, payment_capture"
readonly DELIVERED="shipping_label, customer_notification"

if [[ -t 1 && ${TERM:-dumb} != dumb ]]; then readonly TERMINAL=yes; else readonly TERMINAL=''; fi
if [[ $TERMINAL && -z ${NO_COLOR:-} ]]; then
  readonly BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' RED=$'\e[31m' PLAIN=$'\e[0m'
else
  readonly BOLD='' DIM='' GREEN='' RED='' PLAIN=''
fi

RUN="$(date +%s)-$$" # with a counter, order ids that no other run has
orders=0
faults=0
order=''   # the id of the order in hand
sequence=0 # of the ledger's last entry about it before it was placed
state=''   # its last known state
HTTP='' BODY=''

# ---------------------------------------------------------------------------------------------- the scenarios

about() {
  case $1 in
    happy) echo "an order ships" ;;
    approval) echo "an order waits for approval, is approved, and ships" ;;
    rejection) echo "an order is rejected, and its authorization is voided" ;;
    cancellation) echo "an order is cancelled during the label request, and everything is undone" ;;
    timeout) echo "an order gets no decision, and is rejected after its timeout" ;;
    saga) echo "an order can't be delivered, and everything is undone in reverse" ;;
    chaos) echo "orders under chaos: each ships, or leaves no effect behind" ;;
  esac
}

happy() {
  plan '{}' && place && follow_to_end || return
  ends_as shipped none "$PAID, $DELIVERED" nothing
  ledger_says "held $CENTS, reserved, captured $CENTS, labelled, notified"
  verdict_agrees
}

approval() {
  plan '{}' && place approval && follow_to_step awaiting_approval && signal approve && follow_to_end || return
  ends_as shipped none "payment_authorization, manager_approval, ${PAID#*, }, $DELIVERED" nothing
  ledger_says "held $CENTS, reserved, captured $CENTS, labelled, notified"
  verdict_agrees
}

rejection() {
  plan '{}' && place approval && follow_to_step awaiting_approval &&
    signal reject '{"reason": "over budget"}' && follow_to_end || return
  ends_as rejected ORDER_REJECTED payment_authorization release_payment
  ledger_says "held $CENTS, released $CENTS"
  verdict_agrees
}

cancellation() {
  # Without an answer, the label can't be ready before the cancellation arrives.
  plan '{"shipping.create-label": ["timeout", "timeout", "timeout", "timeout", "timeout"]}' &&
    place && follow_to_step creating_shipping_label &&
    signal cancel '{"reason": "changed my mind"}' && follow_to_end || return
  ends_as cancelled ORDER_CANCELLED "$PAID" "cancel_shipping, refund_payment, release_inventory"
  ledger_says "held $CENTS, reserved, captured $CENTS, tombstoned, refunded $CENTS, returned"
  verdict_agrees
}

timeout() {
  plan '{}' && place approval && follow_to_step awaiting_approval || return
  note "no decision is sent; the API waits 2 minutes, or APPROVAL_TIMEOUT"
  follow_to_end "$APPROVAL_LIMIT" countdown || return
  ends_as rejected APPROVAL_TIMEOUT payment_authorization release_payment
  ledger_says "held $CENTS, released $CENTS"
  verdict_agrees
}

saga() {
  plan '{"shipping.create-label": ["address_error"]}' && place && follow_to_end || return
  ends_as failed ADDRESS_REJECTED "$PAID" "refund_payment, release_inventory"
  ledger_says "held $CENTS, reserved, captured $CENTS, refunded $CENTS, returned"
  verdict_agrees
}

chaos() {
  local size=${1:-$BATCH} number ended='' over=0 started=$SECONDS
  local -a batch=()
  for ((number = 1; number <= size; number++)); do
    new_order "chaos-$number"
    place quietly || return
    batch+=("$order")
  done
  note "$size orders placed"
  for ((number = 1; number <= size; number++)); do
    order=${batch[number - 1]}
    label="$number of $size: "
    follow_to_end "$((BATCH_LIMIT - (SECONDS - started)))" || continue
    over=$((over + 1))
    ended+="$(jq -r '.status + (if .error then ": " + .error.code else "" end)' <<<"$state")"$'\n'
    # Chaos can cause every other end. These two are bugs of the workflow.
    if jq -e '.error.code | IN("INTERNAL", "LEDGER_MISMATCH")' <<<"$state" >/dev/null; then
      fault "$order: $(jq -r '.error | .code + ": " + .message' <<<"$state")"
    fi
    verdict_agrees quietly
  done
  label=''
  clear_live
  printf '%s' "$ended" | sort | uniq -c
  expect "orders that ended" "$size" "$over"
  ((faults > 0)) || passed "the provider's verdict on each: no contradiction"
}

# --------------------------------------------------------------------------------- the actions of an order

new_order() {
  orders=$((orders + 1))
  order="test-$RUN-$orders-$1"
}

# Makes every call of the order succeed, except for the given ones: operation -> scenario of each attempt.
# The provider draws after the end of a plan, so a plan has more attempts than an order makes.
plan() {
  local whole
  whole=$(jq -n --argjson other "$1" '
    ["payment.authorize", "payment.capture", "payment.release", "payment.refund", "inventory.reserve",
     "inventory.release", "shipping.create-label", "shipping.cancel", "notification.send"]
    | map({key: ., value: [range(10) | "success"]}) | from_entries | . + $other') || return
  provider 200 "the plan for $order" PUT "/chaos/plans/$order" "$whole" || return
  # A failed order may be placed again. Its earlier ledger entries don't count.
  call GET "$PROVIDER_URL/ledger/orders/$order"
  sequence=$(jq '[.entries[]?.sequence] | max // 0' <<<"$BODY" 2>/dev/null) || sequence=0
}

# place [approval|quietly]
place() {
  local body wanted=processing
  [[ ${1:-} != approval ]] || wanted=pending_approval
  body=$(jq -n --arg id "$order" --argjson price "$PRICE" --argjson total "$TOTAL" --arg wanted "$wanted" '{
    orderId: $id, customerId: "test-order", customerEmail: "customer@example.com",
    items: [{sku: "book", quantity: 2, price: $price}], totalAmount: $total,
    shippingAddress: {street: "1 Main Street", city: "Springfield", state: "IL", zip: "62701", country: "US"},
    requiresApproval: ($wanted == "pending_approval")}') || return
  api 201 "the order $order" POST /api/v1/order "$body" || return
  state='' shown=''
  if [[ ${1:-} != quietly ]]; then
    note "order $order: $(jq -r .status <<<"$BODY")"
    [[ $(jq -r .status <<<"$BODY") == "$wanted" ]] || fault "it should be $wanted"
  fi
}

# signal approve|reject|cancel [BODY]
signal() {
  clear_live
  api 200 "$1" POST "/api/v1/order/order-fulfillment-$order/$1" "${@:2}" || return
  note "$1: $(jq -r .message <<<"$BODY")"
}

follow_to_step() {
  follow "$ORDER_LIMIT" ".currentStep == \"$1\"" || return
  [[ $(jq -r .currentStep <<<"$state") == "$1" ]] ||
    fault "it ended before it reached $1: $(jq -r '.status + " " + (.error.code // "")' <<<"$state")"
}

# follow_to_end [SECONDS [countdown]]; leaves the result in $state.
follow_to_end() {
  follow "${1:-$ORDER_LIMIT}" false "${2:-}" || return
  api 200 "the result of $order" GET "/api/v1/order/order-fulfillment-$order/result?timeout=10" || return
  state=$BODY
}

# follow SECONDS CONDITION [countdown]: waits until the condition (jq) is true, or the order has ended.
follow() {
  local limit=$1 condition=$2 started=$SECONDS known_at=$SECONDS
  while :; do
    if call GET "$API_URL/api/v1/order/order-fulfillment-$order/status" && [[ $HTTP == 200 ]]; then
      state=$BODY known_at=$SECONDS
      # The order's end also ends the wait for a step.
      if jq -e "(.status | IN(\"shipped\", \"rejected\", \"cancelled\", \"failed\", \"terminated\", \"timed_out\")) or ($condition)" \
        <<<"$state" >/dev/null; then
        show_state ''
        clear_live
        return 0
      fi
    elif [[ $HTTP != 503 && $HTTP != 000 ]]; then
      fault "the status of $order: $(problem)"
      return
    elif ((SECONDS - known_at >= NO_STATUS_LIMIT)); then
      fault "no status of $order for $NO_STATUS_LIMIT s: $(problem)"
      return
    fi
    if ((SECONDS - started >= limit)); then
      fault "$order has not ended after $limit s: $(jq -r '.status + ", " + .currentStep' <<<"$state")"
      return
    fi
    if [[ ${3:-} == countdown ]]; then
      show_state "giving up in $((limit - (SECONDS - started))) s"
    else
      show_state "$((SECONDS - started)) s"
    fi
    sleep 0.2
  done
}

# ------------------------------------------------------------------------------------------------ the checks

# ends_as STATUS ERROR STEPS UNDOS
ends_as() {
  expect "status" "$1, success $([[ $1 == shipped ]] && echo true || echo false)" \
    "$(jq -r '"\(.status), success \(.success)"' <<<"$state")"
  expect "error" "$2" "$(jq -r '.error.code // "none"' <<<"$state")"
  expect "steps" "$3" "$(list .completedSteps '"completed"')"
  expect "undone" "$4" "$(list .compensations '"completed", "nothing_to_undo"')"
}

# The names in a list of the state, with the status of those whose status isn't a good one.
list() {
  jq -r "[$1[] | .name + (if .status | IN($2) then \"\" else \" (\(.status))\" end)]
    | join(\", \") | if . == \"\" then \"nothing\" else . end" <<<"$state"
}

# The effects of the order in the provider's ledger.
ledger_says() {
  provider 200 "the ledger of $order" GET "/ledger/orders/$order" || return
  expect "ledger" "$1" "$(jq -r --argjson after "$sequence" '
    [.entries[] | select(.sequence > $after) | .effect + (if .amount then " \(.amount)" else "" end)]
    | join(", ") | if . == "" then "nothing" else . end' <<<"$BODY")"
}

# Records the order's outcome at the provider, and checks the verdict on it.
verdict_agrees() {
  local outcome=not_shipped wanted="shipped 0, not shipped 1"
  if [[ $(jq -r .status <<<"$state") == shipped ]]; then
    outcome=shipped wanted="shipped 1, not shipped 0"
  fi
  wanted+=", open 0, contradictions 0"
  # A provider without the order would have no contradiction.
  provider 200 "the ledger of $order" GET "/ledger/orders/$order" || return
  provider 200 "the outcome of $order" PUT "/ledger/orders/$order/outcome" "{\"outcome\": \"$outcome\"}" || return
  provider 200 "the verdict on $order" GET "/verdict?final=true&orderId=$order" || return
  local verdict
  verdict=$(jq -r '"shipped \(.shipped), not shipped \(.notShipped), open \(.open), " +
    "contradictions \(.contradictions | length)"' <<<"$BODY")
  [[ ${1:-} == quietly && $verdict == "$wanted" ]] || expect "verdict${1:+ on $order}" "$wanted" "$verdict"
  jq -r '.contradictions[] | "         \(.rule): \(.detail)"' <<<"$BODY"
}

# expect NAME WANTED ACTUAL
expect() {
  if [[ $2 == "$3" ]]; then
    passed "$1: $2"
  else
    fault "$1: ${3:-?}"
    printf '         wanted: %s\n' "$2"
  fi
}

# ---------------------------------------------------------------------------------------- output and requests

passed() { printf '  %sok%s     %s\n' "$GREEN" "$PLAIN" "$1"; }

# Reports a failed check, and returns false.
fault() {
  clear_live
  faults=$((faults + 1))
  printf '  %sFAULT%s  %s\n' "$RED" "$PLAIN" "$1"
  return 1
}

note() {
  clear_live
  printf '  %s\n' "$1"
}

label=''  # the text before a shown state
shown=''  # the step of the last line
wrote=0   # the time of the last line

# Shows one changing line on a terminal. Elsewhere it prints a line for each step, and one every 15 s.
show_state() {
  [[ $state ]] || return 0
  local step line
  step=$(jq -r '.status + " " + .currentStep' <<<"$state")
  line=$(jq -r '"\(.progress | tostring | " " * (3 - length) + .) %  \(.status): \(.currentStep | gsub("_"; " "))"' <<<"$state")
  if [[ -z $label && $step != "$shown" ]]; then
    note "$line"
  elif [[ $TERMINAL ]]; then
    printf '\r\e[K  %s%s%s%s' "$DIM" "$label${line}" "${1:+, $1}" "$PLAIN"
    return
  elif ((SECONDS - wrote >= 15)); then
    note "$label$line${1:+, $1}"
  else
    return 0
  fi
  shown=$step wrote=$SECONDS
}

clear_live() { [[ -z $TERMINAL ]] || printf '\r\e[K'; }

# call METHOD URL [BODY]: sets $HTTP and $BODY. Without an answer it returns false, with 000 and curl's message.
call() {
  local answer
  local -a options=(--silent --show-error --path-as-is --connect-timeout 3 --max-time 30)
  options+=(--request "$1" --write-out '\n%{http_code}')
  (($# < 3)) || options+=(--header 'Content-Type: application/json' --data-binary "$3")
  if answer=$(curl --disable "${options[@]}" "$2" 2>&1); then
    HTTP=${answer##*$'\n'} BODY=${answer%$'\n'*}
  else
    HTTP=000 BODY=$(grep -m 1 -o 'curl: .*' <<<"$answer")
    return 1
  fi
}

api() { ask temporal-api "$API_URL" "$@"; }
provider() { ask fake-stripe-chaos "$PROVIDER_URL" "$@"; }

# ask SERVICE URL STATUS SUBJECT METHOD PATH [BODY]: any other status is a fault.
ask() {
  call "$5" "$2$6" "${@:7}"
  [[ $HTTP == "$3" ]] || fault "$4: $1: $(problem)"
}

# Prints the last answer as one line.
problem() {
  if [[ $HTTP == 000 ]]; then
    echo "$BODY"
  else
    jq -r --arg http "$HTTP" '"HTTP \($http) \(.error): \(.detail // .message)" +
      (if (.errors | length) > 1 then [.errors[] | "; \(.pointer) \(.message)"] | add else "" end)' <<<"$BODY" 2>/dev/null || echo "HTTP $HTTP"
  fi
}

# ------------------------------------------------------------------------------------------ the stack, the UI

# ready NAME URL: returns whether the service is ready. If not, it prints the reason.
ready() {
  if ! call GET "$2/health/ready"; then
    echo "$1 doesn't answer at $2 ($BODY); is the stack up?"
  elif [[ $HTTP != 200 ]]; then
    echo "$1 at $2 isn't ready: $(jq -c '.checks // .detail' <<<"$BODY" 2>/dev/null || echo "HTTP $HTTP")"
  else
    return 0
  fi
  return 1
}

stack_is_up() {
  local reason good=yes
  reason=$(ready fake-stripe-chaos "$PROVIDER_URL") || { good='' && echo "$reason" >&2; }
  reason=$(ready temporal-api "$API_URL") || { good='' && echo "$reason" >&2; }
  [[ $good ]]
}

services() {
  local reason name url
  faults=0
  while read -r name url; do
    if reason=$(ready "$name" "$url"); then passed "$name is ready at $url"; else fault "$reason"; fi
  done <<<"fake-stripe-chaos $PROVIDER_URL
temporal-worker $WORKER_URL
temporal-api $API_URL"
  # Orders don't depend on the UI.
  if call GET "$TEMPORAL_UI"; then
    passed "the Temporal UI is at $TEMPORAL_UI"
  else
    note "-      the Temporal UI doesn't answer at $TEMPORAL_UI"
  fi
  ((faults == 0))
}

ui() {
  local opener
  note "the Temporal UI: $TEMPORAL_UI/namespaces/default/workflows"
  for opener in xdg-open wslview open; do
    if command -v "$opener" >/dev/null; then
      "$opener" "$TEMPORAL_UI/namespaces/default/workflows" </dev/null >/dev/null 2>&1 && return
    fi
  done
  note "no program to open a browser was found; open the address by hand"
}

# -------------------------------------------------------------------------------------------------- commands

# run SCENARIO [N]: returns 0 when every check passed, 1 when one failed, 2 when no stack is up.
run() {
  stack_is_up || return 2
  faults=0
  printf '%s%s%s: %s\n' "$BOLD" "$1" "$PLAIN" "$(about "$1")"
  if [[ $own_id ]]; then order=$own_id; else new_order "$1"; fi
  "$@" || ((faults > 0)) || fault "the check stopped early"
  clear_live
  if ((faults == 0)); then
    printf '%s%s: as promised%s\n\n' "$GREEN" "$1" "$PLAIN"
  else
    printf '%s%s: NOT as promised%s\n\n' "$RED" "$1" "$PLAIN"
    return 1
  fi
}
own_id=''

run_all() {
  local scenario summary='' code=0
  for scenario in "${SCENARIOS[@]}"; do
    run "$scenario"
    case $? in
      0) summary+="  ${GREEN}ok${PLAIN}     $scenario"$'\n' ;;
      1) summary+="  ${RED}FAULT${PLAIN}  $scenario"$'\n' code=1 ;;
      *) code=2 ;;
    esac
    ((code < 2)) || break
  done
  printf '%s' "$summary"
  return "$code"
}

run_with_own_id() {
  local id scenario code
  read -r -p 'Order id (A-Z a-z 0-9 . _ -): ' id || return
  if [[ ! $id =~ ^[A-Za-z0-9._-]{1,128}$ ]]; then
    echo "'$id' is no order id: 1 to 128 of A-Z a-z 0-9 . _ -" >&2
    return 2
  fi
  read -r -p 'Scenario (happy, approval, rejection, cancellation, timeout, saga) [happy]: ' scenario || return
  scenario=${scenario:-happy}
  if [[ $scenario == chaos || ! " ${SCENARIOS[*]} " == *" $scenario "* ]]; then
    echo "'$scenario' is none of these scenarios" >&2
    return 2
  fi
  own_id=$id
  run "$scenario"
  code=$?
  own_id=''
  return "$code"
}

is_batch_size() { [[ $1 =~ ^[1-9][0-9]{0,3}$ ]] && (($1 <= LARGEST_BATCH)); }

menu() {
  local number choice size code=0
  while :; do
    echo "${BOLD}Orders${PLAIN} over $API_URL"
    for ((number = 0; number < ${#SCENARIOS[@]}; number++)); do
      printf '  %d  %-13s %s\n' "$((number + 1))" "${SCENARIOS[number]}" "$(about "${SCENARIOS[number]}")"
    done
    printf '  8  all\n  9  one of them under an order id of your own\n'
    printf '  u  open the Temporal UI\n  s  check the services\n  q  quit\n'
    if ! read -r -p '> ' choice; then
      echo
      return "$code"
    fi
    case $choice in
      [1-6]) run "${SCENARIOS[choice - 1]}" || code=$? ;;
      7)
        read -r -p "How many orders? [$BATCH] " size || return "$code"
        size=${size:-$BATCH}
        if is_batch_size "$size"; then
          run chaos "$size" || code=$?
        else
          echo "'$size' is no number from 1 to $LARGEST_BATCH" >&2
        fi
        ;;
      8) run_all || code=$? ;;
      9) run_with_own_id || code=$? ;;
      u) ui ;;
      s) services || code=1 ;;
      q) return "$code" ;;
      '') ;;
      *) echo "'$choice' is not on the menu" >&2 ;;
    esac
  done
}

help() {
  local scenario
  printf 'usage: ./test-order.sh [SCENARIO]\n\nWithout a scenario, a menu. The scenarios:\n'
  for scenario in "${SCENARIOS[@]}"; do
    printf '  %-13s %s\n' "$scenario" "$(about "$scenario")"
  done
  cat <<EOF
  all           these, one after another; takes 4 minutes at the default timing
"chaos N" places N orders (1 to $LARGEST_BATCH, default $BATCH). Also: services (are they ready?), ui, help.

Exit code: 0 every check passed, 1 a check failed, 2 the test can't run.

environment:
  API_URL      $API_URL
  PROVIDER_URL $PROVIDER_URL
  WORKER_URL   $WORKER_URL (only for "services")
  TEMPORAL_UI  $TEMPORAL_UI
EOF
}

wrong_usage() {
  echo "test-order.sh: $1; ./test-order.sh help says more" >&2
  exit 2
}

main() {
  local tool missing=''
  for tool in curl jq; do
    command -v "$tool" >/dev/null || missing+=" $tool"
  done
  if [[ $missing ]]; then
    echo "test-order.sh needs bash, curl and jq; missing:$missing" >&2
    exit 2
  fi
  trap 'clear_live; exit 130' INT

  local command=${1:-menu}
  [[ $command == chaos ]] || (($# <= 1)) || wrong_usage "'$command' takes no more arguments"
  case $command in
    menu) menu ;;
    happy | approval | rejection | cancellation | timeout | saga) run "$command" ;;
    chaos)
      (($# <= 2)) || wrong_usage "'chaos' takes one number"
      is_batch_size "${2:-$BATCH}" || wrong_usage "'$2' is no number from 1 to $LARGEST_BATCH"
      run chaos "${2:-$BATCH}"
      ;;
    all) run_all ;;
    services) services ;;
    ui) ui ;;
    help | -h | --help) help ;;
    *) wrong_usage "there is no scenario '$command'" ;;
  esac
}

main "$@"
