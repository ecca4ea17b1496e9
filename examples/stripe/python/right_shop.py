"""The same shop without the mistakes: one key for all attempts of a step, and a void of what is uncertain."""

import time

import stripe

from shop import serve


def until_certain(step, key):
    """Repeats a step under one key until Stripe has an answer. A stored failure needs the next key."""
    for number in range(60):
        try:
            return step({"idempotency_key": f"{key}/{number // 4}"})
        except (stripe.CardError, stripe.InvalidRequestError):
            raise
        except stripe.StripeError:
            time.sleep(0.05)
    raise TimeoutError(key)


def pay(stripe_api, order, amount):
    intents = stripe_api.payment_intents
    given = {"amount": amount, "currency": "usd", "capture_method": "manual", "metadata": {"order_id": order}}
    try:
        # An intent without a charge holds no money, so nothing is lost with its answer.
        intent = until_certain(lambda options: intents.create(given, options), f"{order}/create")
    except stripe.StripeError:
        return "failed"
    try:
        charged = {"payment_method": "pm_card_visa"}
        until_certain(lambda options: intents.confirm(intent.id, charged, options), f"{order}/confirm")
        until_certain(lambda options: intents.capture(intent.id, {}, options), f"{order}/capture")
    except stripe.StripeError:
        return undo(intents, intent.id, order)
    return "shipped"


def undo(intents, intent, order):
    """Voids the authorization, unless the money was captured by an attempt without an answer."""
    while True:
        try:
            status = intents.retrieve(intent).status
            if status == "succeeded":
                return "shipped"
            if status == "canceled":
                return "failed"
            intents.cancel(intent, {}, {"idempotency_key": f"{order}/cancel/{time.monotonic_ns()}"})
        except stripe.StripeError:
            time.sleep(0.05)


if __name__ == "__main__":
    serve(pay)
