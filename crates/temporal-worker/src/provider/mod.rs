//! The worker's client of the provider's HTTP API, with its own message types. A test runs it against the
//! real provider.

mod messages;

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde::{Serialize, de::DeserializeOwned};
use service_kit::{client, correlation, traces};
use workflows::{
    activities::{
        CallContext, UndoInput, UndoResult,
        inventory::{Reserve, Reserved, Restock},
        notification::{Notified, Notify},
        payment::{Authorize, Authorized, Capture, Charge, RefundPart, Refunded},
        shipping::{CreateLabel, Label},
    },
    ids::Call,
    policies::Policy,
    reconciliation::comparison::Outcome,
};

use messages::{
    AuthorizeRequest, CaptureRequest, ChargeRequest, LabelProgress, LabelRequest, LabelResponse,
    NotificationResponse, NotifyRequest, OpenOrders, OutcomeRequest, PartAnswer, PaymentResponse,
    RefundPartRequest, ReservationResponse, ReserveRequest, RestockRequest, UndoRequest, UndoResponse,
};
pub use messages::{ChargeResponse, LabelStatus, OpenOrder};

pub use crate::failure::CallError;
use crate::failure::{self, Resource};

/// Bounds a request for progress, because late progress is useless.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Bounds a read of the ledger.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// The maximum size of an answer, in bytes. Every real answer is far smaller.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Calls one provider.
#[derive(Clone)]
pub struct Provider {
    http: Client,
    base: String,
    admin_token: Option<String>,
}

impl Provider {
    /// # Errors
    /// Fails if no HTTP client can be built.
    pub fn new(base_url: &str) -> reqwest::Result<Self> {
        // Each call has the timeout of its policy. This one bounds calls without a policy.
        let http = client::build(Duration::from_mins(1))?;
        Ok(Self { http, base: base_url.to_owned(), admin_token: None })
    }

    /// Sets the token with which outcomes are recorded.
    #[must_use]
    pub fn with_admin_token(self, admin_token: Option<String>) -> Self {
        Self { admin_token, ..self }
    }

    /// # Errors
    /// Fails on any answer but the authorization.
    pub async fn authorize(&self, input: &Authorize) -> Result<Authorized, CallError> {
        let body = AuthorizeRequest {
            amount: input.amount,
            currency: &input.currency,
            order_id: &input.call.order_id,
            customer_id: &input.customer_id,
        };
        let payment: PaymentResponse =
            self.post(Call::AuthorizePayment, "/payment/authorize", &input.call, &body).await?;
        Ok(Authorized { auth_id: payment.auth_id })
    }

    /// Captures a payment. A payment that was captured before counts, if its amount is exactly this order's.
    ///
    /// # Errors
    /// Fails on any answer but the capture; [`CallError::ledger_mismatch`] for another captured payment.
    pub async fn capture(&self, input: &Capture) -> Result<(), CallError> {
        let body = CaptureRequest { auth_id: &input.auth_id };
        match self.post::<PaymentResponse>(Call::CapturePayment, "/payment/capture", &input.call, &body).await
        {
            Ok(payment) => input.verify(&payment),
            Err(error) if error.code == "already_captured" => {
                input.verify(&error.resource::<PaymentResponse>().ok_or_else(|| error.clone())?)
            }
            Err(error) => Err(error),
        }
    }

    /// Authorizes and captures in one call.
    ///
    /// # Errors
    /// Fails on any answer but the charge; [`CallError::ledger_mismatch`] for another charged amount.
    pub async fn charge(&self, input: &Charge) -> Result<ChargeResponse, CallError> {
        let body = ChargeRequest {
            amount: input.amount,
            currency: &input.currency,
            source: &input.source,
            description: input.description.as_deref(),
            order_id: &input.call.order_id,
        };
        let charge: ChargeResponse =
            self.post(Call::ChargePayment, "/payment/charge", &input.call, &body).await?;
        if (charge.amount, &charge.currency) == (input.amount, &input.currency) {
            Ok(charge)
        } else {
            Err(CallError::ledger_mismatch(format!(
                "charged {} {}, this payment is about {} {}",
                charge.amount, charge.currency, input.amount, input.currency
            )))
        }
    }

    /// # Errors
    /// Fails unless the authorization is voided, now or before.
    pub async fn release_payment(&self, undo: &UndoInput) -> Result<UndoResult, CallError> {
        self.undo(Call::ReleasePayment, "/payment/release", undo, "already_released").await
    }

