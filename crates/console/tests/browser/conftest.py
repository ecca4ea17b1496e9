"""Drives the console in Chromium, on a real stack that .ci/console starts."""

import itertools
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

CONSOLE = os.environ.get("CONSOLE_URL", "http://127.0.0.1:3002")
PROVIDER = os.environ.get("PROVIDER_URL", "http://127.0.0.1:3001")
SHOTS = Path(os.environ.get("SHOTS", "target/console/shots"))
WIDTHS = {"wide": {"width": 1400, "height": 900}, "phone": {"width": 390, "height": 844}}

_numbers = itertools.count(1)


def send(method, url, body=None, headers=None):
    """Sends JSON, and returns the status and the JSON of the answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | (headers or {})
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def until(check, seconds=30):
    """Repeats a check until it returns something, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.1)


def order(order_id, **changes):
    body = {
        "orderId": order_id,
        "customerId": "browser",
        "customerEmail": "ada@example.com",
        "items": [{"sku": "book", "quantity": 2, "price": 29.99}],
        "totalAmount": 59.98,
        "currency": "usd",
        "shippingAddress": {
            "street": "1 Main Street", "city": "Springfield", "state": "IL", "zip": "62701", "country": "US",
        },
    }
    return body | changes


def place(order_id, **changes):
    """Places an order through the API, and returns its workflow id."""
    status, answer = send("POST", f"{CONSOLE}/api/v1/order", order(order_id, **changes))
    assert status == 201, answer
    return answer["workflowId"]


def status_of(workflow):
    return send("GET", f"{CONSOLE}/api/v1/order/{workflow}/status")[1]["status"]


@pytest.fixture
def order_id():
    return f"browser-{os.getpid()}-{int(time.time())}-{next(_numbers)}"


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page whose scripts must not fail, and which must load nothing that its policy forbids."""
    context = chromium.new_context(viewport=WIDTHS["wide"], base_url=CONSOLE)
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    yield page
    context.close()
    assert not faults, faults
