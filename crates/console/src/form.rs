//! Forms whose fields are named by the JSON pointers of their values. So a form becomes the body of a request, and a
//! validation error finds its field.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// The values of a form by the names of its fields.
pub type Values = BTreeMap<String, String>;

/// Returns the values that a form begins with.
pub fn values<'a>(pairs: impl IntoIterator<Item = &'a (&'static str, &'static str)>) -> Values {
    pairs.into_iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Fields under one heading.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Group {
    pub legend: &'static str,
    pub fields: &'static [Field],
}

/// One field.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Field {
    pub pointer: &'static str,
    pub label: &'static str,
    pub kind: Kind,
    pub hint: &'static str,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Text,
    Number,
    Flag,
    /// One of a few values.
    Choice(&'static [&'static str]),
}

impl Field {
    pub const fn new(pointer: &'static str, label: &'static str, kind: Kind, hint: &'static str) -> Self {
        Self { pointer, label, kind, hint }
    }

    pub const fn text(pointer: &'static str, label: &'static str) -> Self {
        Self::new(pointer, label, Kind::Text, "")
    }

    pub const fn number(pointer: &'static str, label: &'static str) -> Self {
        Self::new(pointer, label, Kind::Number, "")
    }

    /// Reads the value of an input. A text that is no number stays one, so that the API explains it.
    fn value(&self, text: &str) -> Value {
        match self.kind {
            Kind::Number => text.trim().parse().map_or_else(|_| text.into(), Value::Number),
            Kind::Flag => (text == "true").into(),
            Kind::Text | Kind::Choice(_) => text.trim().into(),
        }
    }
}

/// Completes a time of an input, `2026-05-01T12:00`, to one of the API.
pub fn moment(text: &str) -> String {
    match text.len() {
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

/// Returns the body of a request. Empty inputs are absent, and rows without any value, too.
pub fn body(groups: &[Group], values: &Values) -> Value {
    let mut root = Value::Object(Map::new());
    for field in groups.iter().flat_map(|group| group.fields) {
        let text = values.get(field.pointer).map(String::as_str).unwrap_or_default();
        if !text.trim().is_empty() {
            insert(&mut root, field.pointer, field.value(text));
        }
    }
    lists(root)
}

/// Inserts a value, with the objects on the way. Rows are objects with numbers as names at first.
fn insert(root: &mut Value, pointer: &str, value: Value) {
    let mut place = root;
    for name in pointer.split('/').skip(1) {
        let Value::Object(members) = place else { return };
        place = members.entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
    *place = value;
}

/// Turns objects whose names are numbers into lists.
fn lists(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let is_list = !members.is_empty() && members.keys().all(|name| name.parse::<usize>().is_ok());
    let members = members.into_iter().map(|(name, value)| (name, lists(value)));
    if is_list { members.map(|(_, value)| value).collect() } else { Value::Object(members.collect()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUPS: &[Group] = &[Group {
        legend: "",
        fields: &[
            Field::text("/id", "Id"),
            Field::text("/items/0/sku", "SKU"),
            Field::number("/items/0/price", "Price"),
            Field::text("/items/1/sku", "SKU"),
            Field::text("/items/2/sku", "SKU"),
            Field::new("/flag", "Flag", Kind::Flag, ""),
        ],
    }];

    fn filled(values: &[(&'static str, &'static str)]) -> Value {
        body(GROUPS, &super::values(values))
    }

    #[test]
    fn a_form_becomes_the_body_of_a_request() {
        let values = [("/id", " a "), ("/items/0/sku", "x"), ("/items/0/price", "29.99"), ("/flag", "true")];
        assert_eq!(
            filled(&values),
            json!({"id": "a", "items": [{"sku": "x", "price": 29.99}], "flag": true})
        );
    }

    #[test]
    fn empty_inputs_and_rows_are_absent() {
        assert_eq!(
            filled(&[("/items/0/sku", "x"), ("/items/1/sku", ""), ("/items/2/sku", "z"), ("/id", " ")]),
            json!({"items": [{"sku": "x"}, {"sku": "z"}]})
        );
    }

    #[test]
    fn a_text_that_is_no_number_stays_a_text() {
        assert_eq!(filled(&[("/items/0/price", "dear")]), json!({"items": [{"price": "dear"}]}));
    }
}
