//! Control over HTTP. Its errors are those of any body: 422 with pointers.

mod dto;
mod handlers;
mod profile_dto;
mod profile_handlers;

pub use handlers::routes;
pub use profile_handlers::routes as profile_routes;
