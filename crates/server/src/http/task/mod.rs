//! Work: made, claimed, and finished.

mod claim;
mod create;
mod finish;
mod look;
mod manage;

pub(super) use claim::*;
pub(super) use create::*;
pub(super) use finish::*;
pub(super) use look::*;
pub(super) use manage::*;
