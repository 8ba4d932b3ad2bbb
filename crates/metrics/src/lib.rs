//! Times named spans into histograms that can be merged.
//!
//! A [`Recorder`] holds the histograms of a fixed list of [`Operation`]s; [`layer`] feeds it from the spans that the other
//! crates open anyway. Knows neither database nor domain: who installs the layer says what is timed and where it goes.

mod histogram;
mod layer;
mod recorder;

pub use histogram::Histogram;
pub use layer::layer;
pub use recorder::{Measured, Operation, Recorder};
