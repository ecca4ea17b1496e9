//! Checks the destination of an order. Not every country has states or postal codes.

use service_kit::json::{Faults, FromJson, Node, Object};
use workflows::activities::shipping::Address;

use crate::fields::Text;

/// Countries whose post delivers nothing without both, by ISO 3166-1 and by the names that people write. Any
/// other country may have neither: a short list that is right refuses no address that exists.
const STATE_AND_ZIP: [&str; 12] =
    ["US", "USA", "UNITED STATES", "CA", "CAN", "CANADA", "AU", "AUS", "AUSTRALIA", "IN", "BR", "MX"];
/// Those that have no states in an address, and whose post needs the code.
const ZIP: [&str; 18] = [
    "AT", "BE", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "IT", "JP", "KR", "NL", "NO", "PL", "PT",
    "SE",
];

pub struct Destination(pub Address);

impl FromJson for Destination {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["street", "city", "state", "zip", "country"], faults)?;
        let street: Option<Text> = object.required("street", faults);
        let city: Option<Text> = object.required("city", faults);
        let state = object.optional::<Text>("state", faults);
        let zip = object.optional::<Text>("zip", faults);
        let country: Option<Text> = object.required("country", faults);
        let country = country?.0;
        let needs = |list: &[&str]| list.iter().any(|one| one.eq_ignore_ascii_case(country.trim()));
        let both = needs(&STATE_AND_ZIP);
        let state = part(&object, "state", state, both, &country, faults);
        let zip = part(&object, "zip", zip, both || needs(&ZIP), &country, faults);
        Some(Self(Address { street: street?.0, city: city?.0, state: state?, zip: zip?, country }))
    }
}

/// Returns a part of the address that its country may need.
#[expect(clippy::option_option, reason = "a part that could not be read, and one that is not there")]
fn part(
    object: &Object<'_>,
    name: &str,
    given: Option<Option<Text>>,
    is_needed: bool,
    country: &str,
    faults: &mut Faults,
) -> Option<Option<String>> {
    match given? {
        None if is_needed => {
            faults.add(object.pointer_to(name), format!("is required in {country}"));
            None
        }
        given => Some(given.map(|text| text.0)),
    }
}
