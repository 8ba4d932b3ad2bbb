//! Knowledge against a real database and a real model.

mod adding;
mod asking;
mod caching;
mod changing;
mod faults;
mod filters;
mod support;
