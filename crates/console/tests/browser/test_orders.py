"""Places, follows, steers and repairs orders as a person does."""

import re

from playwright.sync_api import expect

from conftest import CONSOLE, PROVIDER, place, send, status_of, until


def state(page):
    return page.get_by_role("region", name="State").locator(".badge").first


def open_order(page, workflow):
    page.goto(f"/orders/{workflow}")
    expect(page.locator("[data-live-note]")).to_have_text(re.compile("Live|Final"))


def confirm(page, title):
    page.get_by_role("link", name=title, exact=True).click()
    page.get_by_role("button", name=title, exact=True).click()


def test_an_order_is_placed_and_followed_to_its_shipment_without_a_reload(page, order_id):
    page.goto("/")
    page.get_by_role("link", name="Place an order").click()
    page.get_by_label("Order id").fill(order_id)
    page.get_by_role("button", name="Place the order").click()
    expect(page).to_have_url(f"{CONSOLE}/orders/order-fulfillment-{order_id}")
    page.evaluate("window.isSamePage = true")
    expect(state(page)).to_have_text("shipped", timeout=30_000)
    expect(page.locator("[data-live-note]")).to_have_text("Final", timeout=5_000)
    assert page.evaluate("window.isSamePage")
    for effect in ["held", "reserved", "captured", "labelled", "notified"]:
        expect(page.get_by_role("region", name="Ledger entries").get_by_text(effect, exact=True)).to_be_visible()
    expect(page.get_by_text("payment.authorize")).to_be_visible()


def test_a_wrong_order_keeps_its_form_and_each_error_is_at_its_field(page, order_id):
    page.goto("/orders/new")
    page.get_by_label("Order id").fill(order_id)
    page.get_by_label("E-mail address").fill("nobody")
    page.get_by_label("Price of one").first.fill("dear")
    page.get_by_role("button", name="Place the order").click()
    expect(page.get_by_label("Order id")).to_have_value(order_id)
    expect(page.get_by_label("Price of one").first).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("E-mail address")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("E-mail address").fill("ada@example.com")
    page.get_by_label("Price of one").first.fill("29.99")
    page.get_by_role("button", name="Place the order").click()
    expect(page).to_have_url(f"{CONSOLE}/orders/order-fulfillment-{order_id}")


def test_a_new_order_appears_in_the_open_list(page, order_id):
    page.goto("/?customerId=browser-list")
    page.evaluate("window.isSamePage = true")
    place(order_id, customerId="browser-list")
    row = page.get_by_role("row").filter(has_text=order_id)
    expect(row).to_be_visible(timeout=15_000)
    expect(row.locator(".badge")).to_have_text("shipped", timeout=30_000)
    assert page.evaluate("window.isSamePage")


def test_the_list_is_filtered_by_status_and_total(page, order_id):
    workflow = place(order_id, customerId=order_id, items=[{"sku": "b", "quantity": 1, "price": 7}], totalAmount=7)
    until(lambda: status_of(workflow) == "shipped")
    for query, is_listed in [
        ("status=shipped&minTotal=7&maxTotal=7", True),
        ("minTotal=7.01", False),
        ("status=failed", False),
        ("startedBefore=2020-01-01T00:00", False),
        ("startedAfter=2020-01-01T00:00", True),
    ]:
        # Visibility follows a moment later.
        until(lambda: page.goto(f"/?customerId={order_id}&{query}")
              and (page.get_by_role("row").filter(has_text=order_id).count() == 1) is is_listed)


def test_an_order_is_approved(page, order_id):
    workflow = place(order_id, requiresApproval=True)
    open_order(page, workflow)
    expect(state(page)).to_have_text("pending approval")
    page.get_by_role("link", name="Approve", exact=True).click()
    expect(page.get_by_text("The order continues")).to_be_visible()
    assert status_of(workflow) == "pending_approval", "the question alone changes nothing"
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("The order is approved.")).to_be_visible()
    expect(state(page)).to_have_text("shipped", timeout=30_000)


def test_an_order_is_rejected_with_a_reason(page, order_id):
    workflow = place(order_id, requiresApproval=True)
    open_order(page, workflow)
    page.get_by_role("link", name="Reject", exact=True).click()
    page.get_by_label("Reason").fill("no such customer")
    page.get_by_role("button", name="Reject").click()
    expect(state(page)).to_have_text("rejected", timeout=30_000)
    expect(page.get_by_text("no such customer").first).to_be_visible()


def test_a_decision_that_comes_too_late_says_so(page, order_id):
    workflow = place(order_id, requiresApproval=True)
    page.goto(f"/orders/{workflow}/approve")
    until(lambda: send("POST", f"{CONSOLE}/api/v1/order/{workflow}/reject", {})[0] == 200)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_contain_text("rejected")


def test_an_order_is_cancelled_midway_and_leaves_nothing_open(page, order_id):
    plan = {"payment.capture": ["internal_error"] * 20}
    assert send("PUT", f"{PROVIDER}/chaos/plans/{order_id}", plan)[0] == 200
    workflow = place(order_id)
    open_order(page, workflow)
    expect(page.get_by_text("payment.capture").first).to_be_visible(timeout=15_000)
    confirm(page, "Cancel")
    expect(page.get_by_text("The order is being cancelled.")).to_be_visible()
    expect(state(page)).to_have_text("cancelled", timeout=60_000)
    outcome = {"outcome": "not_shipped"}
    assert send("PUT", f"{PROVIDER}/ledger/orders/{order_id}/outcome", outcome)[0] == 200
    page.reload()
    expect(page.get_by_text("The ledger agrees with the recorded outcome")).to_be_visible()


def test_a_compensation_that_fails_is_repaired_by_hand(page, order_id):
    plan = {"inventory.reserve": ["out_of_stock"], "payment.release": ["internal_error"] * 60}
    assert send("PUT", f"{PROVIDER}/chaos/plans/{order_id}", plan)[0] == 200
    workflow = place(order_id)
    open_order(page, workflow)
    resolve = page.get_by_role("link", name="Resolve a compensation by hand")
    expect(resolve).to_be_visible(timeout=30_000)
    confirm(page, "Retry the compensations")
    expect(page.get_by_text("The compensations are tried again.")).to_be_visible()
    expect(resolve).to_be_visible(timeout=30_000)
    resolve.click()
    expect(page.get_by_label("Compensation")).to_have_value("release_payment")
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("alert")).to_contain_text("is required")
    page.get_by_label("Note").fill("released in the dashboard")
    page.get_by_label("Your name").fill("grace")
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("grace: released in the dashboard")).to_be_visible(timeout=15_000)
    expect(state(page)).to_have_text("failed", timeout=30_000)
