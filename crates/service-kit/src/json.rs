//! Reads JSON bodies. It reports all validation errors together, each with its pointer. Numbers keep their text,
//! so that a price never passes through a binary float.

use std::{
    borrow::Cow,
    error::Error,
    fmt::{self, Display},
    ops::RangeInclusive,
    str::FromStr,
};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::header::CONTENT_TYPE,
};
use http_body_util::LengthLimitError;
use rust_decimal::Decimal;
use serde::{
    Deserialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use tower_http::timeout::TimeoutError;

use crate::{
    problem::{Fault, HttpCode, Problem},
    telemetry,
};

/// Bodies with deeper nesting are refused before the parser recurses into them.
const MAX_DEPTH: usize = 64;
/// Further unknown members of an object are only counted, so that a body can't cause a far longer answer.
const MAX_UNKNOWN: usize = 20;
/// Longer names get no suggestion: the comparison would be slow, and every known name is shorter.
const MAX_MISSPELT_LENGTH: usize = 64;

/// A type that reads itself from JSON.
pub trait FromJson: Sized {
    /// Returns none after adding at least one validation error.
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self>;
}

/// The validation errors found so far.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a validation error at a pointer.
    pub fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault { pointer: pointer.into(), message: message.into() });
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value, or all validation errors as one problem.
    ///
    /// # Errors
    /// Returns 422 when there is a validation error, or no value.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Problem::invalid(self.0)),
        }
    }
}

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Null => "null",
        })
    }
}

/// One value of a body, with its pointer.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    raw: &'a RawValue,
    pointer: String,
}

impl<'a> Node<'a> {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.raw.get().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Adds a validation error at this value, and returns none.
    pub fn fault<T>(&self, faults: &mut Faults, message: impl Into<String>) -> Option<T> {
        faults.add(&self.pointer, message);
        None
    }

    fn expect(&self, wanted: Kind, faults: &mut Faults) -> Option<()> {
        let found = self.kind();
        if found == wanted { Some(()) } else { self.fault(faults, format!("must be {wanted}, not {found}")) }
    }

    /// Returns an object that may have only these members. Every other member is a validation error with a
    /// suggestion, since a misspelt name would silently change the meaning of the body.
    pub fn object(&self, known: &'static [&'static str], faults: &mut Faults) -> Option<Object<'a>> {
        let object = Object { known: Some(known), ..self.map(faults)? };
        object.refuse_unknown(known, faults);
        Some(object)
    }

    /// Returns an object with any member names.
    pub fn map(&self, faults: &mut Faults) -> Option<Object<'a>> {
        self.expect(Kind::Object, faults)?;
        match serde_json::from_str::<Members<'a>>(self.raw.get()) {
            Ok(members) => Some(Object { members: members.0, pointer: self.pointer.clone(), known: None }),
            Err(error) if error.is_data() => self.fault(faults, error_message(&error)),
            Err(error) => {
                self.fault(faults, format!("has a member whose name is no text: {}", error_message(&error)))
            }
        }
    }

    /// Returns the elements of an array.
    pub fn array(&self, faults: &mut Faults) -> Option<Vec<Node<'a>>> {
        self.expect(Kind::Array, faults)?;
        match serde_json::from_str::<Vec<&'a RawValue>>(self.raw.get()) {
            Ok(values) => Some(
                values
                    .into_iter()
                    .enumerate()
                    .map(|(index, raw)| Node { raw, pointer: format!("{}/{index}", self.pointer) })
                    .collect(),
            ),
            Err(error) => self.fault(faults, error_message(&error)),
        }
    }

    /// Reads every element, so that one invalid element doesn't hide the errors of the next.
    pub fn list<T: FromJson>(&self, sizes: RangeInclusive<usize>, faults: &mut Faults) -> Option<Vec<T>> {
        let nodes = self.array(faults)?;
        if !sizes.contains(&nodes.len()) {
            return self.fault(
                faults,
                format!("must have {} to {} elements, not {}", sizes.start(), sizes.end(), nodes.len()),
            );
        }
        let read: Vec<Option<T>> = nodes.iter().map(|node| T::from_json(node, faults)).collect();
        read.into_iter().collect()
    }

    pub fn string(&self, faults: &mut Faults) -> Option<String> {
        self.expect(Kind::String, faults)?;
        match serde_json::from_str::<String>(self.raw.get()) {
            Ok(text) => Some(text),
            Err(error) => self.fault(faults, format!("is not a string: {}", error_message(&error))),
        }
    }

    /// Parses a string into another type.
    pub fn parse<T: FromStr<Err: Display>>(&self, faults: &mut Faults) -> Option<T> {
        match self.string(faults)?.parse() {
            Ok(value) => Some(value),
            Err(error) => self.fault(faults, format!("{error}")),
        }
    }

    /// Returns a number exactly as written, with at most 28 significant digits and without rounding.
    pub fn decimal(&self, faults: &mut Faults) -> Option<Decimal> {
        self.expect(Kind::Number, faults)?;
        match exact(self.raw.get()) {
            Some(value) => Some(value),
            None => self.fault(faults, "is a number out of range"),
        }
    }

    /// Returns a whole number in a range. `5998.0` is whole, `59.98` isn't.
    pub fn integer(&self, range: RangeInclusive<i64>, faults: &mut Faults) -> Option<i64> {
        let value = self.decimal(faults)?;
        let whole = value.is_integer().then(|| i64::try_from(value).ok()).flatten();
        match whole {
            Some(whole) if range.contains(&whole) => Some(whole),
            _ => self.fault(faults, format!("must be an integer from {} to {}", range.start(), range.end())),
        }
    }

    pub fn boolean(&self, faults: &mut Faults) -> Option<bool> {
        self.expect(Kind::Boolean, faults)?;
        Some(self.raw.get() == "true")
    }
}

