"""Drives every endpoint by Stripe's own SDK, unmodified. Only the base address is another one."""

import http.server
import queue
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from conftest import API_BASE, Provider, client

VISA = "pm_card_visa"


def intent_of(order, **more):
    given = {"amount": 5998, "currency": "usd", "payment_method": VISA, "confirm": True}
    return {**given, "metadata": {"order_id": order}, **more}


# The life of an intent


def test_an_intent_succeeds(sdk, provider, order):
    intent = sdk.v1.payment_intents.create(intent_of(order))
    assert (intent.object, intent.status, intent.amount_received) == ("payment_intent", "succeeded", 5998)
    assert intent.livemode is False and intent.last_response.headers["request-id"].startswith("req_")
    assert provider.effects(order) == ["held", "captured"]
    assert provider.contradictions(order, "paid") == []


def test_an_intent_is_captured_in_part(sdk, provider, order):
    intent = sdk.v1.payment_intents.create(intent_of(order, capture_method="manual"))
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 5998)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.payment_intents.capture(intent.id, {"amount_to_capture": 6000})
    assert (refused.value.code, refused.value.param) == ("amount_too_large", "amount_to_capture")
    captured = sdk.v1.payment_intents.capture(intent.id, {"amount_to_capture": 5000})
    assert (captured.status, captured.amount_received) == ("succeeded", 5000)
    assert provider.effects(order) == ["held", "captured", "released"]


