//! The configuration of authentication.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use crate::config::{Reader, Variable, base_url, duration};

const AUTH: Variable = Variable {
    name: "AUTH",
    default: Some("off"),
    meaning: "`jwt` requires a signed token with each request; `off` lets every caller do everything.",
};
const AUTH_ISSUER: Variable = Variable {
    name: "AUTH_ISSUER",
    default: None,
    meaning: "The `iss` of accepted tokens. `AUTH=jwt` requires it.",
};
const AUTH_AUDIENCE: Variable = Variable {
    name: "AUTH_AUDIENCE",
    default: None,
    meaning: "The `aud` of accepted tokens. `AUTH=jwt` requires it.",
};
const AUTH_JWKS: Variable = Variable {
    name: "AUTH_JWKS",
    default: None,
    meaning: "The public keys of tokens as a JWK set: a file, or an `http` or `https` URL. `AUTH=jwt` requires it.",
};
const AUTH_JWKS_REFRESH: Variable = Variable {
    name: "AUTH_JWKS_REFRESH",
    default: Some("5m"),
    meaning: "The age at which the keys are read again. An unknown key has them read at once, at most every 10 s.",
};
const AUTH_ROLES_CLAIM: Variable = Variable {
    name: "AUTH_ROLES_CLAIM",
    default: Some("roles"),
    meaning: "The claim with the roles: a list, or names with spaces between. The roles are `viewer`, `customer`, `manager` and `operator`.",
};
const AUTH_RATE_LIMIT: Variable = Variable {
    name: "AUTH_RATE_LIMIT",
    default: None,
    meaning: "The requests a second that each caller may send. Without it, there is no limit.",
};

/// The variables of a service that authenticates its callers.
pub const VARIABLES: &[Variable] =
    &[AUTH, AUTH_ISSUER, AUTH_AUDIENCE, AUTH_JWKS, AUTH_JWKS_REFRESH, AUTH_ROLES_CLAIM, AUTH_RATE_LIMIT];

/// Configures the authentication of callers.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// None lets every caller do everything.
    pub jwt: Option<JwtSettings>,
    /// Requests a second for each caller.
    pub rate_limit: Option<NonZeroU32>,
}

/// The accepted tokens.
#[derive(Debug, Clone)]
pub struct JwtSettings {
    pub issuer: String,
    pub audience: String,
    pub keys: KeySource,
    pub refresh: Duration,
    pub roles_claim: String,
}

/// Locates the public keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    File(PathBuf),
    Url(String),
}

impl Auth {
    /// Reads and checks the variables.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let text = |text: &str| Ok::<_, String>(text.to_owned());
        let is_on = reader.read(&AUTH, |text| match text {
            "off" => Ok(false),
            "jwt" => Ok(true),
            _ => Err("must be `off` or `jwt`"),
        });
        let issuer = reader.read_optional(&AUTH_ISSUER, text);
        let audience = reader.read_optional(&AUTH_AUDIENCE, text);
        let keys = reader.read_optional(&AUTH_JWKS, |text| {
            if text.contains("://") {
                base_url(text).map(KeySource::Url)
            } else {
                Ok(KeySource::File(text.into()))
            }
        });
        let refresh = reader.read(&AUTH_JWKS_REFRESH, duration);
        let roles_claim = reader.read(&AUTH_ROLES_CLAIM, text);
        let rate_limit = reader.read_optional(&AUTH_RATE_LIMIT, |text| {
            text.parse::<NonZeroU32>().map_err(|_| "must be a number from 1")
        });
        let (issuer, audience, keys) = (issuer?, audience?, keys?);
        let jwt = if is_on? {
            let issuer = issuer.or_else(|| reader.missing(&AUTH_ISSUER));
            let audience = audience.or_else(|| reader.missing(&AUTH_AUDIENCE));
            let keys = keys.or_else(|| reader.missing(&AUTH_JWKS));
            Some(JwtSettings {
                issuer: issuer?,
                audience: audience?,
                keys: keys?,
                refresh: refresh?,
                roles_claim: roles_claim?,
            })
        } else {
            None
        };
        Some(Self { jwt, rate_limit: rate_limit? })
    }
}

/// Warns of a service that other machines can reach, and that lets everyone do everything.
pub fn warn_if_open(auth: &Auth, address: SocketAddr) {
    if auth.jwt.is_none() && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "AUTH is off, and the service listens beyond this machine: everyone who reaches it may do everything"
        );
    }
}
