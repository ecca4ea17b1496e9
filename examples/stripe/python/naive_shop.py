"""A shop on Stripe's SDK as shops are often written. A second try pays twice, and a failure leaves money behind."""

import stripe

from shop import serve


def pay(stripe_api, order, amount):
    for _ in range(2):  # "Networks fail, so we try twice."
        try:
            intent = stripe_api.payment_intents.create(
                {
                    "amount": amount,
                    "currency": "usd",
                    "payment_method": "pm_card_visa",
                    "confirm": True,
                    "capture_method": "manual",
                    "metadata": {"order_id": order},
                }
            )
            break
        except stripe.CardError:
            return "failed"
        except stripe.StripeError:
            continue
    else:
        return "failed"
    try:
        stripe_api.payment_intents.capture(intent.id)
    except stripe.StripeError:
        return "failed"
    return "shipped"


if __name__ == "__main__":
    serve(pay)
