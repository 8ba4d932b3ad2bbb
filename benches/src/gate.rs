use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

const GATES: &str = include_str!("../gates.toml");

/// A bar, as `gates.toml` has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// What is measured.
    pub name: String,
    /// The bench that measures it.
    pub bench: String,
    /// What the figure and the bar are in.
    pub unit: Unit,
    /// The figure is to be at most this.
    pub most: Option<f64>,
    /// The figure is to be at least this.
    pub least: Option<f64>,
    /// What it is held against.
    pub floor: Option<String>,
}

/// What a figure is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Times the floor.
    #[serde(rename = "x")]
    Times,
    /// Of the floor's throughput.
    #[serde(rename = "share")]
    Share,
    /// Microseconds.
    #[serde(rename = "us")]
    Micros,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millis,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Things a second.
    #[serde(rename = "per_s")]
    PerSecond,
    /// Megabytes, of 1,000,000 bytes.
    #[serde(rename = "MB")]
    Megabytes,
}

impl Gate {
    /// Every gate, in the file's order.
    pub fn all() -> Result<Vec<Self>> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            gate: Vec<Gate>,
        }
        let file: File = toml::from_str(GATES).context("benches/gates.toml")?;
        for gate in &file.gate {
            ensure!(gate.most.is_some() != gate.least.is_some(), "{:?}: either most or least", gate.name);
        }
        Ok(file.gate)
    }

    /// The gate of this name.
    pub fn named(name: &str) -> Result<Self> {
        match Self::all()?.into_iter().find(|gate| gate.name == name) {
            Some(gate) => Ok(gate),
            None => bail!("there is no gate {name:?} in benches/gates.toml"),
        }
    }

    /// Whether a figure passes.
    pub fn is_met(&self, value: f64) -> bool {
        self.most.is_none_or(|most| value <= most) && self.least.is_none_or(|least| value >= least)
    }

    /// The bar, as people write it.
    pub fn bar(&self) -> String {
        let (sign, bar) = match (self.most, self.least) {
            (Some(most), _) => ("≤", most),
            (None, least) => ("≥", least.unwrap_or_default()),
        };
        format!("{sign} {}", self.unit.of(bar))
    }
}

impl Unit {
    /// A figure with its unit, to three digits.
    pub fn of(self, value: f64) -> String {
        let digits = match value.abs() {
            value if value >= 100.0 => 0,
            value if value >= 10.0 => 1,
            _ => 2,
        };
        format!("{value:.digits$} {self}")
    }

    /// So many of it are a second.
    pub(crate) fn per_second(self) -> Result<f64> {
        match self {
            Self::Micros => Ok(1e6),
            Self::Millis => Ok(1e3),
            Self::Seconds => Ok(1.0),
            other => bail!("a time is not told in {other}"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Times => "×",
            Self::Share => "of it",
            Self::Micros => "µs",
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::PerSecond => "/s",
            Self::Megabytes => "MB",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_on_the_bar_passes_and_one_beyond_it_does_not() {
        let gate = |most, least| Gate {
            name: String::new(),
            bench: String::new(),
            unit: Unit::Millis,
            most,
            least,
            floor: None,
        };
        assert!(gate(Some(20.0), None).is_met(20.0) && !gate(Some(20.0), None).is_met(20.1));
        assert!(gate(None, Some(0.7)).is_met(0.7) && !gate(None, Some(0.7)).is_met(0.69));
        assert_eq!(gate(Some(20.0), None).bar(), "≤ 20.0 ms");
    }

    #[test]
    fn gates_have_names_of_their_own() {
        let gates = Gate::all().unwrap();
        let mut names: Vec<&str> = gates.iter().map(|gate| gate.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), gates.len());
    }
}
