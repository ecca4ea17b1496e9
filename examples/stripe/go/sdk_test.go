// Package sdk drives the main paths by Stripe's own SDK for Go, unmodified.
package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82"
	"github.com/stripe/stripe-go/v82/client"
	"github.com/stripe/stripe-go/v82/webhook"
)

func base() string {
	if base := os.Getenv("STRIPE_API_BASE"); base != "" {
		return base
	}
	return "http://127.0.0.1:3001"
}

func sdk(key string, retries int64) *client.API {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL:               stripe.String(base()),
		MaxNetworkRetries: stripe.Int64(retries),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return client.New(key, &stripe.Backends{API: backend})
}

func newOrder(t *testing.T) string {
	return fmt.Sprintf("go-%s-%d", strings.NewReplacer("/", "-").Replace(t.Name()), time.Now().UnixNano())
}

// provider calls one of the provider's own endpoints.
func provider(t *testing.T, method, path string, body any) map[string]any {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(method, base()+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("content-type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func assertEffects(t *testing.T, order string, expected ...string) {
	t.Helper()
	effects := []string{}
	entries, _ := provider(t, http.MethodGet, "/ledger/orders/"+order, nil)["entries"].([]any)
	for _, entry := range entries {
		effects = append(effects, entry.(map[string]any)["effect"].(string))
	}
	if !reflect.DeepEqual(effects, append([]string{}, expected...)) {
		t.Fatalf("effects %v, expected %v", effects, expected)
	}
}

func payment(order string) *stripe.PaymentIntentParams {
	params := &stripe.PaymentIntentParams{
		Amount:        stripe.Int64(5998),
		Currency:      stripe.String("usd"),
		PaymentMethod: stripe.String("pm_card_visa"),
		Confirm:       stripe.Bool(true),
	}
	params.AddMetadata("order_id", order)
	return params
}

func must[T any](t *testing.T, err error, value T) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestAnIntentIsAuthorizedCapturedAndRefunded(t *testing.T) {
	api, order := sdk("sk_test_go", 0), newOrder(t)
	params := payment(order)
	params.CaptureMethod = stripe.String("manual")
	intent, err := api.PaymentIntents.New(params)
	must(t, err, intent)
	capture := &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(5000)}
	intent, err = api.PaymentIntents.Capture(intent.ID, capture)
	must(t, err, intent)
	if intent.Status != stripe.PaymentIntentStatusSucceeded || intent.AmountReceived != 5000 {
		t.Fatalf("%s, %d", intent.Status, intent.AmountReceived)
	}
	refund := &stripe.RefundParams{PaymentIntent: stripe.String(intent.ID), Amount: stripe.Int64(1000)}
	refunded, err := api.Refunds.New(refund)
	must(t, err, refunded)
	get := &stripe.PaymentIntentParams{}
	get.AddExpand("latest_charge")
	intent, err = api.PaymentIntents.Get(intent.ID, get)
	must(t, err, intent)
	if intent.LatestCharge.AmountRefunded != 1000 {
		t.Fatalf("refunded %d", intent.LatestCharge.AmountRefunded)
	}
	assertEffects(t, order, "held", "captured", "released", "refunded")
}

func TestADeclinedCardIsACardError(t *testing.T) {
	params := payment(newOrder(t))
	params.PaymentMethod = stripe.String("pm_card_chargeDeclinedInsufficientFunds")
	_, err := sdk("sk_test_go", 0).PaymentIntents.New(params)
	var declined *stripe.Error
	if !errors.As(err, &declined) || declined.Type != stripe.ErrorTypeCard {
		t.Fatalf("%v", err)
	}
	if declined.Code != stripe.ErrorCodeCardDeclined || declined.DeclineCode != stripe.DeclineCodeInsufficientFunds {
		t.Fatalf("%s, %s", declined.Code, declined.DeclineCode)
	}
	if declined.PaymentIntent.Status != stripe.PaymentIntentStatusRequiresPaymentMethod {
		t.Fatalf("%s", declined.PaymentIntent.Status)
	}
}

func TestALiveKeyAndAnUnknownPathAreRefused(t *testing.T) {
	var refused *stripe.Error
	if _, err := sdk("sk_live_1", 0).Balance.Get(nil); !errors.As(err, &refused) || refused.HTTPStatusCode != 401 {
		t.Fatalf("%v", err)
	}
	_, err := sdk("sk_test_go", 0).Invoices.Get("in_1", nil)
	if !errors.As(err, &refused) || !strings.Contains(refused.Msg, "fake-stripe-chaos") {
		t.Fatalf("%v", err)
	}
}

func TestListsArePagedAutomatically(t *testing.T) {
	api := sdk("sk_test_go", 0)
	customer, err := api.Customers.New(&stripe.CustomerParams{Name: stripe.String("Ada")})
	must(t, err, customer)
	for amount := int64(1); amount <= 12; amount++ {
		params := &stripe.PaymentIntentParams{
			Amount:   stripe.Int64(amount),
			Currency: stripe.String("usd"),
			Customer: stripe.String(customer.ID),
		}
		intent, err := api.PaymentIntents.New(params)
		must(t, err, intent)
	}
	params := &stripe.PaymentIntentListParams{Customer: stripe.String(customer.ID)}
	params.Limit = stripe.Int64(5)
	count, list := int64(0), api.PaymentIntents.List(params)
	for list.Next() {
		if amount := list.PaymentIntent().Amount; amount != 12-count {
			t.Fatalf("place %d has %d", count, amount)
		}
		count++
	}
	if list.Err() != nil || count != 12 {
		t.Fatalf("%d, %v", count, list.Err())
	}
}

func TestTheSDKRetriesWithItsOwnKeyAndPaysOnce(t *testing.T) {
	for _, fault := range []string{"connection_reset_after_commit", "connection_reset"} {
		t.Run(fault, func(t *testing.T) {
			order := newOrder(t)
			plan := map[string][]string{"stripe.payment_intents.create": {fault, "success"}}
			provider(t, http.MethodPut, "/chaos/plans/"+order, plan)
			intent, err := sdk("sk_test_go", 3).PaymentIntents.New(payment(order))
			must(t, err, intent)
			assertEffects(t, order, "held", "captured")
		})
	}
}

// This version of the SDK retries lost connections only. Every other error is the caller's to retry, under one key.
func TestACallerRetriesALostAnswerUnderOneKeyAndPaysOnce(t *testing.T) {
	for _, fault := range []string{"timeout_after_commit", "rate_limited"} {
		t.Run(fault, func(t *testing.T) {
			order := newOrder(t)
			plan := map[string][]string{"stripe.payment_intents.create": {fault, "success"}}
			provider(t, http.MethodPut, "/chaos/plans/"+order, plan)
			pay := func() (*stripe.PaymentIntent, error) {
				params := payment(order)
				params.SetIdempotencyKey(order)
				return sdk("sk_test_go", 3).PaymentIntents.New(params)
			}
			if _, err := pay(); err == nil {
				t.Fatal("the SDK retries it by itself")
			}
			intent, err := pay()
			must(t, err, intent)
			assertEffects(t, order, "held", "captured")
		})
	}
}

func TestAFailureIsReplayedAndNothingIsPaid(t *testing.T) {
	order := newOrder(t)
	plan := map[string][]string{"stripe.payment_intents.create": {"internal_error", "success"}}
	provider(t, http.MethodPut, "/chaos/plans/"+order, plan)
	_, err := sdk("sk_test_go", 2).PaymentIntents.New(payment(order))
	var failed *stripe.Error
	if !errors.As(err, &failed) || failed.HTTPStatusCode != 500 {
		t.Fatalf("%v", err)
	}
	assertEffects(t, order)
}

func TestTheSDKVerifiesAWebhook(t *testing.T) {
	api, order := sdk("sk_test_go", 0), newOrder(t)
	type delivery struct {
		body      []byte
		signature string
	}
	received := make(chan delivery, 16)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		if bytes.Contains(body, []byte(order)) {
			received <- delivery{body, request.Header.Get("Stripe-Signature")}
		}
	}))
	defer server.Close()
	params := &stripe.WebhookEndpointParams{
		URL:           stripe.String(server.URL),
		EnabledEvents: stripe.StringSlice([]string{"payment_intent.succeeded"}),
	}
	endpoint, err := api.WebhookEndpoints.New(params)
	must(t, err, endpoint)
	intent, err := api.PaymentIntents.New(payment(order))
	must(t, err, intent)
	select {
	case got := <-received:
		// The version of the events is fixed, and the SDK's is a later one.
		options := webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true}
		event, err := webhook.ConstructEventWithOptions(got.body, got.signature, endpoint.Secret, options)
		if must(t, err, event).Type != stripe.EventTypePaymentIntentSucceeded {
			t.Fatalf("%s", event.Type)
		}
		if _, err := webhook.ConstructEventWithOptions(got.body, got.signature, "whsec_other", options); err == nil {
			t.Fatal("a wrong secret is accepted")
		}
	case <-time.After(15 * time.Second):
		t.Fatal("no webhook")
	}
	if _, err := api.WebhookEndpoints.Del(endpoint.ID, nil); err != nil {
		t.Fatal(err)
	}
}
