use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::client::Client;
use crate::fragment::Fragment;

/// What clients call us, and what our tools' names begin with.
pub const SERVER_NAME: &str = "agent-turbo";

/// How a client reaches us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// It starts a program and speaks to its stdin and stdout.
    Stdio {
        /// The program's absolute path.
        program: String,
        /// What it is given.
        args: Vec<String>,
        /// What it finds in its environment. These files are no place for secrets.
        env: BTreeMap<String, String>,
    },
    /// It speaks MCP's streamable HTTP.
    Http {
        /// Where.
        url: String,
    },
}

impl Server {
    /// The entry as the client's JSON has it.
    pub(crate) fn fragment(&self, client: Client) -> Fragment {
        let mut members = Vec::new();
        let mut member = |name: &str, value| members.push((name.to_owned(), value));
        match self {
            Self::Stdio { program, args, env } => {
                if client == Client::ClaudeCode {
                    member("type", Fragment::text("stdio"));
                }
                member("command", Fragment::text(program));
                member("args", Fragment::texts(args));
                if !env.is_empty() {
                    let env = env.iter().map(|(name, value)| (name.clone(), Fragment::text(value)));
                    member("env", Fragment::Object(env.collect()));
                }
            }
            Self::Http { url } => match client {
                Client::ClaudeCode => {
                    member("type", Fragment::text("http"));
                    member("url", Fragment::text(url));
                }
                Client::Gemini => member("httpUrl", Fragment::text(url)),
                Client::Cursor | Client::Codex => member("url", Fragment::text(url)),
            },
        }
        Fragment::Object(members)
    }
}

/// Whether an entry of our name is of our making: it runs a program of our name as a server, or names an MCP endpoint
/// and nothing that setting up does not write.
pub(crate) fn is_ours(entry: &Value) -> bool {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    if let Some(command) = text("command") {
        return is_our_program(command) && entry["args"].get(0).and_then(Value::as_str) == Some("mcp");
    }
    let only_known = entry.as_object().is_some_and(|members| {
        members.keys().all(|name| ["type", "url", "httpUrl"].contains(&name.as_str()))
    });
    only_known && text("url").or_else(|| text("httpUrl")).is_some_and(|url| url.ends_with("/mcp"))
}

pub(crate) fn is_our_program(path: &str) -> bool {
    Path::new(path).file_stem().is_some_and(|name| name == SERVER_NAME)
}
