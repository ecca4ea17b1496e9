//! Tests founder over real HTTP, with scripted sources.

#![allow(clippy::disallowed_methods, reason = "test code may wait and draw")]

mod faults;
mod founder;
mod stopping;
mod strategies;
mod stream;
mod time;
