//! What `cargo xtask` is made of. The end-to-end tests use [`stack`] as well, so that what they test is
//! started exactly as a person starts it.

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
pub mod record;
pub mod services;
pub mod sources;
pub mod stack;
pub mod temporal_cli;
pub mod test;
pub mod tool;
pub mod up;
pub mod workspace;