def test_an_intent_is_cancelled(sdk, provider, order):
    intent = sdk.v1.payment_intents.create(intent_of(order, capture_method="manual"))
    cancelled = sdk.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
    assert provider.effects(order) == ["held", "released"]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.payment_intents.capture(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"


def test_an_intent_is_created_updated_and_confirmed(sdk, order):
    intent = sdk.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    assert intent.status == "requires_payment_method"
    intent = sdk.v1.payment_intents.update(
        intent.id, {"amount": 200, "payment_method": VISA, "metadata": {"order_id": order}}
    )
    assert (intent.status, intent.amount) == ("requires_confirmation", 200)
    assert sdk.v1.payment_intents.confirm(intent.id).status == "succeeded"
    found = sdk.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert (found.latest_charge.object, found.latest_charge.amount) == ("charge", 200)


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
def test_a_card_is_declined(sdk, card, code, decline_code, order):
    with pytest.raises(stripe.CardError) as declined:
        sdk.v1.payment_intents.create(intent_of(order, payment_method=card))
    error = declined.value
    assert (error.http_status, error.code, error.error.decline_code) == (402, code, decline_code)
    assert error.error.payment_intent.status == "requires_payment_method"
    assert error.error.payment_intent.last_payment_error.code == code
    paid = sdk.v1.payment_intents.confirm(error.error.payment_intent.id, {"payment_method": VISA})
    assert paid.status == "succeeded"


def test_a_charge_is_refunded_in_parts(sdk, provider, order):
    intent = sdk.v1.payment_intents.create(intent_of(order))
    first = sdk.v1.refunds.create({"payment_intent": intent.id, "amount": 998, "reason": "duplicate"})
    assert (first.object, first.status, first.amount) == ("refund", "succeeded", 998)
    rest = sdk.v1.refunds.create({"charge": intent.latest_charge})
    assert rest.amount == 5000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"
    assert {refund.id for refund in sdk.v1.refunds.list({"payment_intent": intent.id})} == {first.id, rest.id}
    changed = sdk.v1.refunds.update(first.id, {"metadata": {"why": "late"}})
    assert changed.metadata["why"] == sdk.v1.refunds.retrieve(first.id).metadata["why"] == "late"
    charge = sdk.v1.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (True, 5998)
    assert provider.contradictions(order, "not_shipped") == []


# The objects around them


def test_a_customer_keeps_a_card(sdk, order):
    customer = sdk.v1.customers.create(
        {"name": "Ada", "email": f"{order}@example.com", "address": {"city": "London"}, "metadata": {"a": "1"}}
    )
    assert (customer.address.city, customer.metadata["a"]) == ("London", "1")
    method = sdk.v1.payment_methods.create(
        {"type": "card", "card": {"number": "5555555555554444", "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
    )
    assert (method.card.brand, method.card.last4) == ("mastercard", "4444")
    sdk.v1.payment_methods.attach(method.id, {"customer": customer.id})
    assert [one.id for one in sdk.v1.customers.payment_methods.list(customer.id)] == [method.id]
    intent = sdk.v1.payment_intents.create(
        intent_of(order, customer=customer.id, payment_method=method.id, expand=["customer", "payment_method"])
    )
    assert (intent.customer.name, intent.payment_method.card.brand) == ("Ada", "mastercard")
    assert [charge.id for charge in sdk.v1.charges.list({"customer": customer.id})] == [intent.latest_charge]
    assert sdk.v1.payment_methods.detach(method.id).customer is None
    assert sdk.v1.customers.update(customer.id, {"name": "Grace"}).name == "Grace"
    assert [one.id for one in sdk.v1.customers.list({"email": f"{order}@example.com"})] == [customer.id]
    assert sdk.v1.customers.delete(customer.id).deleted is True
    assert sdk.v1.customers.retrieve(customer.id).deleted is True


def test_lists_are_paged_automatically(order):
    run = f"{API_BASE}/runs/{order}"
    Provider(API_BASE).call("PUT", f"/runs/{order}", {})
    sdk = client(run)
    created = [sdk.v1.payment_intents.create({"amount": n, "currency": "usd"}).id for n in range(1, 121)]
    listed = [intent.id for intent in sdk.v1.payment_intents.list({"limit": 50}).auto_paging_iter()]
    assert listed == created[::-1]
    page = sdk.v1.payment_intents.list({"limit": 3, "ending_before": created[0]})
    assert [intent.id for intent in page] == created[1:4][::-1]
    back = [intent.id for intent in page.auto_paging_iter()]
    assert len(back) == 119
    Provider(API_BASE).call("DELETE", f"/runs/{order}")


def test_events_and_balance_are_listed(sdk, order):
    intent = sdk.v1.payment_intents.create(intent_of(order))
    events = sdk.v1.events.list({"types": ["payment_intent.succeeded"], "limit": 100})
    event = next(event for event in events if event.data.object.id == intent.id)
    assert sdk.v1.events.retrieve(event.id).type == "payment_intent.succeeded"
    assert any(funds.currency == "usd" for funds in sdk.v1.balance.retrieve().available)


def test_webhook_endpoints_are_managed(sdk):
    endpoint = sdk.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/hook", "enabled_events": ["charge.failed"]})
    assert endpoint.secret.startswith("whsec_")
    changed = sdk.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["*"], "disabled": True})
    assert (changed.enabled_events, changed.status) == (["*"], "disabled")
    assert endpoint.id in [one.id for one in sdk.v1.webhook_endpoints.list()]
    assert sdk.v1.webhook_endpoints.delete(endpoint.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.webhook_endpoints.retrieve(endpoint.id)


# Errors


def test_wrong_requests_raise_the_errors_of_the_sdk(sdk):
    with pytest.raises(stripe.InvalidRequestError) as missing:
        sdk.v1.payment_intents.retrieve("pi_none")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        sdk.v1.payment_intents.create({"amount": 1, "currency": "usd", "amuont": 2})
    assert (unknown.value.code, unknown.value.param) == ("parameter_unknown", "amuont")
    with pytest.raises(stripe.InvalidRequestError, match="fake-stripe-chaos"):
        sdk.v1.invoices.list()


@pytest.mark.parametrize("key", ["sk_live_secret", "something"])
def test_only_keys_of_test_mode_are_accepted(key):
    with pytest.raises(stripe.AuthenticationError) as refused:
        client(key=key).v1.balance.retrieve()
    assert key not in str(refused.value)


# Idempotency and the SDK's own retries


def test_a_key_replays_its_answer(sdk, order):
    create = lambda amount: sdk.v1.payment_intents.create(
        intent_of(order, amount=amount, capture_method="manual"), {"idempotency_key": order}
    )
    first = create(100)
    sdk.v1.payment_intents.capture(first.id)
    again = create(100)
    assert again.last_response.body == first.last_response.body
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        create(200)


@pytest.mark.parametrize(
    "fault",
    [
        "timeout_after_commit",
        "timeout",
        "connection_reset_after_commit",
        "connection_reset",
        "rate_limited",
    ],
)
def test_the_sdk_retries_with_its_own_key_and_pays_once(provider, fault, order):
    provider.plan(order, {"stripe.payment_intents.create": [fault, fault, "success"]})
    intent = client(retries=3).v1.payment_intents.create(intent_of(order))
    assert intent.status == "succeeded"
    assert provider.effects(order) == ["held", "captured"]
    assert provider.contradictions(order, "paid") == []


def test_the_sdk_does_not_retry_a_truncated_answer_so_the_caller_does_under_the_same_key(provider, order):
    provider.plan(order, {"stripe.payment_intents.create": ["truncated_body_after_commit"]})
    pay = lambda: client(retries=3).v1.payment_intents.create(intent_of(order), {"idempotency_key": order})
    with pytest.raises(stripe.APIConnectionError):
        pay()
    assert pay().status == "succeeded"
    assert provider.effects(order) == ["held", "captured"]


def test_a_failure_is_replayed_to_every_retry_and_nothing_is_paid(provider, order):
    provider.plan(order, {"stripe.payment_intents.create": ["internal_error", "success"]})
    with pytest.raises(stripe.APIError) as failed:
        client(retries=3).v1.payment_intents.create(intent_of(order))
    assert failed.value.http_status == 500
    assert failed.value.headers["idempotent-replayed"] == "true"
    assert provider.call("GET", f"/ledger/orders/{order}")["entries"] == []


# Webhooks


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.put((body, self.headers["stripe-signature"]))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(sdk):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.received, server.statuses = queue.Queue(), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hook"
    endpoint = sdk.v1.webhook_endpoints.create({"url": url, "enabled_events": ["payment_intent.succeeded"]})
    server.secret = endpoint.secret
    yield server
    sdk.v1.webhook_endpoints.delete(endpoint.id)
    server.shutdown()


def next_event(sdk, receiver, order):
    """Returns the next event of the order, as the SDK verifies it."""
    while True:
        body, signature = receiver.received.get(timeout=15)
        if order in body.decode():
            return sdk.construct_event(body, signature, receiver.secret)


def test_the_sdk_verifies_a_webhook(sdk, receiver, order):
    intent = sdk.v1.payment_intents.create(intent_of(order))
    event = next_event(sdk, receiver, order)
    assert (event.type, event.data.object.id) == ("payment_intent.succeeded", intent.id)


def test_the_sdk_refuses_a_wrong_signature_and_accepts_the_retry(sdk, provider, receiver, order):
    for fault in ["bad_signature", "old_timestamp"]:
        one = f"{order}-{fault}"
        provider.plan(one, {"stripe.webhooks.deliver": [fault]})
        receiver.statuses.append(400)
        sdk.v1.payment_intents.create(intent_of(one))
        with pytest.raises(stripe.SignatureVerificationError):
            next_event(sdk, receiver, one)
        assert next_event(sdk, receiver, one).type == "payment_intent.succeeded"


def test_a_duplicated_webhook_has_one_id(sdk, provider, receiver, order):
    provider.plan(order, {"stripe.webhooks.deliver": ["duplicated"]})
    sdk.v1.payment_intents.create(intent_of(order))
    assert next_event(sdk, receiver, order).id == next_event(sdk, receiver, order).id


# Many clients


def test_64_clients_under_hostile_chaos_leave_totals_that_equal_the_entries(provider):
    run = f"hostile-{uuid.uuid4().hex}"
    provider.call("PUT", f"/runs/{run}", {"seed": 7})
    inside = Provider(f"{API_BASE}/runs/{run}")
    inside.call("PUT", "/chaos/profile", {"name": "hostile"})

    def buy(number):
        sdk = client(inside.base, retries=3)
        for attempt in range(3):
            order = f"many-{number}-{attempt}"
            try:
                intent = sdk.v1.payment_intents.create(intent_of(order, capture_method="manual"))
                intent = sdk.v1.payment_intents.capture(intent.id)
                sdk.v1.refunds.create({"payment_intent": intent.id, "amount": 1 + number})
            except stripe.StripeError:
                pass

    with ThreadPoolExecutor(64) as clients:
        list(clients.map(buy, range(64)))
    totals = inside.call("GET", "/ledger")["totals"]["usd"]
    sums = {"held": 0, "captured": 0, "refunded": 0, "released": 0}
    for number in range(64):
        for attempt in range(3):
            try:
                entries = inside.call("GET", f"/ledger/orders/many-{number}-{attempt}")["entries"]
            except OSError:
                continue
            for entry in entries:
                sums[entry["effect"]] += entry["amount"]
    sums["held"] -= sums["captured"] + sums["released"]
    assert sums["captured"] > 0 and sums["refunded"] > 0
    assert {name: totals[name] for name in sums} == sums
    rules = [found["rule"] for found in inside.call("GET", "/verdict")["contradictions"]]
    assert "totals_equal_the_sum_of_entries" not in rules and "refunds_stay_within_captures" not in rules
    provider.call("DELETE", f"/runs/{run}")
