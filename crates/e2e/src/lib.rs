//! Nothing here but tests: see `tests/`.
