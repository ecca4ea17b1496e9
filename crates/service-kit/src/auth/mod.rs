//! Decides who may do what. [`Authenticator`] finds out who calls, by a signed token. [`only`] lets routes name the roles
//! that may use them.

mod access;
mod authenticator;
mod caller;
mod crypto;
mod keys;
pub mod roles;
mod settings;
mod token;

pub use access::{audit, only};
pub(crate) use authenticator::authenticate;
pub use authenticator::{Authenticator, COOKIE, bearer, is_same_origin};
pub use caller::{Caller, Identity, Role};
pub use settings::{Auth, JwtSettings, KeySource, VARIABLES, warn_if_open};

use crate::error_codes;

error_codes! {
    /// The codes of a refused caller.
    pub enum AuthCode {
        Unauthenticated = "unauthenticated", 401, "A token is required", final;
        InvalidToken = "invalid_token", 401, "The token is not accepted", final;
        Forbidden = "forbidden", 403, "The caller may not do this", final;
        CrossSiteRequest = "cross_site_request", 403, "Another site sent this request", final;
        TooManyRequests = "too_many_requests", 429, "The caller sends too many requests", retryable;
        AuthUnavailable = "auth_unavailable", 503, "Tokens can't be checked now", retryable;
    }
}
