use std::path::PathBuf;

use crate::{Error, Result};

/// An agent program that can be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Claude Code of Anthropic.
    ClaudeCode,
    /// Codex CLI of OpenAI.
    Codex,
    /// Gemini CLI of Google.
    Gemini,
    /// Cursor, the editor and its command-line agent.
    Cursor,
}

/// Where a configuration holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Wherever the user works.
    User,
    /// In one project, for everybody who works on it.
    Project,
}

/// Where the clients' files are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The user's home directory.
    pub home: PathBuf,
    /// The project's folder.
    pub project: PathBuf,
    /// `CLAUDE_CONFIG_DIR`, which Claude Code uses instead of `~/.claude`, and then for `.claude.json` as well.
    pub claude_config_dir: Option<PathBuf>,
    /// `CODEX_HOME`, which Codex uses instead of `~/.codex`.
    pub codex_home: Option<PathBuf>,
}

impl Client {
    /// All that can be connected.
    pub const ALL: [Self; 4] = [Self::ClaudeCode, Self::Codex, Self::Gemini, Self::Cursor];

    /// As it is named on the command line, and as a platform.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Cursor => "cursor",
        }
    }

    /// As its makers call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Cursor => "Cursor",
        }
    }

    /// How its user sees that it is connected.
    pub fn check(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude mcp list",
            Self::Codex => "codex mcp list",
            Self::Gemini => "gemini mcp list",
            Self::Cursor => "cursor-agent mcp list (in the editor: Settings, MCP)",
        }
    }

    /// The file that names its MCP servers.
    pub(crate) fn servers_file(self, scope: Scope, places: &Places) -> PathBuf {
        let Places { home, project, .. } = places;
        match (self, scope) {
            (Self::ClaudeCode, Scope::User) => {
                places.claude_config_dir.as_ref().unwrap_or(home).join(".claude.json")
            }
            (Self::ClaudeCode, Scope::Project) => project.join(".mcp.json"),
            (Self::Codex, Scope::User) => match &places.codex_home {
                Some(codex_home) => codex_home.join("config.toml"),
                None => home.join(".codex/config.toml"),
            },
            (Self::Codex, Scope::Project) => project.join(".codex/config.toml"),
            (Self::Gemini, Scope::User) => home.join(".gemini/settings.json"),
            (Self::Gemini, Scope::Project) => project.join(".gemini/settings.json"),
            (Self::Cursor, Scope::User) => home.join(".cursor/mcp.json"),
            (Self::Cursor, Scope::Project) => project.join(".cursor/mcp.json"),
        }
    }

    /// The file that names its hooks.
    pub(crate) fn hooks_file(self, scope: Scope, places: &Places) -> Result<PathBuf> {
        match (self, scope) {
            (Self::ClaudeCode, Scope::User) => Ok(match &places.claude_config_dir {
                Some(dir) => dir.join("settings.json"),
                None => places.home.join(".claude/settings.json"),
            }),
            (Self::ClaudeCode, Scope::Project) => Ok(places.project.join(".claude/settings.json")),
            _ => Err(Error::NoPlace { client: self.title(), why: "hooks are set up for Claude Code only" }),
        }
    }
}
