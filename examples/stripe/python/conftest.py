"""A provider's address, a client of Stripe's SDK, and an order of its own for each test."""

import json
import os
import urllib.request
import uuid

import pytest
import stripe

API_BASE = os.environ.get("STRIPE_API_BASE", "http://127.0.0.1:3001")


class Provider:
    """The provider's own endpoints: plans, ledger, outcomes and verdict."""

    def __init__(self, base):
        self.base = base

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def plan(self, order, plan):
        self.call("PUT", f"/chaos/plans/{order}", plan)

    def effects(self, order):
        entries = self.call("GET", f"/ledger/orders/{order}")["entries"]
        return [entry["effect"] for entry in entries]

    def contradictions(self, order, outcome):
        self.call("PUT", f"/ledger/orders/{order}/outcome", {"outcome": outcome})
        return [found["rule"] for found in self.call("GET", f"/verdict?orderId={order}")["contradictions"]]


def client(base=API_BASE, key="sk_test_python", retries=0):
    return stripe.StripeClient(key, base_addresses={"api": base}, max_network_retries=retries)


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    """The SDK waits up to two seconds before a retry. A test has no time for that."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.05)


@pytest.fixture
def provider():
    return Provider(API_BASE)


@pytest.fixture
def sdk():
    return client()


@pytest.fixture
def order():
    return f"python-{uuid.uuid4().hex}"
