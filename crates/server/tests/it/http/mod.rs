mod connections;
mod document;
mod events;
mod everything;
mod refusals;
mod repeating;
mod schema;
pub(crate) mod support;
mod tokens;