/// The members of a JSON object.
#[derive(Debug)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    pointer: String,
    /// None allows any name.
    known: Option<&'static [&'static str]>,
}

impl<'a> Object<'a> {
    /// Returns the pointer of the object itself.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    fn refuse_unknown(&self, known: &[&str], faults: &mut Faults) {
        let unknown: Vec<_> = self.names().filter(|name| !known.contains(name)).collect();
        for name in unknown.iter().take(MAX_UNKNOWN) {
            faults.add(self.pointer_to(name), format!("is not a member here; {}", suggestion(name, known)));
        }
        if let Some(more @ 1..) = unknown.len().checked_sub(MAX_UNKNOWN) {
            faults.add(&self.pointer, format!("has {more} more members that are not known here"));
        }
    }

    /// Returns a member that is present and not null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Node<'a>> {
        debug_assert!(
            self.known.is_none_or(|known| known.contains(&name)),
            "{name} is read, but `object` doesn't list it"
        );
        let place = self.members.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        let (_, raw) = self.members.get(place)?;
        let node = Node { raw, pointer: self.pointer_to(name) };
        (node.kind() != Kind::Null).then_some(node)
    }

    /// Returns the names of the members, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| &**name)
    }

    /// Returns the pointer of the member with this name.
    #[must_use]
    pub fn pointer_to(&self, name: &str) -> String {
        let mut pointer = String::with_capacity(self.pointer.len() + 1 + name.len());
        pointer.push_str(&self.pointer);
        pointer.push('/');
        if name.contains(['~', '/']) {
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        } else {
            pointer.push_str(name);
        }
        pointer
    }

    /// Reads a member; its absence is a validation error.
    pub fn required<T: FromJson>(&self, name: &str, faults: &mut Faults) -> Option<T> {
        self.required_with(name, faults, T::from_json)
    }

    pub fn required_with<T>(
        &self,
        name: &str,
        faults: &mut Faults,
        read: impl FnOnce(&Node<'a>, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        if let Some(node) = self.get(name) {
            read(&node, faults)
        } else {
            faults.add(self.pointer_to(name), "is required");
            None
        }
    }

    /// Returns `Some(None)` when the member is absent or null, and `None` when it has a validation error.
    #[allow(clippy::option_option, reason = "an error, an absence and a value are three things")]
    pub fn optional<T: FromJson>(&self, name: &str, faults: &mut Faults) -> Option<Option<T>> {
        self.optional_with(name, faults, T::from_json)
    }

    #[allow(clippy::option_option, reason = "an error, an absence and a value are three things")]
    pub fn optional_with<T>(
        &self,
        name: &str,
        faults: &mut Faults,
        read: impl FnOnce(&Node<'a>, &mut Faults) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.get(name) {
            Some(node) => read(&node, faults).map(Some),
            None => Some(None),
        }
    }
}

