//! Checks a token: its form, its signature and its claims.

use std::collections::BTreeSet;

use jsonwebtoken::{
    DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{Jwk, PublicKeyUse},
};
use serde_json::{Map, Value};

use super::{
    AuthCode, Caller, Role,
    crypto::{self, ALGORITHMS},
    keys::{Keys, NoKey},
    settings::JwtSettings,
};
use crate::problem::Problem;

/// The longest token, in bytes.
const MAX_BYTES: usize = 8 << 10;
/// The longest subject, in bytes.
const MAX_SUBJECT: usize = 255;
/// The tolerated difference of clocks, in seconds.
const LEEWAY: u64 = 30;

/// Checks the tokens of one issuer.
pub struct Tokens {
    settings: JwtSettings,
    keys: Keys,
}

impl Tokens {
    pub fn new(settings: JwtSettings) -> Self {
        crypto::install();
        let keys = Keys::new(settings.keys.clone(), settings.refresh);
        Self { settings, keys }
    }

    /// Returns the caller that a token names.
    ///
    /// # Errors
    /// 401 `invalid_token` with the reason, or 503 while there are no keys.
    pub async fn check(&self, token: &str) -> Result<Caller, Problem> {
        if token.len() > MAX_BYTES {
            return Err(invalid("the token is longer than 8 KiB"));
        }
        let header = decode_header(token).map_err(|_| invalid("the token is no signed JWT"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(invalid("the token's algorithm is not accepted"));
        }
        let key = self.keys.find(header.kid.as_deref()).await.map_err(no_key)?;
        if !signs(&key, header.alg) {
            return Err(invalid("the token's key has another algorithm"));
        }
        let key = DecodingKey::from_jwk(&key).map_err(|_| invalid("the token's key can't be used"))?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let data =
            decode::<Map<String, Value>>(token, &key, &validation).map_err(|error| reason(error.kind()))?;
        let subject = data.claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        if subject.is_empty() || subject.len() > MAX_SUBJECT || subject.chars().any(char::is_control) {
            return Err(invalid("the token's subject is no name of 1 to 255 bytes"));
        }
        let roles = roles(data.claims.get(&self.settings.roles_claim));
        Ok(Caller::new(subject.to_owned(), roles, token.to_owned()))
    }
}

/// Returns false for a key of encryption, or of another algorithm.
fn signs(key: &Jwk, algorithm: jsonwebtoken::Algorithm) -> bool {
    let is_for_signatures = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let same = |known: jsonwebtoken::jwk::KeyAlgorithm| known.to_string() == format!("{algorithm:?}");
    is_for_signatures && key.common.key_algorithm.is_none_or(same)
}

/// Reads roles from a list, or from a text with spaces. Other names are no roles of ours.
fn roles(claim: Option<&Value>) -> BTreeSet<Role> {
    match claim {
        Some(Value::Array(names)) => names.iter().filter_map(|name| name.as_str()?.parse().ok()).collect(),
        Some(Value::String(names)) => names.split_whitespace().filter_map(|name| name.parse().ok()).collect(),
        _ => BTreeSet::new(),
    }
}

fn reason(kind: &ErrorKind) -> Problem {
    invalid(match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks exp, iss, aud or sub",
        _ => "the token can't be verified",
    })
}

fn no_key(error: NoKey) -> Problem {
    match error {
        NoKey::Unknown => invalid("the token's key is unknown"),
        NoKey::Unavailable => {
            let detail = "the keys of tokens can't be read; the log has the cause";
            Problem::new(AuthCode::AuthUnavailable, detail).retry_after(std::time::Duration::from_secs(10))
        }
    }
}

fn invalid(detail: &'static str) -> Problem {
    let challenge =
        format!(r#"Bearer realm="order-fulfilment", error="invalid_token", error_description="{detail}""#);
    Problem::new(AuthCode::InvalidToken, detail).challenge(challenge)
}
