// Drives the main paths by Stripe's own SDK for Node, unmodified. The compiler checks every answer's type.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import Stripe from "stripe";

const base = new URL(process.env.STRIPE_API_BASE ?? "http://127.0.0.1:3001");

function client(maxNetworkRetries = 0): Stripe {
  const { hostname: host, port } = base;
  return new Stripe("sk_test_node", { host, port, protocol: "http", maxNetworkRetries, telemetry: false });
}

/** Calls one of the provider's own endpoints. */
async function provider(method: string, path: string, body?: unknown): Promise<any> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(new URL(path, base), { method, headers, body: body ? JSON.stringify(body) : undefined });
  return response.json();
}

async function effects(order: string): Promise<string[]> {
  const { entries } = await provider("GET", `/ledger/orders/${order}`);
  return (entries ?? []).map((entry: { effect: string }) => entry.effect);
}

function payment(order: string): Stripe.PaymentIntentCreateParams {
  const metadata = { order_id: order };
  return { amount: 5998, currency: "usd", payment_method: "pm_card_visa", confirm: true, metadata };
}

test("an intent is authorized, captured and refunded", async () => {
  const [stripe, order] = [client(), `node-${randomUUID()}`];
  const intent = await stripe.paymentIntents.create({ ...payment(order), capture_method: "manual" });
  assert.equal(intent.status, "requires_capture");
  const captured = await stripe.paymentIntents.capture(intent.id, { amount_to_capture: 5000 });
  assert.deepEqual([captured.status, captured.amount_received], ["succeeded", 5000]);
  const refund = await stripe.refunds.create({ payment_intent: intent.id, amount: 1000 });
  assert.equal(refund.status, "succeeded");
  const found = await stripe.paymentIntents.retrieve(intent.id, { expand: ["latest_charge"] });
  const charge = found.latest_charge as Stripe.Charge;
  assert.deepEqual([charge.amount_refunded, charge.refunded], [1000, false]);
  assert.deepEqual(await effects(order), ["held", "captured", "released", "refunded"]);
});

test("an intent is cancelled", async () => {
  const [stripe, order] = [client(), `node-${randomUUID()}`];
  const intent = await stripe.paymentIntents.create({ ...payment(order), capture_method: "manual" });
  const cancelled = await stripe.paymentIntents.cancel(intent.id);
  assert.equal(cancelled.status, "canceled");
  assert.deepEqual(await effects(order), ["held", "released"]);
});

test("a declined card is the SDK's card error", async () => {
  const declined = { ...payment(`node-${randomUUID()}`), payment_method: "pm_card_chargeDeclinedInsufficientFunds" };
  await assert.rejects(client().paymentIntents.create(declined), (error: unknown) => {
    assert.ok(error instanceof Stripe.errors.StripeCardError);
    assert.deepEqual([error.statusCode, error.code, error.decline_code], [402, "card_declined", "insufficient_funds"]);
    assert.equal(error.payment_intent?.status, "requires_payment_method");
    return true;
  });
});

test("wrong requests raise the SDK's errors", async () => {
  const { StripeInvalidRequestError, StripeAuthenticationError } = Stripe.errors;
  await assert.rejects(client().paymentIntents.retrieve("pi_none"), StripeInvalidRequestError);
  await assert.rejects(client().invoices.list(), /fake-stripe-chaos/);
  const live = new Stripe("sk_live_1", { host: base.hostname, port: base.port, protocol: "http" });
  await assert.rejects(live.balance.retrieve(), StripeAuthenticationError);
  const idempotencyKey = randomUUID();
  await client().customers.create({ name: "Ada" }, { idempotencyKey });
  const other = client().customers.create({ name: "Grace" }, { idempotencyKey });
  await assert.rejects(other, Stripe.errors.StripeIdempotencyError);
});

test("lists are paged automatically", async () => {
  const stripe = client();
  const customer = await stripe.customers.create({ name: "Ada" });
  for (let amount = 1; amount <= 12; amount += 1) {
    await stripe.paymentIntents.create({ amount, currency: "usd", customer: customer.id });
  }
  const amounts: number[] = [];
  for await (const intent of stripe.paymentIntents.list({ customer: customer.id, limit: 5 })) {
    amounts.push(intent.amount);
  }
  assert.deepEqual(amounts, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
});

for (const fault of ["timeout_after_commit", "connection_reset_after_commit", "rate_limited"]) {
  test(`the SDK retries ${fault} with its own key and pays once`, async () => {
    const order = `node-${randomUUID()}`;
    await provider("PUT", `/chaos/plans/${order}`, { "stripe.payment_intents.create": [fault, "success"] });
    const intent = await client(3).paymentIntents.create(payment(order));
    assert.equal(intent.status, "succeeded");
    assert.deepEqual(await effects(order), ["held", "captured"]);
  });
}

test("a failure is replayed to the SDK's retries and nothing is paid", async () => {
  const order = `node-${randomUUID()}`;
  await provider("PUT", `/chaos/plans/${order}`, { "stripe.payment_intents.create": ["internal_error"] });
  await assert.rejects(client(2).paymentIntents.create(payment(order)), Stripe.errors.StripeAPIError);
  assert.deepEqual(await effects(order), []);
});

test("the SDK verifies a webhook", async () => {
  const [stripe, order] = [client(), `node-${randomUUID()}`];
  let received: (event: [string, string]) => void = () => {};
  const next = new Promise<[string, string]>((resolve) => { received = resolve; });
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    response.end();
    if (body.includes(order)) received([body, String(request.headers["stripe-signature"])]);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  const endpoint = await stripe.webhookEndpoints.create({ url, enabled_events: ["payment_intent.succeeded"] });
  await stripe.paymentIntents.create(payment(order));
  const [body, signature] = await next;
  const event = stripe.webhooks.constructEvent(body, signature, endpoint.secret ?? "");
  assert.equal(event.type, "payment_intent.succeeded");
  assert.throws(() => stripe.webhooks.constructEvent(body, signature, "whsec_other"));
  await stripe.webhookEndpoints.del(endpoint.id);
  server.closeAllConnections();
  server.close();
});
