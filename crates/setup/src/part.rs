use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::change::Change;
use crate::client::{Client, Places, Scope};
use crate::fragment::Fragment;
use crate::hooks::Hooks;
use crate::json::{self, Found, Place, Wanted};
use crate::record::{Record, Records};
use crate::server::{SERVER_NAME, Server};
use crate::splice::Splice;
use crate::{Result, toml};

/// A file of a client, and what belongs into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file.
    pub path: PathBuf,
    client: Client,
    scope: Scope,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Server(Server),
    Hooks(Hooks),
}

/// Members of a server's entry that are ours to set; others are its user's.
const OWN_MEMBERS: [&str; 6] = ["type", "command", "args", "env", "url", "httpUrl"];

/// The files of a client, each with what belongs into it.
///
/// # Errors
/// [`crate::Error::NoPlace`] for hooks of a client for which there are none.
pub fn parts(
    client: Client,
    scope: Scope,
    places: &Places,
    server: Server,
    hooks: Option<Hooks>,
) -> Result<Vec<Part>> {
    let path = client.servers_file(scope, places);
    let mut parts = vec![Part { path, client, scope, content: Content::Server(server) }];
    if let Some(hooks) = hooks {
        let path = client.hooks_file(scope, places)?;
        parts.push(Part { path, client, scope, content: Content::Hooks(hooks) });
    }
    Ok(parts)
}

impl Part {
    /// What is in it, in a word.
    pub fn name(&self) -> &'static str {
        match self.content {
            Content::Server(_) => "MCP server",
            Content::Hooks(_) => "hooks",
        }
    }

    /// What the file would be, were there nothing else in it.
    pub fn snippet(&self) -> Result<String> {
        let mut text = String::new();
        self.put(&mut text, &self.wanted(&[]), &mut Vec::new(), &mut Vec::new())?;
        Ok(text)
    }

    /// What becomes of the file when the client is connected.
    pub fn connect(&self, records: &Records) -> Result<Change> {
        Change::connecting(self, records)
    }

    /// What becomes of the file when the connection is taken out.
    pub fn disconnect(&self, records: &Records) -> Result<Change> {
        Change::disconnecting(self, records)
    }

    /// How a new file may be read: a user's own configuration holds secrets sooner or later, a project's is shared.
    pub(crate) fn new_mode(&self) -> u32 {
        match self.scope {
            Scope::User => 0o600,
            Scope::Project => 0o644,
        }
    }

    /// What of ours is in a text.
    pub(crate) fn ours(&self, text: &str) -> Result<Vec<Found>> {
        if self.is_toml() {
            let value = toml::ours(text, &self.path)?;
            return Ok(value.into_iter().map(|value| Found { path: Vec::new(), value }).collect());
        }
        let root = json::parse(text, &self.path)?;
        Ok(root.as_ref().map(json::ours).unwrap_or_default())
    }

    /// Whether what is there is what is wanted, whatever its user added.
    pub(crate) fn is_connected(&self, found: &[Found]) -> bool {
        let wanted = self.wanted(&[]);
        found.len() == wanted.len()
            && wanted.iter().all(|wanted| {
                found.iter().any(|found| {
                    let place = found.path.get(1).is_none_or(|step| {
                        let name = wanted.place.containers.get(1).or(wanted.place.name.as_ref());
                        name.is_some_and(|name| *step == json::Step::Member(name.clone()))
                    });
                    place && self.is_same(&found.value, &wanted.what.value())
                })
            })
    }

    fn is_same(&self, found: &Value, wanted: &Value) -> bool {
        match self.content {
            Content::Server(_) => OWN_MEMBERS.iter().all(|name| {
                let nothing = |value: &&Value| value.as_object().is_some_and(serde_json::Map::is_empty);
                found.get(name).filter(|value| !nothing(value)) == wanted.get(name)
            }),
            // How long it may take is its user's to say.
            Content::Hooks(_) => {
                found["matcher"] == wanted["matcher"]
                    && found["hooks"][0]["command"] == wanted["hooks"][0]["command"]
            }
        }
    }

    /// Everything that belongs into the file; what a user added to our entry stays.
    pub(crate) fn wanted(&self, found: &[Found]) -> Vec<Wanted> {
        match &self.content {
            Content::Server(server) => {
                let mut what = server.fragment(self.client);
                let added = found.iter().filter_map(|found| found.value.as_object()).flatten();
                let added = added.filter(|(name, _)| !OWN_MEMBERS.contains(&name.as_str()));
                if let Fragment::Object(members) = &mut what {
                    members.extend(added.map(|(name, value)| (name.clone(), Fragment::Kept(value.clone()))));
                }
                let name = Some(SERVER_NAME.to_owned());
                vec![Wanted { place: Place { containers: vec!["mcpServers".to_owned()], name }, what }]
            }
            Content::Hooks(hooks) => {
                let groups = hooks.groups().into_iter();
                let wanted = groups.map(|(event, what)| {
                    let containers = vec!["hooks".to_owned(), event.to_owned()];
                    Wanted { place: Place { containers, name: None }, what }
                });
                wanted.collect()
            }
        }
    }

    /// Puts it into a text that has nothing of ours.
    pub(crate) fn put(
        &self,
        text: &mut String,
        wanted: &[Wanted],
        splices: &mut Vec<Splice>,
        made: &mut Vec<Vec<String>>,
    ) -> Result<()> {
        for wanted in wanted {
            if self.is_toml() {
                toml::insert(text, &wanted.what, &self.path, splices)?;
            } else {
                made.extend(json::insert(text, wanted, &self.path, splices)?);
            }
        }
        Ok(())
    }

    /// Takes everything of ours out; whether there was anything.
    pub(crate) fn take_out(&self, text: &mut String, record: Option<&Record>) -> Result<bool> {
        let none = Vec::new();
        let made = record.map_or(&none, |record| &record.made);
        if self.is_toml() {
            return toml::remove_ours(text, &self.path);
        }
        // Innermost first.
        let mut made = made.clone();
        made.sort_by_key(|container| std::cmp::Reverse(container.len()));
        json::remove_ours(text, &made, &self.path)
    }

    fn is_toml(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "toml")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
