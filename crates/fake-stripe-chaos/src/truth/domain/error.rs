//! Why the truth can't be told.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TruthError {
    #[error("nobody ever asked anything for the order {0}")]
    UnknownOrder(String),
    #[error("the order shipped, and what shipped can't come back")]
    AlreadyShipped,
}
