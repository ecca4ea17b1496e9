//! Founder over real HTTP, with sources that do as they are told.

mod faults;
mod founder;
mod stopping;
mod strategies;
mod stream;
mod time;
