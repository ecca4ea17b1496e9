"""Signs in as each role and as nobody, on a stack with AUTH=jwt that .ci/console starts."""

import os
import time
from pathlib import Path

import jwt
import pytest
from playwright.sync_api import expect

from conftest import CONSOLE, PROVIDER, SHOTS, WIDTHS, order, send, until

KEY = os.environ.get("ISSUER_KEY")
pytestmark = pytest.mark.skipif(not KEY, reason="needs a stack with AUTH=jwt; .ci/console starts one")


def token(subject, *roles, expires_in=3600):
    claims = {
        "iss": "console-tests", "aud": "orders", "sub": subject, "roles": list(roles),
        "exp": int(time.time()) + expires_in,
    }
    return jwt.encode(claims, Path(KEY).read_bytes(), "EdDSA", headers={"kid": "one"})


def api(method, path, body=None, by=None):
    return send(method, CONSOLE + path, body, {"Authorization": f"Bearer {by}"} if by else {})


def place(order_id, customer, **changes):
    """Places an order as an operator, and returns its workflow id."""
    status, answer = api("POST", "/api/v1/order", order(order_id, customerId=customer, **changes), token("o", "operator"))
    assert status == 201, answer
    return answer["workflowId"]


def sign_in(page, subject, *roles, **more):
    page.goto("/login")
    page.get_by_label("Token").fill(token(subject, *roles, **more))
    page.get_by_role("button", name="Sign in").click()


def actions(page):
    links = page.get_by_role("region", name="State").get_by_role("link")
    return sorted(links.all_inner_texts())


def test_nobody_is_led_to_the_sign_in_page_and_back(page, order_id):
    workflow = place(order_id, "c", requiresApproval=True)
    for path in ["/", f"/orders/{workflow}", "/orders/new", "/chaos", "/verdict", "/payments", "/reconciliation"]:
        page.goto(path)
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert api("GET", "/api/v1/orders")[0] == 401
    page.goto(f"/orders/{workflow}")
    page.get_by_label("Token").fill(token("vera", "viewer"))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{CONSOLE}/orders/{workflow}")
    expect(page.get_by_text("vera")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_no_script_reads_the_token(page):
    sign_in(page, "vera", "viewer")
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    assert "console_session" not in page.evaluate("document.cookie")
    [cookie] = [one for one in page.context.cookies() if one["name"] == "console_session"]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"


def test_a_bad_token_says_why_and_an_expired_one_asks_again(page):
    page.goto("/login")
    page.get_by_label("Token").fill("nonsense")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("no signed JWT")
    sign_in(page, "vera", "viewer", expires_in=-29)
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    until(lambda: page.goto("/") and page.get_by_role("alert").count())
    expect(page.get_by_role("alert")).to_contain_text("no longer accepted")


def test_each_role_is_offered_its_own_actions(page, order_id):
    workflow = place(order_id, "carla", requiresApproval=True)
    offers = {
        ("viewer",): [],
        ("manager",): ["Approve", "Reject"],
        ("operator",): ["Cancel"],
        ("manager", "operator"): ["Approve", "Cancel", "Reject"],
    }
    for roles, offered in offers.items():
        sign_in(page, "somebody", *roles)
        page.goto(f"/orders/{workflow}")
        expect(page.get_by_role("heading", name="Order")).to_be_visible()
        assert actions(page) == offered, roles
        page.goto("/")
        assert page.get_by_role("link", name="Place an order").count() == ("operator" in roles)
        page.goto("/chaos")
        assert page.get_by_role("button", name="Switch it off now").count() == ("operator" in roles)


def test_a_manager_approves_and_the_order_says_who(page, order_id):
    workflow = place(order_id, "carla", requiresApproval=True)
    sign_in(page, "grace", "manager")
    page.goto(f"/orders/{workflow}")
    page.get_by_role("link", name="Approve").click()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("approved by grace")).to_be_visible()
    assert api("GET", f"/api/v1/order/{workflow}/status", by=token("v", "viewer"))[1]["decidedBy"] == "grace"


def test_a_viewer_who_guesses_an_address_changes_nothing(page, order_id):
    workflow = place(order_id, "carla", requiresApproval=True)
    sign_in(page, "vera", "viewer")
    page.goto(f"/orders/{workflow}/approve")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_contain_text("needs the role manager")
    state = api("GET", f"/api/v1/order/{workflow}/status", by=token("v", "viewer"))[1]
    assert state["status"] == "pending_approval"


def test_a_customer_sees_places_and_cancels_only_their_own_orders(page, order_id):
    own = place(f"{order_id}-own", "carla", requiresApproval=True)
    other = place(f"{order_id}-other", "dora", requiresApproval=True)
    sign_in(page, "carla", "customer")
    listed = page.get_by_role("row").filter(has_text=order_id)
    until(lambda: page.goto("/") and listed.count())
    expect(listed).to_have_count(1)
    page.goto(f"/orders/{other}")
    expect(page.get_by_role("alert")).to_contain_text("order_not_found")
    page.goto("/chaos")
    expect(page.get_by_role("alert")).to_contain_text("forbidden")
    page.goto(f"/orders/{own}")
    assert actions(page) == ["Cancel"]
    page.get_by_role("link", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("yes, by carla")).to_be_visible()


def test_an_operator_changes_chaos_with_the_token_of_the_console(page):
    assert send("PUT", f"{PROVIDER}/chaos/profile", {"name": "calm"})[0] == 401
    sign_in(page, "olga", "operator")
    page.goto("/chaos")
    page.get_by_label("Profile").select_option("calm")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_role("heading", name="In force: calm")).to_be_visible()
    page.get_by_role("button", name="Back to the configured profile").click()
    expect(page.get_by_role("heading", name="In force: off")).to_be_visible()


def test_a_page_of_another_site_changes_nothing(page, order_id):
    workflow = place(order_id, "carla", requiresApproval=True)
    sign_in(page, "mona", "manager", "operator")
    for path in [f"/orders/{workflow}/approve", f"/api/v1/order/{workflow}/approve"]:
        # Chromium takes localhost and 127.0.0.1 for two sites.
        evil = f"<form method=post action='{CONSOLE}{path}'><button>Win</button></form>"
        page.route("http://localhost:1/evil", lambda route: route.fulfill(body=evil, content_type="text/html"))
        page.goto("http://localhost:1/evil")
        page.get_by_role("button", name="Win").click()
        page.wait_for_load_state()
        page.unroute("http://localhost:1/evil")
    state = api("GET", f"/api/v1/order/{workflow}/status", by=token("v", "viewer"))[1]
    assert state["status"] == "pending_approval"


def test_the_sign_in_page_is_accessible(chromium):
    from axe_playwright_python.sync_playwright import Axe

    for width, viewport in WIDTHS.items():
        context = chromium.new_context(viewport=viewport, base_url=CONSOLE, bypass_csp=True)
        page = context.new_page()
        page.goto("/login")
        assert not Axe().run(page).response["violations"]
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"login-{width}-light.png")
        context.close()
