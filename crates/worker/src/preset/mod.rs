//! What agents' programs are called, and what their answers mean.

mod claude;
mod codex;
mod gemini;
mod plain;

use std::str::FromStr;

use serde_json::Value;

use crate::child::Capture;
use crate::{Error, Result};

/// An agent's program that takes a prompt, prints an answer as JSON, and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// `claude -p PROMPT --allowedTools mcp__agent-turbo --output-format json`
    ClaudeCode,
    /// `codex exec --json PROMPT`
    Codex,
    /// `gemini -p PROMPT --output-format json`
    Gemini,
}

/// What a command's stdout says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) result: Value,
    /// What went wrong, by its own account, whatever it exited with.
    pub(crate) failed: Option<String>,
    pub(crate) spent: Option<Spent>,
}

/// What it used, by its own account.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Spent {
    /// Of input and output together, cached ones included.
    pub(crate) tokens: u64,
    pub(crate) calls: u64,
    pub(crate) cost_usd: Option<f64>,
}

impl Preset {
    /// All there are.
    pub const ALL: &[Self] = &[Self::ClaudeCode, Self::Codex, Self::Gemini];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }

    pub(crate) fn command(self) -> &'static [&'static str] {
        match self {
            // In print mode nobody is there to allow a tool; those that the user configured under our name are ours.
            Self::ClaudeCode => {
                &["claude", "-p", "{prompt}", "--allowedTools", "mcp__agent-turbo", "--output-format", "json"]
            }
            Self::Codex => &["codex", "exec", "--json", "{prompt}"],
            Self::Gemini => &["gemini", "-p", "{prompt}", "--output-format", "json"],
        }
    }

    /// Exit codes of its own that say that the task itself cannot be done.
    pub(crate) fn is_final(self, code: i32) -> bool {
        match self {
            // "Input error (invalid prompt or arguments)": geminicli.com/docs/cli/headless.
            Self::Gemini => code == 42,
            Self::ClaudeCode | Self::Codex => false,
        }
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|preset| preset.as_str() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|preset| preset.as_str()).collect();
            Error::bad_input("the preset", format!("{name:?} is none of {}", known.join(", ")))
        })
    }
}

/// What a command answered. An answer that is not what the preset's program prints is taken as any other command's.
pub(crate) fn understand(preset: Option<Preset>, stdout: &Capture) -> Answer {
    let text = stdout.text();
    let understood = match preset {
        Some(Preset::ClaudeCode) => claude::answer(&text),
        Some(Preset::Codex) => codex::answer(&text),
        Some(Preset::Gemini) => gemini::answer(&text),
        None => None,
    };
    understood.unwrap_or_else(|| plain::answer(&text, stdout.left_out() == 0))
}

/// The last line that is a JSON object.
fn last_object(text: &str) -> Option<Value> {
    text.lines().rev().find_map(object)
}

fn object(line: &str) -> Option<Value> {
    let line = line.trim();
    // Cheaper than trying to read every line of a long log.
    if !(line.starts_with('{') && line.ends_with('}')) {
        return None;
    }
    serde_json::from_str(line).ok()
}

/// The sum of those members that are there; `None` when none is.
fn sum(usage: &Value, members: &[&str]) -> Option<u64> {
    let numbers: Vec<u64> = members.iter().filter_map(|member| usage[*member].as_u64()).collect();
    (!numbers.is_empty()).then(|| numbers.into_iter().fold(0, u64::saturating_add))
}
