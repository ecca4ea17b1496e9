//! The error codes of the console. Its other errors are pages.

use service_kit::error_codes;

error_codes! {
    pub enum ConsoleCode {
        TooManyViewers = "too_many_viewers", 503, "Too many live pages are open", retryable;
    }
}
