//! Founder over real HTTP, with sources that do as they are told.

#![allow(clippy::disallowed_methods, reason = "test code may wait and draw")]

mod faults;
mod founder;
mod stopping;
mod strategies;
mod stream;
mod time;
