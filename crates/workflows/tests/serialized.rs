//! Checks the serialized form of each type in histories, queries and results. Rust items may get other names;
//! these texts never change.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use workflows::{
    activities::{AttemptDetails, UndoInput, UndoOutput, user_context},
    ids::Call,
    order_fulfillment::{
        messages::OrderInput,
        state::{CurrentStep, Decision, FailureCode, OrderStatus, Step},
    },
    payment::{
        messages::PaymentInput,
        state::{PaymentFailure, PaymentStatus},
    },
    saga::{Compensation, CompensationRecords, Saga},
    user_context::{
        messages::Strategy,
        state::{UserContextFailure, UserContextStatus},
    },
};

/// Reads the text, writes it again, and compares.
#[track_caller]
fn round_trips<T: DeserializeOwned + Serialize>(text: &str) {
    let value: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(serde_json::to_string(&value).unwrap(), text);
}

// prose: off
const SAGA: &str = r#"{"debts":[{"compensation":"release_payment","standing":"owed"},{"compensation":"release_inventory","standing":{"failed":{"round":2}}},{"compensation":"refund_payment","standing":"nothing_to_undo"},{"compensation":"cancel_shipping","standing":"undone"},{"compensation":"refund_charge","standing":"resolved"}]}"#;

#[test]
fn a_saga_keeps_its_serialized_form() {
    round_trips::<Saga>(SAGA);
    round_trips::<Saga>(r#"{"debts":[]}"#);
}

#[test]
fn the_records_of_compensations_keep_their_serialized_form() {
    round_trips::<CompensationRecords>(
        r#"[{"name":"refund_payment","status":"waiting","timestamp":"t","attempts":2,"error":{"code":"internal_error","message":"m"}},{"name":"release_payment","status":"resolved","timestamp":"t","attempts":0,"note":"ops: by hand"}]"#,
    );
    for status in ["running", "waiting", "completed", "nothing_to_undo", "failed", "resolved"] {
        round_trips::<CompensationRecords>(&format!(
            r#"[{{"name":"refund_charge","status":"{status}","timestamp":"t","attempts":1}}]"#
        ));
    }
}

// prose: on
/// `SAGA` in the place of continue-as-new's input.
#[test]
fn the_input_of_a_continued_order_keeps_its_serialized_form() {
    let order = r#"{"state":{"orderId":"42","status":"compensating","progress":45,"currentStep":"compensating","completedSteps":[{"name":"payment_authorization","status":"completed","timestamp":"t","data":{"authId":"auth_1"}},{"name":"customer_notification","status":"failed","timestamp":"t","data":{}}],"compensations":[],"error":{"code":"OUT_OF_STOCK","message":"m"},"authId":"auth_1","reservationId":"res_1","labelId":"lbl_1","trackingNumber":"1Z","requiresApproval":true,"decision":"approved","cancelled":false,"version":12},"cause":{"code":"OUT_OF_STOCK","message":"m"}}"#;
    let timing = r#"{"approvalTimeoutMs":1,"retryInitialMs":2,"retryMaximumMs":3,"retryAfterMaximumMs":4,"compensationInitialMs":5,"compensationMaximumMs":6}"#;
    let address = r#"{"street":"1 Row","city":"London","state":"LDN","zip":"W1","country":"GB"}"#;
    round_trips::<OrderInput>(&format!(
        r#"{{"orderId":"42","customerId":"c","customerEmail":"e","items":[{{"sku":"book","quantity":2,"price":2999}}],"amount":5998,"currency":"usd","shippingAddress":{address},"requiresApproval":true,"correlationId":"corr","searchAttributes":true,"timing":{timing},"resumed":{{"order":{order},"saga":{SAGA},"round":2}}}}"#
    ));
}

#[test]
fn the_input_of_a_continued_payment_keeps_its_serialized_form() {
    let payment = r#"{"state":{"orderId":"42","status":"compensating","attempts":3,"amount":5998,"currency":"usd","chargeId":"ch_1","authId":"auth_1","chargedAt":"t","cancellable":false,"cancelled":true,"compensations":[],"error":{"code":"PAYMENT_CANCELLED","message":"m"},"version":4},"cause":{"code":"PAYMENT_CANCELLED","message":"m"}}"#;
    let timing = r#"{"approvalTimeoutMs":1,"retryInitialMs":2,"retryMaximumMs":3,"retryAfterMaximumMs":4,"compensationInitialMs":5,"compensationMaximumMs":6}"#;
    round_trips::<PaymentInput>(&format!(
        r#"{{"orderId":"42","amount":5998,"currency":"usd","source":"tok_visa","description":"d","correlationId":"corr","cancelWindowMs":7,"timing":{timing},"resumed":{{"payment":{payment},"saga":{SAGA},"round":2}}}}"#
    ));
}

#[test]
fn the_messages_of_undos_keep_their_serialized_form() {
    round_trips::<UndoInput>(
        r#"{"call":{"orderId":"42","idempotencyKey":"k","correlationId":"c","retryAfterMaximumMs":60000},"forwardKey":"f"}"#,
    );
    round_trips::<UndoOutput>(r#"{"found":"undone","attempt":1}"#);
    round_trips::<UndoOutput>(r#"{"found":"nothing_to_undo","attempt":2}"#);
    round_trips::<AttemptDetails>(r#"{"attempt":1}"#);
    round_trips::<AttemptDetails>(r#"{"attempt":2,"retryAfterMs":7000}"#);
}

#[test]
fn the_inputs_of_the_sources_keep_their_serialized_form() {
    round_trips::<user_context::LookUpInput>(r#"{"correlationId":"c"}"#);
    round_trips::<user_context::WeatherInput>(r#"{"correlationId":"c","latitude":1.5,"longitude":-2.5}"#);
}

/// Compares names with their list, and with the serialized form.
#[track_caller]
fn names_are<T: Copy + Serialize>(all: &[T], name: impl Fn(T) -> &'static str, expected: &[&str]) {
    let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
    assert_eq!(names, expected);
    assert_eq!(serde_json::to_value(all).unwrap(), json!(expected));
}

#[test]
fn the_names_of_an_order_stay() {
    names_are(
        OrderStatus::ALL,
        OrderStatus::name,
        &[
            "pending_approval",
            "approved",
            "processing",
            "shipped",
            "rejected",
            "cancelled",
            "failed",
            "compensating",
            "compensation_failed",
        ],
    );
    names_are(
        FailureCode::ALL,
        FailureCode::name,
        &[
            "ORDER_REJECTED",
            "APPROVAL_TIMEOUT",
            "ORDER_CANCELLED",
            "PAYMENT_DECLINED",
            "PAYMENT_EXPIRED",
            "OUT_OF_STOCK",
            "ADDRESS_REJECTED",
            "PROVIDER_UNAVAILABLE",
            "LEDGER_MISMATCH",
            "INTERNAL",
        ],
    );
    names_are(
        &[
            CurrentStep::Initializing,
            CurrentStep::AuthorizingPayment,
            CurrentStep::AwaitingApproval,
            CurrentStep::ReservingInventory,
            CurrentStep::CapturingPayment,
            CurrentStep::CreatingShippingLabel,
            CurrentStep::SendingNotification,
            CurrentStep::Compensating,
            CurrentStep::Completed,
        ],
        CurrentStep::name,
        &[
            "initializing",
            "authorizing_payment",
            "awaiting_approval",
            "reserving_inventory",
            "capturing_payment",
            "creating_shipping_label",
            "sending_notification",
            "compensating",
            "completed",
        ],
    );
    names_are(
        &[
            Step::PaymentAuthorization,
            Step::ManagerApproval,
            Step::InventoryReservation,
            Step::PaymentCapture,
            Step::ShippingLabel,
            Step::CustomerNotification,
        ],
        Step::name,
        &[
            "payment_authorization",
            "manager_approval",
            "inventory_reservation",
            "payment_capture",
            "shipping_label",
            "customer_notification",
        ],
    );
    names_are(
        &[Decision::Approved, Decision::Rejected, Decision::TimedOut],
        Decision::name,
        &["approved", "rejected", "timed_out"],
    );
}

#[test]
fn the_names_of_a_payment_and_of_a_user_context_stay() {
    names_are(
        PaymentStatus::ALL,
        PaymentStatus::name,
        &[
            "pending",
            "processing",
            "succeeded",
            "failed",
            "compensated",
            "compensating",
            "compensation_failed",
        ],
    );
    names_are(
        PaymentFailure::ALL,
        PaymentFailure::name,
        &["PAYMENT_CANCELLED", "PAYMENT_DECLINED", "PROVIDER_UNAVAILABLE", "LEDGER_MISMATCH", "INTERNAL"],
    );
    names_are(
        UserContextStatus::ALL,
        UserContextStatus::name,
        &["running", "completed", "cancelled", "failed"],
    );
    names_are(
        UserContextFailure::ALL,
        UserContextFailure::name,
        &["USER_CONTEXT_CANCELLED", "USER_CONTEXT_UNAVAILABLE"],
    );
    names_are(Strategy::ALL, Strategy::name, &["parallel", "sequential"]);
}

#[test]
fn the_names_of_compensations_stay() {
    names_are(
        &[Compensation::ORDER.as_slice(), Compensation::PAYMENT.as_slice()].concat(),
        Compensation::name,
        &["cancel_shipping", "refund_payment", "release_inventory", "release_payment", "refund_charge"],
    );
}

/// Part of the idempotency keys of running workflows.
#[test]
fn the_names_of_calls_stay() {
    let calls = [
        Call::AuthorizePayment,
        Call::ReserveInventory,
        Call::CapturePayment,
        Call::CreateShippingLabel,
        Call::SendNotification,
        Call::ReleasePayment,
        Call::RefundPayment,
        Call::ReleaseInventory,
        Call::CancelShippingLabel,
        Call::ChargePayment,
        Call::GetLocation,
        Call::GetWeather,
        Call::GetCatFact,
    ];
    let expected = [
        "authorize_payment",
        "reserve_inventory",
        "capture_payment",
        "create_shipping_label",
        "send_notification",
        "release_payment",
        "refund_payment",
        "release_inventory",
        "cancel_shipping_label",
        "charge_payment",
        "get_location",
        "get_weather",
        "get_cat_fact",
    ];
    assert_eq!(calls.map(Call::name), expected);
}
