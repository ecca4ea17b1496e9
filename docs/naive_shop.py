#!/usr/bin/env python3
"""A shop as shops are often written: it ships orders, and loses money when answers get lost.

Only there to be found out by `fake-stripe-chaos explore`; see chaos.md. Needs nothing but Python 3.
"""

import json
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROVIDER = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:3001"
ADDRESS = {"street": "1 Test Street", "city": "London", "state": "LDN", "zip": "W1", "country": "GB"}


def call(order, path, body):
    """What the provider answers; None for whatever isn't a success."""
    headers = {"content-type": "application/json", "x-order-id": order}
    request = urllib.request.Request(PROVIDER + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None  # "It didn't work."


def ship(order, amount):
    charged = None
    for _ in range(2):  # "Networks fail, so we try twice."
        charged = charged or call(order, "/payment/charge", {"amount": amount, "currency": "usd", "source": "card"})
    if not charged:
        return False
    if call(order, "/inventory/reserve", {"items": [{"sku": "book", "quantity": 1}]}):
        if call(order, "/shipping/create-label", {"shippingAddress": ADDRESS}):
            return True
    call(order, "/payment/refund", {"authId": charged["authId"]})
    return False


class Shop(BaseHTTPRequestHandler):
    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status = "shipped" if ship(order["id"], order["amount"]) else "failed"
        body = json.dumps({"id": order["id"], "status": status}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 8000), Shop).serve_forever()
