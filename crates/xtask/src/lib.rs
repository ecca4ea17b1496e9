//! The parts of `cargo xtask`. The end-to-end tests use [`stack`] too, so that they start the services as a user
//! does.

pub mod cargo;
pub mod cli;
pub mod console;
pub mod demo;
pub mod guard;
pub mod http;
pub mod interrupt;
pub mod logs;
pub mod nextest;
pub mod ports;
pub mod process;
pub mod services;
pub mod sources;
pub mod stack;
pub mod stack_record;
pub mod temporal_cli;
pub mod test;
pub mod tool;
pub mod up;
pub mod workspace;
