//! Reads and checks the request for an order as a whole, and reports all faults at once.

use std::str::FromStr;

use email_address::{EmailAddress, Options};
use serde::Serialize;
use service_kit::{
    auth::{AuthCode, Caller, roles::OPERATORS},
    json::{Faults, FromJson, Node},
    problem::Problem,
};
use workflows::{
    activities::shipping::Address,
    order_fulfillment::messages::{Item, OrderInput},
    policies::Timing,
    saga::Compensation,
};

use super::address::Destination;
use crate::{
    fields::{Id, Text},
    idempotency::Fingerprint,
    money::{Currency, MAX_AMOUNT},
};

pub const ITEMS: std::ops::RangeInclusive<usize> = 1..=100;
pub const QUANTITY: std::ops::RangeInclusive<i64> = 1..=1_000_000;

/// Holds a customer, as a list's filter names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerId(String);

impl CustomerId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CustomerId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Id>().map(|id| Self(id.0))
    }
}

/// Holds an e-mail address.
pub struct Email(pub String);

impl FromStr for Email {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let options = Options::default().without_display_text().with_required_tld();
        EmailAddress::parse_with_options(text, options)
            .map(|_| Self(text.to_owned()))
            .map_err(|_| "must be an e-mail address")
    }
}

impl FromJson for Email {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.parse(faults)
    }
}

/// Holds the body `{"step", "note", "actor"}` of a compensation done by hand.
pub struct ResolutionRequest {
    pub compensation: Compensation,
    pub note: String,
    pub actor: Option<String>,
}

impl FromJson for ResolutionRequest {
    fn from_json(body: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = body.object(&["step", "note", "actor"], faults)?;
        let compensation = object.required_with("step", faults, |step, faults| {
            let name = step.string(faults)?;
            let ours = Compensation::ORDER;
            ours.into_iter().find(|one| one.name() == name).or_else(|| {
                let names = ours.map(Compensation::name).join(", ");
                step.fault(faults, format!("must be one of {names}"))
            })
        });
        let note: Option<Text> = object.required("note", faults);
        let actor = object.optional::<Text>("actor", faults);
        Some(Self { compensation: compensation?, note: note?.0, actor: actor?.map(|text| text.0) })
    }
}

/// Reads one item. Without a currency it reads the price but does not check it.
fn item(node: &Node<'_>, currency: Option<Currency>, faults: &mut Faults) -> Option<Item> {
    let object = node.object(&["sku", "quantity", "price"], faults)?;
    let sku: Option<Text> = object.required("sku", faults);
    let quantity = object.required_with("quantity", faults, |node, faults| node.integer(QUANTITY, faults));
    let price = object.required_with("price", faults, |node, faults| amount(node, currency, faults));
    let quantity = u32::try_from(quantity?).ok()?;
    Some(Item { sku: sku?.0, quantity, price: price? })
}

/// Reads the items of an order. Without a currency it reads the prices but does not check them.
pub fn items(node: &Node<'_>, currency: Option<Currency>, faults: &mut Faults) -> Option<Vec<Item>> {
    let nodes = node.array(faults)?;
    if !ITEMS.contains(&nodes.len()) {
        let (least, most) = (ITEMS.start(), ITEMS.end());
        return node.fault(faults, format!("must have {least} to {most} elements, not {}", nodes.len()));
    }
    let read: Vec<Option<Item>> = nodes.iter().map(|node| item(node, currency, faults)).collect();
    read.into_iter().collect()
}

/// Reads an amount of a currency. Without a currency it only checks that the amount is a number.
fn amount(node: &Node<'_>, currency: Option<Currency>, faults: &mut Faults) -> Option<u64> {
    if let Some(currency) = currency {
        return currency.amount(node, faults);
    }
    node.decimal(faults)?;
    None
}

/// Holds an order that may be started. Its serialized form is its fingerprint. So a new member must be
/// omitted while it has its default.
#[derive(Debug, Serialize)]
pub struct OrderRequest {
    order_id: String,
    customer_id: String,
    customer_email: String,
    items: Vec<Item>,
    amount: u64,
    currency: &'static str,
    shipping_address: Address,
    requires_approval: bool,
}

