"""Changes the chaos, forces a fault, and reads the verdict."""

import pytest
from playwright.sync_api import expect

from conftest import CONSOLE, PROVIDER, place, send, status_of, until


@pytest.fixture(autouse=True)
def chaos_stays_as_it_was():
    yield
    send("DELETE", f"{PROVIDER}/chaos/profile")


def profile():
    return send("GET", f"{PROVIDER}/chaos/profile")[1]


def test_the_profile_is_changed_for_a_while_and_switched_off_in_one_click(page):
    page.goto("/chaos")
    page.get_by_label("Profile").select_option("hostile")
    page.get_by_label("For how long").fill("5m")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_role("heading", name="In force: hostile")).to_be_visible()
    assert profile()["name"] == "hostile" and profile()["until"]
    page.get_by_role("button", name="Switch it off now").click()
    expect(page.get_by_role("heading", name="In force: off")).to_be_visible()
    assert profile()["name"] == "off"


def test_a_time_that_is_none_is_refused_and_changes_nothing(page):
    before = profile()
    page.goto("/chaos")
    page.get_by_label("For how long").fill("soon")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_role("alert")).to_contain_text("ttl")
    assert profile() == before


def test_a_forced_fault_is_in_the_journal_of_the_order(page, order_id):
    page.goto("/chaos")
    page.get_by_label("Order id").fill(order_id)
    page.get_by_label("Operation and scenario").select_option("payment.authorize timeout_after_commit")
    page.get_by_role("button", name="Force it").click()
    workflow = place(order_id)
    line = page.get_by_role("row").filter(has_text=order_id).filter(has_text="timeout after commit")
    expect(line).to_be_visible(timeout=15_000)
    expect(line).to_contain_text("by plan")
    until(lambda: status_of(workflow) == "shipped")


def test_draws_are_beside_their_odds(page, order_id):
    workflow = place(order_id)
    until(lambda: status_of(workflow) == "shipped")
    page.goto("/chaos")
    expect(page.get_by_role("meter", name="Odds of success").first).to_be_visible()
    expect(page.get_by_role("meter", name="Drawn share of success").first).to_be_visible()


def test_the_verdict_explains_each_contradiction(page, order_id):
    page.goto("/verdict")
    page.evaluate("window.isSamePage = true")
    # An observer records a shipment that never was.
    workflow = place(order_id, requiresApproval=True)
    until(lambda: send("GET", f"{PROVIDER}/ledger/orders/{order_id}")[0] == 200)
    outcome = f"{PROVIDER}/ledger/orders/{order_id}/outcome"
    assert send("PUT", outcome, {"outcome": "shipped"})[0] == 200
    found = page.get_by_role("listitem").filter(has_text=order_id).filter(has_text="shipped has one label")
    expect(found).to_be_visible(timeout=15_000)
    expect(found).to_contain_text("exactly one live shipping label")
    assert page.evaluate("window.isSamePage")
    # The order ships after all, so the verdict is right again.
    until(lambda: send("POST", f"{CONSOLE}/api/v1/order/{workflow}/approve")[0] == 200)
    until(lambda: status_of(workflow) == "shipped")
    expect(found).to_have_count(0, timeout=15_000)