    /// # Errors
    /// Fails unless the payment is refunded, now or before.
    pub async fn refund(&self, undo: &UndoInput) -> Result<UndoResult, CallError> {
        self.undo(Call::RefundPayment, "/payment/refund", undo, "already_refunded").await
    }

    /// Refunds a part of a captured payment. A payment that was refunded in whole before counts.
    ///
    /// # Errors
    /// Fails on any answer but the refund; [`CallError::ledger_mismatch`] if there is no such payment.
    pub async fn refund_part(&self, input: &RefundPart) -> Result<Refunded, CallError> {
        let body = RefundPartRequest { key: &input.capture_key, amount: input.amount };
        let answer = self.post::<PartAnswer>(Call::RefundReturn, "/payment/refund", &input.call, &body).await;
        match answer {
            Ok(answer) if answer.is_nothing() => {
                Err(CallError::ledger_mismatch("the order has no captured payment"))
            }
            Ok(PartAnswer { refund_id, .. }) => Ok(Refunded { refund_id }),
            Err(error) if error.code == "already_refunded" => Ok(Refunded { refund_id: None }),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// Fails unless the stock is back; [`CallError::ledger_mismatch`] if the order has no reservation.
    pub async fn restock(&self, input: &Restock) -> Result<(), CallError> {
        let body = RestockRequest::new(input);
        let answer: PartAnswer =
            self.post(Call::RestockInventory, "/inventory/restock", &input.call, &body).await?;
        if answer.is_nothing() {
            return Err(CallError::ledger_mismatch("the order has no reservation"));
        }
        Ok(())
    }

    /// # Errors
    /// Fails on any answer but the reservation.
    pub async fn reserve(&self, input: &Reserve) -> Result<Reserved, CallError> {
        let body = ReserveRequest::new(input);
        let reservation: ReservationResponse =
            self.post(Call::ReserveInventory, "/inventory/reserve", &input.call, &body).await?;
        Ok(Reserved { reservation_id: reservation.reservation_id })
    }

    /// # Errors
    /// Fails unless the reservation is released, now or before.
    pub async fn release_inventory(&self, undo: &UndoInput) -> Result<UndoResult, CallError> {
        self.undo(Call::ReleaseInventory, "/inventory/release", undo, "already_released").await
    }

    /// Creates a label: to the customer by `CreateShippingLabel`, back from it by `CreateReturnLabel`.
    ///
    /// # Errors
    /// Fails on any answer but the label.
    pub async fn create_label(&self, call: Call, input: &CreateLabel) -> Result<Label, CallError> {
        let path = match call {
            Call::CreateReturnLabel => "/shipping/create-return-label",
            _ => "/shipping/create-label",
        };
        let label: LabelResponse = self.post(call, path, &input.call, &LabelRequest::new(input)).await?;
        Ok(Label { label_id: label.label_id, tracking_number: label.tracking_number })
    }

    /// Returns the progress of the label with the call's key.
    ///
    /// # Errors
    /// Fails if the provider doesn't answer.
    pub async fn label_progress(&self, call: &CallContext) -> Result<LabelProgress, CallError> {
        let key =
            percent_encoding::utf8_percent_encode(&call.idempotency_key, percent_encoding::NON_ALPHANUMERIC);
        let request =
            self.request(Method::GET, &format!("/shipping/by-key/{key}"), call).timeout(PROGRESS_TIMEOUT);
        answer(request).await
    }

    /// # Errors
    /// Fails unless the label is cancelled, now or before.
    pub async fn cancel_label(&self, undo: &UndoInput) -> Result<UndoResult, CallError> {
        self.undo(Call::CancelShippingLabel, "/shipping/cancel", undo, "already_cancelled").await
    }

    /// # Errors
    /// Fails unless the notification was sent.
    pub async fn notify(&self, input: &Notify) -> Result<Notified, CallError> {
        let body = NotifyRequest::email(input);
        let sent: NotificationResponse =
            self.post(Call::SendNotification, "/notification/send", &input.call, &body).await?;
        Ok(Notified { notification_id: sent.notification_id })
    }

    /// Returns a page of the ledger's orders by their ids, and the last id if more follow.
    ///
    /// # Errors
    /// Fails if the provider doesn't answer.
    pub async fn open_orders(
        &self,
        correlation_id: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<OpenOrder>, Option<String>), CallError> {
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(after.map(|after| ("after", after)));
        let request = self.read("/ledger/orders", correlation_id).query(&query);
        let OpenOrders { orders, next } = answer(request).await?;
        Ok((orders, next))
    }

    /// Returns one order of the ledger; `None` if the ledger doesn't know it.
    ///
    /// # Errors
    /// Fails if the provider doesn't answer.
    pub async fn open_order(
        &self,
        correlation_id: &str,
        order_id: &str,
    ) -> Result<Option<OpenOrder>, CallError> {
        let request = self.read("/ledger/orders", correlation_id).query(&[("orderId", order_id)]);
        let page: OpenOrders = answer(request).await?;
        Ok(page.orders.into_iter().next())
    }

    /// Records how an order ended, as an observer. An order that shipped stays shipped.
    ///
    /// # Errors
    /// Fails if the provider doesn't answer.
    pub async fn record_outcome(
        &self,
        correlation_id: &str,
        order_id: &str,
        outcome: Outcome,
    ) -> Result<(), CallError> {
        let order = percent_encoding::utf8_percent_encode(order_id, percent_encoding::NON_ALPHANUMERIC);
        let request = self
            .http
            .put(format!("{}/ledger/orders/{order}/outcome", self.base))
            .header(correlation::HEADER, correlation_id)
            .timeout(READ_TIMEOUT)
            .json(&OutcomeRequest { outcome: outcome.name() });
        let request = match &self.admin_token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        match answer::<serde::de::IgnoredAny>(request).await {
            Err(error) if error.code == "order_already_shipped" => Ok(()),
            answered => answered.map(|_| ()),
        }
    }

    fn read(&self, path: &str, correlation_id: &str) -> RequestBuilder {
        self.http
            .get(format!("{}{path}", self.base))
            .header(correlation::HEADER, correlation_id)
            .timeout(READ_TIMEOUT)
    }

    /// Checks that the provider answers.
    ///
    /// # Errors
    /// Returns the reason as a text.
    pub async fn ping(&self) -> Result<(), String> {
        let request = self.http.get(format!("{}/health/live", self.base)).timeout(PROGRESS_TIMEOUT);
        let response = request.send().await.map_err(|error| CallError::from(error).message)?;
        if response.status().is_success() { Ok(()) } else { Err(format!("it answers {}", response.status())) }
    }

    async fn undo(
        &self,
        call: Call,
        path: &str,
        undo: &UndoInput,
        already: &str,
    ) -> Result<UndoResult, CallError> {
        let body = UndoRequest { key: &undo.forward_key };
        match self.post::<UndoResponse>(call, path, &undo.call, &body).await {
            Ok(response) => Ok(response.result()),
            Err(error) if error.code == already => {
                let resource = error.resource::<Resource>().ok_or_else(|| error.clone())?;
                if resource.order_id.is_none_or(|order| order == undo.call.order_id) {
                    Ok(UndoResult::Undone)
                } else {
                    Err(CallError::ledger_mismatch("what was undone before belongs to another order"))
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn post<T: DeserializeOwned>(
        &self,
        call: Call,
        path: &str,
        context: &CallContext,
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        let request = self
            .request(Method::POST, path, context)
            .header("idempotency-key", &context.idempotency_key)
            .timeout(Policy::for_call(call).http_timeout)
            .json(body);
        answer(request).await
    }

    fn request(&self, method: Method, path: &str, context: &CallContext) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .header(correlation::HEADER, &context.correlation_id)
            .header("x-order-id", &context.order_id)
    }
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, CallError> {
    let response = traces::send(request).await?;
    let status = response.status();
    let retry_after = failure::retry_after(response.headers());
    let Some(body) = client::bounded(response, MAX_ANSWER_BYTES).await? else {
        return Err(CallError::too_large(MAX_ANSWER_BYTES));
    };
    if status.is_success() {
        serde_json::from_slice(&body).map_err(|error| CallError::invalid_body(&error))
    } else {
        Err(CallError::from_answer(status.as_u16(), retry_after, &body))
    }
}

trait VerifyPayment {
    fn verify(&self, payment: &PaymentResponse) -> Result<(), CallError>;
}

impl VerifyPayment for Capture {
    /// Compares the captured payment with the authorization of this order.
    fn verify(&self, payment: &PaymentResponse) -> Result<(), CallError> {
        let same = payment.auth_id == self.auth_id
            && payment.amount == self.amount
            && payment.currency == self.currency;
        if same {
            Ok(())
        } else {
            Err(CallError::ledger_mismatch(format!(
                "captured {} {} under {}, this order authorized {} {} under {}",
                payment.amount, payment.currency, payment.auth_id, self.amount, self.currency, self.auth_id
            )))
        }
    }
}