impl OrderRequest {
    /// Refuses a customer who orders in another's name.
    ///
    /// # Errors
    /// 403 `forbidden`.
    pub fn check_customer(&self, caller: &Caller) -> Result<(), Problem> {
        match caller.limited_to_own(OPERATORS) {
            Some(own) if own != self.customer_id => {
                Err(Problem::new(AuthCode::Forbidden, "a customer orders only for themselves"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the value that distinguishes this order from others, for any spelling of both.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("order", self)
    }

    pub fn order_id(&self) -> &str {
        &self.order_id
    }

    /// Returns the amount in major units.
    pub fn total(&self) -> String {
        self.currency.parse().unwrap_or(Currency::USD).major(self.amount).to_string()
    }

    /// Returns the input of the order's workflow.
    pub fn into_input(self, correlation_id: String, timing: Timing) -> OrderInput {
        OrderInput {
            order_id: self.order_id,
            customer_id: self.customer_id,
            customer_email: self.customer_email,
            items: self.items,
            amount: self.amount,
            currency: self.currency.to_owned(),
            shipping_address: self.shipping_address,
            requires_approval: self.requires_approval,
            correlation_id,
            // The gateway knows whether the namespace has them.
            search_attributes: false,
            timing,
            resumed: None,
        }
    }
}

impl FromJson for OrderRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(
            &[
                "orderId",
                "customerId",
                "customerEmail",
                "items",
                "totalAmount",
                "currency",
                "shippingAddress",
                "requiresApproval",
            ],
            faults,
        )?;
        let order_id: Option<Id> = object.required("orderId", faults);
        let customer_id: Option<Id> = object.required("customerId", faults);
        let customer_email: Option<Email> = object.required("customerEmail", faults);
        // The meaning of an amount depends on the currency.
        let currency = object.optional::<Currency>("currency", faults);
        let currency = currency.map(|currency| currency.unwrap_or(Currency::USD));
        let items = object.required_with("items", faults, |node, faults| items(node, currency, faults));
        let sum = items.as_deref().map(sum);
        let amount = object.required_with("totalAmount", faults, |node, faults| {
            let total = amount(node, currency, faults)?;
            let currency = currency?;
            match sum {
                Some(Some(sum)) if sum != total => {
                    node.fault(faults, format!("must equal the sum of the items, {}", currency.major(sum)))
                }
                Some(None) => {
                    let most = currency.major(MAX_AMOUNT);
                    node.fault(faults, format!("the items add up to more than {most}"))
                }
                _ => Some(total),
            }
        });
        let shipping_address: Option<Destination> = object.required("shippingAddress", faults);
        let requires_approval = object.optional::<bool>("requiresApproval", faults);
        Some(Self {
            order_id: order_id?.0,
            customer_id: customer_id?.0,
            customer_email: customer_email?.0,
            items: items?,
            amount: amount?,
            currency: currency?.code(),
            shipping_address: shipping_address?.0,
            requires_approval: requires_approval?.unwrap_or(false),
        })
    }
}

/// Returns `None` if the items cost more than the limit of an order.
pub fn sum(items: &[Item]) -> Option<u64> {
    items
        .iter()
        .try_fold(0_u64, |sum, item| sum.checked_add(item.price.checked_mul(u64::from(item.quantity))?))
        .filter(|sum| *sum <= MAX_AMOUNT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn order() -> Value {
        json!({
            "orderId": "order-1",
            "customerId": "customer-1",
            "customerEmail": "ada@example.com",
            "items": [{"sku": "book", "quantity": 2, "price": 29.99}],
            "totalAmount": 59.98,
            "shippingAddress": {"street": "1 Main St", "city": "Springfield", "state": "IL", "zip": "62701", "country": "US"},
        })
    }

    fn read(body: &str) -> Result<OrderRequest, Vec<(String, String)>> {
        service_kit::json::read::<OrderRequest>(body.as_bytes()).map_err(|problem| {
            problem.faults().iter().map(|fault| (fault.pointer.clone(), fault.message.clone())).collect()
        })
    }

    fn faults_with(pointer: &str, value: Value) -> Vec<(String, String)> {
        let mut order = order();
        *order.pointer_mut(pointer).unwrap() = value;
        read(&order.to_string()).map(|_| ()).unwrap_err()
    }

    fn only(pointer: &str, message: &str) -> Vec<(String, String)> {
        vec![(pointer.to_owned(), message.to_owned())]
    }

    #[test]
    fn fifty_nine_ninety_eight_is_5998_minor_units() {
        let order = read(&order().to_string()).unwrap();
        assert_eq!((order.amount, order.items[0].price), (5998, 2999));
        assert!(!order.requires_approval);
    }

    #[test]
    fn every_missing_member_is_named_at_once() {
        let pointers: Vec<String> = read("{}").unwrap_err().into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(
            pointers,
            ["/orderId", "/customerId", "/customerEmail", "/items", "/totalAmount", "/shippingAddress"]
        );
    }

    #[test]
    fn a_misspelt_member_is_a_fault_wherever_it_is() {
        let mut order = order();
        order["requiresAproval"] = json!(true);
        order["items"][0]["amount"] = json!(2);
        order["shippingAddress"]["Zip"] = json!("62701");
        assert_eq!(
            read(&order.to_string()).map(|_| ()).unwrap_err(),
            [
                ("/requiresAproval", "is not a member here; did you mean `requiresApproval`?"),
                ("/items/0/amount", "is not a member here; there are sku, quantity, price"),
                ("/shippingAddress/Zip", "is not a member here; did you mean `zip`?"),
            ]
            .map(|(pointer, message)| (pointer.to_owned(), message.to_owned()))
        );
    }

    #[test]
    fn a_sum_off_by_a_cent_names_the_right_one() {
        assert_eq!(
            faults_with("/totalAmount", json!(59.99)),
            only("/totalAmount", "must equal the sum of the items, 59.98")
        );
    }

    #[test]
    fn a_price_with_three_decimals_is_refused_but_a_trailing_zero_is_none() {
        assert_eq!(
            faults_with("/items/0/price", json!(29.991)),
            only("/items/0/price", "must have at most 2 decimals")
        );
        let written = order().to_string().replace("29.99", "29.9900").replace("59.98", "5.998e1");
        assert_eq!(read(&written).unwrap().amount, 5998);
    }

    #[test]
    fn amounts_out_of_range_are_refused() {
        let faults =
            |price: &str| read(&order().to_string().replace("29.99", price)).map(|_| ()).unwrap_err();
        assert_eq!(faults("0"), only("/items/0/price", "must be at least 0.01"));
        assert_eq!(faults("-1"), only("/items/0/price", "must be at least 0.01"));
        assert_eq!(faults("1000000"), only("/items/0/price", "must be at most 999999.99"));
        assert_eq!(faults("1e400"), only("/items/0/price", "is a number out of range"));
        assert_eq!(
            faults_with("/items/0/quantity", json!(1_000_000)),
            only("/totalAmount", "the items add up to more than 999999.99")
        );
    }

    #[test]
    fn ids_addresses_and_e_mails_are_checked() {
        for id in ["", "a b", "a/b", "a'b", "a\u{0}b", "é", &"x".repeat(129)] {
            let faults = faults_with("/orderId", json!(id));
            assert_eq!(faults, only("/orderId", "must be 1 to 128 of A-Z a-z 0-9 . _ -"), "{id:?}");
        }
        for id in [".", ".."] {
            assert_eq!(faults_with("/orderId", json!(id)), only("/orderId", "must not be . or .."));
        }
        for email in ["", "ada", "ada@", "@example.com", "Ada <ada@example.com>", "ada@localhost"] {
            let faults = faults_with("/customerEmail", json!(email));
            assert_eq!(faults, only("/customerEmail", "must be an e-mail address"), "{email:?}");
        }
        assert_eq!(
            faults_with("/shippingAddress/street", json!("  ")),
            only("/shippingAddress/street", "must not be empty")
        );
        assert_eq!(
            faults_with("/shippingAddress/city", json!("a\u{0}b")),
            only("/shippingAddress/city", "must not contain control characters")
        );
        assert_eq!(faults_with("/items", json!([])), only("/items", "must have 1 to 100 elements, not 0"));
        assert_eq!(
            faults_with("/items/0/quantity", json!(1.5)),
            only("/items/0/quantity", "must be an integer from 1 to 1000000")
        );
    }

    fn with(changes: &[(&str, Value)]) -> Value {
        let mut order = order();
        for (name, value) in changes {
            order[name] = value.clone();
        }
        order
    }

    #[test]
    fn a_currency_decides_the_decimals_and_usd_is_the_default() {
        assert_eq!(read(&order().to_string()).unwrap().currency, "usd");
        assert_eq!(read(&with(&[("currency", json!("EUR"))]).to_string()).unwrap().currency, "eur");
        let items = json!([{"sku": "book", "quantity": 2, "price": 2999}]);
        let yen = with(&[("currency", json!("jpy")), ("items", items), ("totalAmount", json!(5998))]);
        let order = read(&yen.to_string()).unwrap();
        assert_eq!((order.amount, order.items[0].price, order.currency), (5998, 2999, "jpy"));
        let cents = with(&[("currency", json!("jpy"))]);
        let faults = read(&cents.to_string()).map(|_| ()).unwrap_err();
        let message = "must have no decimals in jpy".to_owned();
        assert_eq!(
            faults,
            [("/items/0/price".to_owned(), message.clone()), ("/totalAmount".to_owned(), message)]
        );
        let dear = yen.to_string().replace("2999", "50000000").replace("5998", "100000000");
        let faults = read(&dear).map(|_| ()).unwrap_err();
        assert_eq!(faults, only("/totalAmount", "must be at most 99999999"));
        let faults = read(&with(&[("currency", json!("kwd"))]).to_string()).map(|_| ()).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].0, "/currency");
    }

    #[test]
    fn state_and_zip_are_asked_for_where_an_address_has_them() {
        let to = |country: &str, rest: &[(&str, Value)]| {
            let mut order = order();
            order["shippingAddress"] = json!({"street": "1 Main St", "city": "Central", "country": country});
            for (name, value) in rest {
                order["shippingAddress"][name] = value.clone();
            }
            read(&order.to_string()).map(|order| (order.shipping_address.state, order.shipping_address.zip))
        };
        assert_eq!(to("HK", &[]), Ok((None, None)));
        assert_eq!(
            to("IE", &[("state", Value::Null), ("zip", json!("D02"))]),
            Ok((None, Some("D02".to_owned())))
        );
        assert_eq!(to("GB", &[("zip", json!("W1"))]), Ok((None, Some("W1".to_owned()))));
        assert_eq!(to("DE", &[]), Err(only("/shippingAddress/zip", "is required in DE")));
        for country in ["US", "us", "Canada", "AU"] {
            let missing = to(country, &[]).unwrap_err();
            let pointers: Vec<_> = missing.iter().map(|(pointer, _)| pointer.as_str()).collect();
            assert_eq!(pointers, ["/shippingAddress/state", "/shippingAddress/zip"], "{country}");
        }
        let empty = to("HK", &[("state", json!(" "))]);
        assert_eq!(empty, Err(only("/shippingAddress/state", "must not be empty")));
    }

    #[test]
    fn two_spellings_of_an_order_are_one_and_any_change_makes_another() {
        let print = |body: &str| read(body).unwrap().fingerprint();
        let one = order().to_string();
        for same in [
            one.replace("59.98", "59.980"),
            one.replace("59.98", "5998e-2"),
            one.replace("29.99", "2.999e1"),
            one.replace(r#""quantity":2"#, r#""quantity":2.0"#),
            with(&[("currency", json!("USD")), ("requiresApproval", json!(false))]).to_string(),
            serde_json::to_string_pretty(&order()).unwrap(),
        ] {
            assert_eq!(print(&same), print(&one), "{same}");
        }
        for other in [
            one.replace("order-1", "order-2"),
            one.replace("ada@", "grace@"),
            one.replace("book", "books"),
            with(&[("currency", json!("eur"))]).to_string(),
            with(&[("requiresApproval", json!(true))]).to_string(),
        ] {
            assert_ne!(print(&other), print(&one), "{other}");
        }
    }

    proptest! {
        #[test]
        fn the_amount_is_exactly_the_decimal_sum_of_any_items(
            items in proptest::collection::vec((1_u64..=99_999, 1_u64..=9), 1..=10),
        ) {
            let total: u64 = items.iter().map(|(price, quantity)| price * quantity).sum();
            let lines: Vec<String> = items
                .iter()
                .map(|(price, quantity)| format!(r#"{{"sku":"s","quantity":{quantity},"price":{}}}"#, Currency::USD.major(*price)))
                .collect();
            let mut order = order();
            order["items"] = json!("ITEMS");
            order["totalAmount"] = json!("TOTAL");
            let body = order.to_string().replace("\"ITEMS\"", &format!("[{}]", lines.join(","))).replace("\"TOTAL\"", &Currency::USD.major(total).to_string());
            prop_assert_eq!(read(&body).unwrap().amount, total);
        }
    }
}
