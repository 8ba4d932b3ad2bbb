//! What is sent, for the document. The layers' own types are what is written; tests hold every answer against these.

#![expect(dead_code, reason = "their fields are read by the document's derive alone")]
#![expect(clippy::struct_field_names, reason = "they are called as they are sent")]

mod context;
mod knowledge;
mod machine;
mod plan;
mod session;
mod task;
mod trail;

pub(in crate::http) use context::*;
pub(in crate::http) use knowledge::*;
pub(in crate::http) use machine::*;
pub(in crate::http) use plan::*;
pub(in crate::http) use session::*;
pub(in crate::http) use task::*;
pub(in crate::http) use trail::*;