/// Suggests the probable name, or else lists the known names.
fn suggestion(name: &str, known: &[&str]) -> String {
    match closest_name(name, known) {
        Some(closest) => format!("did you mean `{closest}`?"),
        None if known.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", known.join(", ")),
    }
}

/// Returns the known name that is closest to a misspelt one. Ignores case and word separators.
fn closest_name<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if name.len() > MAX_MISSPELT_LENGTH {
        return None;
    }
    let folded = |name: &str| name.replace(['_', '-', ' '], "").to_lowercase();
    let name = folded(name);
    let distance = |known: &str| strsim::damerau_levenshtein(&name, &folded(known));
    let candidates = known.iter().map(|known| (distance(known), *known));
    let (distance, closest) = candidates.min_by_key(|(distance, _)| *distance)?;
    (distance * 3 <= closest.len().max(name.len())).then_some(closest)
}

/// The members of an object, sorted by name. A repeated name is refused, since parsers disagree on its value.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// The name of a member, borrowed if it has no escape.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
                match members.array_windows().find(|[(one, _), (other, _)]| one == other) {
                    Some([(name, _), _]) => {
                        Err(serde::de::Error::custom(format!("has the member {name:?} twice")))
                    }
                    None => Ok(members),
                }
            }
        }
        deserializer.deserialize_map(MembersVisitor).map(Members)
    }
}

/// Returns the message of `serde_json` without its position, which counts from the start of a fragment.
fn error_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

impl FromJson for String {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.string(faults)
    }
}

impl FromJson for bool {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.boolean(faults)
    }
}

impl FromJson for Decimal {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.decimal(faults)
    }
}

/// Reads a whole body.
///
/// # Errors
/// Returns 400 when it isn't JSON, else 422 with all validation errors.
pub fn read<T: FromJson>(body: &[u8]) -> Result<T, Problem> {
    read_with(body, T::from_json)
}

/// Reads a whole body with the function `read`.
///
/// # Errors
/// Returns 400 when it isn't JSON, else 422 with all validation errors.
pub fn read_with<T>(
    body: &[u8],
    read: impl FnOnce(&Node<'_>, &mut Faults) -> Option<T>,
) -> Result<T, Problem> {
    let mut faults = Faults::default();
    let value = read(&root_node(parse_document(body)?), &mut faults);
    faults.into_result(value)
}

/// Reads one part of a body that consists of several JSON texts. Text that isn't JSON is a validation error, too.
pub fn read_part<T>(
    text: &[u8],
    pointer: String,
    faults: &mut Faults,
    read: impl FnOnce(&Node<'_>, &mut Faults) -> Option<T>,
) -> Option<T> {
    match parse_document(text) {
        Ok(raw) => read(&Node { raw, pointer }, faults),
        Err(problem) => {
            faults.add(pointer, problem.detail());
            None
        }
    }
}

fn root_node(raw: &RawValue) -> Node<'_> {
    Node { raw, pointer: String::new() }
}

/// Writes the body as its canonical text, which is equal for equal JSON. It has sorted members, no white space,
/// and plain numbers (`5998` for `5998.0` and `5.998e3`). A number with too many digits keeps its spelling.
///
/// # Errors
/// Returns 400 when it isn't JSON, and 422 when its content is ambiguous, for example a repeated member.
pub fn canonical(body: &[u8]) -> Result<String, Problem> {
    let (mut out, mut faults) = (String::new(), Faults::default());
    let value = write_canonical(&root_node(parse_document(body)?), &mut out, &mut faults);
    faults.into_result(value.map(|()| out))
}

fn write_canonical(node: &Node<'_>, out: &mut String, faults: &mut Faults) -> Option<()> {
    match node.kind() {
        Kind::Object => {
            let object = node.map(faults)?;
            out.push('{');
            for (index, (name, raw)) in object.members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write_canonical(&Node { raw, pointer: object.pointer_to(name) }, out, faults);
            }
            out.push('}');
        }
        Kind::Array => {
            out.push('[');
            for (index, element) in node.array(faults)?.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(element, out, faults);
            }
            out.push(']');
        }
        Kind::String => write_text(&node.string(faults)?, out),
        Kind::Number => write_number(node.raw.get(), out),
        Kind::Boolean | Kind::Null => out.push_str(node.raw.get()),
    }
    Some(())
}

