//! Control over HTTP. Its errors are those of any body: 422 with pointers.

mod dto;
mod handlers;

pub use handlers::routes;
