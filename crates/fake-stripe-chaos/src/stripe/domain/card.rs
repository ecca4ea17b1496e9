//! The test cards of Stripe's documentation, by the name of their payment method and by their number.

/// A card with a fixed result of each charge.
#[derive(Debug, PartialEq, Eq)]
pub struct TestCard {
    /// The part of `pm_card_visa` and of `tok_visa` that names it.
    pub name: &'static str,
    pub number: &'static str,
    pub brand: &'static str,
    pub funding: &'static str,
    pub decline: Option<Decline>,
}

/// The reason why an issuer declines a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decline {
    /// `code` of the error.
    pub code: &'static str,
    /// `decline_code` of the error.
    pub issuer_code: &'static str,
    pub message: &'static str,
}

impl Decline {
    const fn declined(issuer_code: &'static str) -> Self {
        Self { code: "card_declined", issuer_code, message: "Your card was declined." }
    }

    const GENERIC: Self = Self::declined("generic_decline");
    const INSUFFICIENT_FUNDS: Self =
        Self { message: "Your card has insufficient funds.", ..Self::declined("insufficient_funds") };
    const LOST_CARD: Self = Self::declined("lost_card");
    const STOLEN_CARD: Self = Self::declined("stolen_card");
    const VELOCITY: Self = Self {
        message: "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
        ..Self::declined("card_velocity_exceeded")
    };
    const EXPIRED: Self =
        Self { code: "expired_card", issuer_code: "expired_card", message: "Your card has expired." };
    const INCORRECT_CVC: Self = Self {
        code: "incorrect_cvc",
        issuer_code: "incorrect_cvc",
        message: "Your card's security code is incorrect.",
    };
    const PROCESSING_ERROR: Self = Self {
        code: "processing_error",
        issuer_code: "processing_error",
        message: "An error occurred while processing your card. Try again in a little bit.",
    };

    /// Every decline, by the name of the scenario that injects it.
    const BY_NAME: [(&'static str, Self); 8] = [
        ("card_declined", Self::GENERIC),
        ("insufficient_funds", Self::INSUFFICIENT_FUNDS),
        ("lost_card", Self::LOST_CARD),
        ("stolen_card", Self::STOLEN_CARD),
        ("card_velocity_exceeded", Self::VELOCITY),
        ("expired_card", Self::EXPIRED),
        ("incorrect_cvc", Self::INCORRECT_CVC),
        ("processing_error", Self::PROCESSING_ERROR),
    ];

    /// Returns the decline with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::BY_NAME.iter().find(|(known, _)| *known == name).map(|(_, decline)| *decline)
    }

    /// Returns the name by which it is stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::BY_NAME.iter().find(|(_, known)| *known == self).map_or("card_declined", |(name, _)| name)
    }
}

const fn card(
    name: &'static str,
    number: &'static str,
    brand: &'static str,
    funding: &'static str,
) -> TestCard {
    TestCard { name, number, brand, funding, decline: None }
}

const fn declining(name: &'static str, number: &'static str, decline: Decline) -> TestCard {
    TestCard { name, number, brand: "visa", funding: "credit", decline: Some(decline) }
}

const CARDS: [TestCard; 19] = [
    card("visa", "4242424242424242", "visa", "credit"),
    card("visa_debit", "4000056655665556", "visa", "debit"),
    card("mastercard", "5555555555554444", "mastercard", "credit"),
    card("mastercard_debit", "5200828282828210", "mastercard", "debit"),
    card("mastercard_prepaid", "5105105105105100", "mastercard", "prepaid"),
    card("amex", "378282246310005", "amex", "credit"),
    card("discover", "6011111111111117", "discover", "credit"),
    card("diners", "3056930009020004", "diners", "credit"),
    card("jcb", "3566002020360505", "jcb", "credit"),
    card("unionpay", "6200000000000005", "unionpay", "credit"),
    declining("chargeDeclined", "4000000000000002", Decline::GENERIC),
    declining("chargeDeclinedInsufficientFunds", "4000000000009995", Decline::INSUFFICIENT_FUNDS),
    declining("chargeDeclinedLostCard", "4000000000009987", Decline::LOST_CARD),
    declining("chargeDeclinedStolenCard", "4000000000009979", Decline::STOLEN_CARD),
    declining("chargeDeclinedVelocityLimitExceeded", "4000000000006975", Decline::VELOCITY),
    declining("chargeDeclinedExpiredCard", "4000000000000069", Decline::EXPIRED),
    declining("chargeDeclinedIncorrectCvc", "4000000000000127", Decline::INCORRECT_CVC),
    declining("chargeDeclinedProcessingError", "4000000000000119", Decline::PROCESSING_ERROR),
    declining("chargeCustomerFail", "4000000000000341", Decline::GENERIC),
];

impl TestCard {
    /// Returns the card of `pm_card_visa`, `tok_visa` or `pm_card_visa_chargeDeclined`.
    #[must_use]
    pub fn of_token(token: &str) -> Option<&'static Self> {
        let name = token.strip_prefix("pm_card_").or_else(|| token.strip_prefix("tok_"))?;
        let name = name.strip_prefix("visa_").filter(|rest| rest.starts_with("charge")).unwrap_or(name);
        Self::named(name)
    }

    /// Returns the card with a stored name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        CARDS.iter().find(|card| card.name == name)
    }

    /// Returns the card with a number, which may have spaces.
    #[must_use]
    pub fn numbered(number: &str) -> Option<&'static Self> {
        let digits: String = number.chars().filter(|character| !matches!(character, ' ' | '-')).collect();
        CARDS.iter().find(|card| card.number == digits)
    }

    #[must_use]
    pub fn last4(&self) -> &'static str {
        self.number.get(self.number.len() - 4..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_by_its_payment_method_its_token_and_its_number() {
        let visa = TestCard::named("visa").unwrap();
        for token in ["pm_card_visa", "tok_visa"] {
            assert_eq!(TestCard::of_token(token), Some(visa));
        }
        assert_eq!(TestCard::numbered("4242 4242 4242 4242"), Some(visa));
        assert_eq!(visa.last4(), "4242");
        assert_eq!(TestCard::of_token("pm_card_unknown"), None);
        assert_eq!(TestCard::numbered("4111"), None);
    }

    #[test]
    fn both_spellings_of_a_declining_card_name_the_same_one() {
        let one = TestCard::of_token("pm_card_chargeDeclined").unwrap();
        assert_eq!(TestCard::of_token("pm_card_visa_chargeDeclined"), Some(one));
        assert_eq!(TestCard::of_token("tok_visa_debit").unwrap().funding, "debit");
    }

    #[test]
    fn every_decline_has_a_name_that_finds_it_again() {
        for decline in CARDS.iter().filter_map(|card| card.decline) {
            assert_eq!(Decline::named(decline.name()), Some(decline));
        }
    }
}