fn write_number(text: &str, out: &mut String) {
    if !text.contains(['.', 'e', 'E', '-']) {
        out.push_str(text);
        return;
    }
    match exact(text) {
        Some(number) if number.is_zero() => out.push('0'),
        Some(number) => out.push_str(&number.normalize().to_string()),
        None => out.push_str(text),
    }
}

/// Returns a number exactly as written, or none when it needs more than 28 significant digits.
fn exact(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { Decimal::from_str_exact(text) }
        .ok()
}

fn write_text(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.push_str(&serde_json::Value::from(text).to_string());
        return;
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
}

fn parse_document(body: &[u8]) -> Result<&RawValue, Problem> {
    if depth(body) > MAX_DEPTH {
        return Err(Problem::new(
            HttpCode::MalformedJson,
            format!("the body nests deeper than {MAX_DEPTH} levels"),
        ));
    }
    serde_json::from_slice(body).map_err(|error| malformed_json(&error))
}

fn malformed_json(error: &serde_json::Error) -> Problem {
    Problem::new(HttpCode::MalformedJson, format!("the body is not JSON: {error}"))
}

/// Returns the nesting depth of the brackets outside of strings.
fn depth(body: &[u8]) -> usize {
    let (mut now, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Extracts a JSON body. Answers 415 for another media type, 413 for a large body, 400 for other text than JSON,
/// and 422 with all validation errors.
#[derive(Debug)]
pub struct ValidJson<T> {
    pub value: T,
    /// The body as [`canonical`] writes it.
    pub canonical: String,
}

impl<T: FromJson, S: Send + Sync> FromRequest<S> for ValidJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require_json(&request)?;
        let body = body(request, state).await?;
        let node = root_node(parse_document(&body)?);
        let (mut canonical, mut faults, mut others) = (String::new(), Faults::default(), Faults::default());
        let value = T::from_json(&node, &mut faults);
        write_canonical(&node, &mut canonical, &mut others);
        // Both passes find the errors of a member that `T` reads.
        others.0.retain(|other| !faults.0.contains(other));
        faults.0.extend(others.0);
        faults.into_result(value.map(|value| Self { value, canonical }))
    }
}

/// Extracts a JSON body that may be absent.
#[derive(Debug)]
pub struct OptionalJson<T>(pub Option<T>);

impl<T: FromJson, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = require_json(&request);
        let body = body(request, state).await?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(None));
        }
        kind?;
        read(&body).map(Some).map(Self)
    }
}

/// Checks the media type of a request.
///
/// # Errors
/// Returns 415 when the request doesn't declare a JSON body.
pub fn require_json(request: &Request) -> Result<(), Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let found = if kind.is_empty() { "no Content-Type".to_owned() } else { format!("Content-Type {kind}") };
    Err(Problem::new(
        HttpCode::UnsupportedMediaType,
        format!("the request has {found}; send Content-Type: application/json"),
    ))
}

/// Reads the whole body.
///
/// # Errors
/// Returns 413 when it is too large, 408 when it arrives too slowly, and 400 when its encoding is wrong.
pub async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        let status = rejection.status();
        unreadable(&rejection)
            .unwrap_or_else(|| Problem::from_library_response(status, &telemetry::error_chain(&rejection)))
    })
}

