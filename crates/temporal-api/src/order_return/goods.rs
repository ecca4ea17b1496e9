//! Computes what of an order can still come back, and its refund. Pure.

use std::collections::BTreeMap;

use workflows::{
    activities::{inventory::StockLine, shipping::Address},
    order_fulfillment::messages::Item,
    order_return::state::{ReturnState, ReturnStatus},
};

/// Describes what an order shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    pub order_id: String,
    pub first_run_id: String,
    pub items: Vec<Item>,
    /// Holds the amount in minor units.
    pub amount: u64,
    pub currency: String,
    /// Says where the goods are.
    pub address: Address,
}

/// Describes the goods of one return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goods {
    pub lines: Vec<StockLine>,
    /// Holds the refund in minor units.
    pub amount: u64,
    /// Says that nothing is left with the customer.
    pub is_whole: bool,
}

/// Lists the reasons why goods can't come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReturnable {
    #[error("everything has come back")]
    NothingLeft,
    #[error("{0}")]
    TooMuch(String),
}

/// Returns the goods of a return: the wanted ones, or everything that is left.
///
/// # Errors
/// Fails if nothing is left, or if more is wanted than is left.
pub fn choose(
    shipment: &Shipment,
    earlier: &[ReturnState],
    wanted: Option<&[StockLine]>,
) -> Result<Goods, NotReturnable> {
    let completed = || earlier.iter().filter(|one| one.status == ReturnStatus::Completed);
    // A SKU can have several lines with different prices. The first lines come back first.
    let mut left: Vec<Item> = shipment.items.clone();
    for line in completed().flat_map(|one| &one.lines) {
        take(&mut left, line);
    }
    left.retain(|item| item.quantity > 0);
    if left.is_empty() {
        return Err(NotReturnable::NothingLeft);
    }
    let lines = merged(wanted.map_or_else(|| all(&left), <[StockLine]>::to_vec));
    let mut amount: u64 = 0;
    let mut missing = Vec::new();
    for line in &lines {
        let (taken, price) = take(&mut left, line);
        amount = amount.saturating_add(price);
        if taken < line.quantity {
            missing.push(format!("only {taken} of {} are left to return", line.sku));
        }
    }
    if !missing.is_empty() {
        return Err(NotReturnable::TooMuch(missing.join("; ")));
    }
    let is_whole = left.iter().all(|item| item.quantity == 0);
    if is_whole {
        let refunded: u64 = completed().map(|one| one.amount).sum();
        amount = shipment.amount.saturating_sub(refunded);
    }
    Ok(Goods { lines, amount, is_whole })
}

/// Takes a line out of the items. Returns the quantity that was there, and its price.
fn take(items: &mut [Item], line: &StockLine) -> (u32, u64) {
    let (mut taken, mut price) = (0, 0_u64);
    for item in items.iter_mut().filter(|item| item.sku == line.sku) {
        let part = item.quantity.min(line.quantity - taken);
        item.quantity -= part;
        taken += part;
        price = price.saturating_add(item.price.saturating_mul(u64::from(part)));
    }
    (taken, price)
}

fn all(items: &[Item]) -> Vec<StockLine> {
    items.iter().map(|item| StockLine { sku: item.sku.clone(), quantity: item.quantity }).collect()
}

/// Adds the quantities of lines with the same SKU.
fn merged(lines: Vec<StockLine>) -> Vec<StockLine> {
    let mut merged: BTreeMap<String, u32> = BTreeMap::new();
    for line in lines {
        let quantity = merged.entry(line.sku).or_default();
        *quantity = quantity.saturating_add(line.quantity);
    }
    merged.into_iter().map(|(sku, quantity)| StockLine { sku, quantity }).collect()
}

#[cfg(test)]
mod tests {
    use workflows::{
        order_return::{messages::ReturnInput, state::Return},
        policies::Timing,
    };

    use super::*;

    fn line(sku: &str, quantity: u32) -> StockLine {
        StockLine { sku: sku.to_owned(), quantity }
    }

    /// Returns an order of three books for 9, of which one is dearer, and a pen for 1.
    fn shipment() -> Shipment {
        let item = |sku: &str, quantity, price| Item { sku: sku.to_owned(), quantity, price };
        Shipment {
            order_id: "42".to_owned(),
            first_run_id: "run".to_owned(),
            items: vec![item("book", 2, 200), item("book", 1, 500), item("pen", 1, 100)],
            amount: 1000,
            currency: "usd".to_owned(),
            address: Address {
                street: "1 Row".to_owned(),
                city: "London".to_owned(),
                state: None,
                zip: None,
                country: "GB".to_owned(),
            },
        }
    }

    fn returned(goods: &Goods) -> ReturnState {
        let mut one = Return::new(&ReturnInput {
            return_id: "42-1".to_owned(),
            order_id: "42".to_owned(),
            order_first_run_id: "run".to_owned(),
            lines: goods.lines.clone(),
            is_whole: goods.is_whole,
            amount: goods.amount,
            currency: "usd".to_owned(),
            address: shipment().address,
            reason: None,
            correlation_id: "c".to_owned(),
            timing: Timing::default(),
            resumed: None,
        });
        one.complete(workflows::activities::payment::Refunded { refund_id: None });
        one.state().clone()
    }

    #[test]
    fn without_items_everything_comes_back() {
        let goods = choose(&shipment(), &[], None).unwrap();
        assert_eq!(
            (goods.lines, goods.amount, goods.is_whole),
            (vec![line("book", 3), line("pen", 1)], 1000, true)
        );
    }

    #[test]
    fn a_part_is_refunded_by_its_prices_and_the_rest_completes_the_amount() {
        let first = choose(&shipment(), &[], Some(&[line("book", 2)])).unwrap();
        assert_eq!((first.amount, first.is_whole), (400, false));
        let rest = choose(&shipment(), &[returned(&first)], None).unwrap();
        assert_eq!(
            (rest.lines.clone(), rest.amount, rest.is_whole),
            (vec![line("book", 1), line("pen", 1)], 600, true)
        );
        let nothing = choose(&shipment(), &[returned(&first), returned(&rest)], None);
        assert_eq!(nothing, Err(NotReturnable::NothingLeft));
    }

    #[test]
    fn repeated_lines_are_one() {
        let goods =
            choose(&shipment(), &[], Some(&[line("pen", 1), line("book", 1), line("book", 2)])).unwrap();
        assert!(goods.is_whole);
    }

    #[test]
    fn more_than_is_left_does_not_come_back() {
        let refused = choose(&shipment(), &[], Some(&[line("book", 4), line("cup", 1)]));
        let why = "only 3 of book are left to return; only 0 of cup are left to return";
        assert_eq!(refused, Err(NotReturnable::TooMuch(why.to_owned())));
    }

    #[test]
    fn a_return_that_failed_took_nothing() {
        let goods = choose(&shipment(), &[], None).unwrap();
        let failed = ReturnState { status: ReturnStatus::Failed, ..returned(&goods) };
        assert_eq!(choose(&shipment(), &[failed], None), Ok(goods));
    }
}