/// Returns the problem for a body whose stream ended with an error.
#[must_use]
pub fn unreadable_body(error: &(dyn Error + 'static)) -> Problem {
    unreadable(error).unwrap_or_else(|| {
        Problem::from_library_response(axum::http::StatusCode::BAD_REQUEST, &telemetry::error_chain(error))
    })
}

fn unreadable(error: &(dyn Error + 'static)) -> Option<Problem> {
    if has_cause::<LengthLimitError>(error) {
        return Some(Problem::new(HttpCode::PayloadTooLarge, "the body is larger than its limit allows"));
    }
    has_cause::<TimeoutError>(error).then(|| {
        Problem::new(HttpCode::RequestBodyTimeout, "no part of the body arrived within BODY_TIMEOUT")
    })
}

/// Returns true when an error of this type is among the causes. Each layer around a body wraps the errors of the
/// next one.
fn has_cause<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<E>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Line {
        sku: String,
        quantity: i64,
        price: Decimal,
    }

    impl FromJson for Line {
        fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
            let object = node.object(&["sku", "quantity", "price"], faults)?;
            let sku = object.required("sku", faults);
            let quantity =
                object.required_with("quantity", faults, |node, faults| node.integer(1..=9, faults));
            let price = object.required("price", faults);
            Some(Self { sku: sku?, quantity: quantity?, price: price? })
        }
    }

    fn pointers(body: &str) -> Vec<(String, String)> {
        let problem = read::<Line>(body.as_bytes()).unwrap_err();
        problem.faults().iter().map(|fault| (fault.pointer.clone(), fault.message.clone())).collect()
    }

    #[test]
    fn wrong_types_and_missing_members_are_reported_together() {
        assert_eq!(
            pointers(r#"{"sku": 7, "quantity": 10}"#),
            [
                ("/sku".to_owned(), "must be a string, not a number".to_owned()),
                ("/quantity".to_owned(), "must be an integer from 1 to 9".to_owned()),
                ("/price".to_owned(), "is required".to_owned()),
            ]
        );
    }

    #[test]
    fn an_unknown_member_is_reported_with_a_suggestion_and_the_other_errors() {
        let fault = |pointer: &str, message: &str| (pointer.to_owned(), message.to_owned());
        assert_eq!(
            pointers(r#"{"sku": "a", "quantty": 1, "PRICE": 1, "colour": null, "price": 1}"#),
            [
                fault("/PRICE", "is not a member here; did you mean `price`?"),
                fault("/colour", "is not a member here; there are sku, quantity, price"),
                fault("/quantty", "is not a member here; did you mean `quantity`?"),
                fault("/quantity", "is required"),
            ]
        );
    }

    #[test]
    fn a_suggestion_has_few_other_letters_and_ignores_case_and_separators() {
        let known = ["requiresApproval", "customerEmail", "customerId", "sku"];
        for (name, meant) in [
            ("requiresAproval", Some("requiresApproval")),
            ("requires_approval", Some("requiresApproval")),
            ("RequiresApprovla", Some("requiresApproval")),
            ("customeremail", Some("customerEmail")),
            ("customerID", Some("customerId")),
            ("sk", Some("sku")),
            ("approval", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest_name(name, &known), meant, "{name}");
        }
        assert_eq!(closest_name(&"x".repeat(MAX_MISSPELT_LENGTH + 1), &known), None);
    }

    #[test]
    fn further_unknown_members_are_only_counted() {
        let members: Vec<_> = (0..1000).map(|number| format!(r#""x{number:04}":1"#)).collect();
        let body = format!(r#"{{"sku":"a","quantity":1,"price":1,{}}}"#, members.join(","));
        let faults = pointers(&body);
        assert_eq!(faults.len(), MAX_UNKNOWN + 1);
        assert_eq!(faults[MAX_UNKNOWN].1, "has 980 more members that are not known here");
    }

    #[test]
    fn a_map_has_members_of_any_name() {
        let names = |node: &Node<'_>, faults: &mut Faults| {
            node.map(faults).map(|map| map.names().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(read_with(br#"{"b":1,"a":2}"#, names).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_decimal_keeps_its_written_digits() {
        let line: Line =
            read(br#"{"sku":"a","quantity":1.0,"price":0.1000000000000000055511151231}"#).unwrap();
        assert_eq!(line.price.to_string(), "0.1000000000000000055511151231");
        assert_eq!(line.quantity, 1);
    }

    #[test]
    fn a_number_beyond_the_range_of_decimals_is_an_error_at_its_pointer() {
        for number in ["1e400", "-1e400", "1e-400", "0.10000000000000000555111512312578270"] {
            let faults = pointers(&format!(r#"{{"sku":"a","quantity":1,"price":{number}}}"#));
            assert_eq!(faults, [("/price".to_owned(), "is a number out of range".to_owned())], "{number}");
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_malformed() {
        for body in ["", "{", "NaN", r#"{"price": NaN}"#, "{} {}", r#"{"a":01}"#, "\u{feff}{}"] {
            assert_eq!(read::<Line>(body.as_bytes()).unwrap_err().code(), "malformed_json", "{body:?}");
        }
        assert_eq!(read::<Line>(b"{\"a\":\"\xff\"}").unwrap_err().code(), "malformed_json");
    }

    #[test]
    fn deep_nesting_is_refused_without_recursion() {
        let body = "[".repeat(100_000);
        assert_eq!(read::<Line>(body.as_bytes()).unwrap_err().code(), "malformed_json");
        let brackets_in_a_string = format!(r#"{{"sku":"{}","quantity":1,"price":1}}"#, "[".repeat(100));
        assert!(read::<Line>(brackets_in_a_string.as_bytes()).is_ok());
    }

    #[test]
    fn a_repeated_member_is_an_error() {
        assert_eq!(
            pointers(r#"{"price":1,"price":2}"#),
            [(String::new(), "has the member \"price\" twice".to_owned())]
        );
    }

    #[test]
    fn an_ambiguous_value_is_an_error_even_in_a_member_that_is_not_read() {
        let faults = |body: &str| {
            let problem = canonical(body.as_bytes()).unwrap_err();
            assert_eq!(problem.code(), "validation_failed");
            problem
                .faults()
                .iter()
                .map(|fault| format!("{}: {}", fault.pointer, fault.message))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            faults(r#"{"a":[0,{"b":1,"b":2}],"c":"\ud800","d":{"\udc00":1}}"#),
            [
                "/a/1: has the member \"b\" twice",
                "/c: is not a string: unexpected end of hex escape",
                "/d: has a member whose name is no text: lone leading surrogate in hex escape",
            ]
        );
    }

    #[test]
    fn the_canonical_text_ignores_order_space_and_escapes_but_not_content() {
        let one = canonical(br#"{ "b": [1, 2.50], "a": "\u0041" }"#).unwrap();
        assert_eq!(one, r#"{"a":"A","b":[1,2.5]}"#);
        assert_eq!(one, canonical(br#"{"a":"A","b":[1,2.50]}"#).unwrap());
        assert_ne!(one, canonical(br#"{"a":"A","b":[2.50,1]}"#).unwrap());
    }

    #[test]
    fn the_canonical_text_of_a_number_is_its_plain_spelling() {
        for (spellings, plain) in [
            (&["5998", "5998.0", "5.998e3", "5.998E+3", "59980e-1", "5998.000"][..], "5998"),
            (&["59.98", "59.980", "5998e-2"], "59.98"),
            (&["0", "-0", "0.0", "-0.0", "0e7"], "0"),
            (&["-1", "-1.0", "-10e-1"], "-1"),
            (&["18446744073709551615", "18446744073709551615.0"], "18446744073709551615"),
            (&["1e400"], "1e400"),
            (&["0.12345678901234567890123456789012345"], "0.12345678901234567890123456789012345"),
        ] {
            for spelling in spellings {
                assert_eq!(canonical(spelling.as_bytes()).unwrap(), plain, "{spelling}");
            }
        }
        assert_ne!(canonical(b"5998.1").unwrap(), canonical(b"5998").unwrap());
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in ".{0,200}") {
            let _ = read::<Line>(body.as_bytes());
            let _ = canonical(body.as_bytes());
        }
    }
}
