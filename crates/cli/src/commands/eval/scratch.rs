use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use agent_turbo_knowledge::{ContentHash, Filter, NewEntry, Project, Store};
use anyhow::{Context as _, Result, anyhow};
use serde_json::{Map, Value};

use super::bar::Bar;
use super::collection::Collection;
use crate::input::bad;

/// Documents that are added at once; between two such batches a request to stop is heard.
const BATCH: usize = 64;
/// What begins the name of every scratch project.
const PREFIX: &str = "eval-";
const DIGITS: usize = 16;
/// The member of an entry's metadata that says which documents its project was made of.
const MARK: &str = "eval_documents";

/// The projects of one evaluation: one for each scope, because a project is what a search never leaves.
#[derive(Debug)]
pub(super) struct Scratch {
    name: String,
    /// By the place of the scope.
    projects: Vec<Project>,
}

/// What became of the documents.
#[derive(Debug, Default)]
pub(super) struct Filled {
    /// For each scope, which documents an entry stands for, by their places and in the order of their ids: documents of
    /// one text are one entry.
    pub(super) stands_for: Vec<HashMap<ContentHash, Vec<usize>>>,
    /// Documents without any text.
    pub(super) without_text: usize,
    /// Documents in which secrets were replaced.
    pub(super) redacted: usize,
    /// Documents that were embedded just now and are longer than the model reads.
    pub(super) truncated: usize,
}

impl Scratch {
    /// Named anew, or as the one that was kept.
    pub(super) fn new(kept: Option<&str>, collection: &Collection) -> Result<Self> {
        let name = match kept {
            Some(name) => {
                check_name(name)?;
                name.to_owned()
            }
            None => format!("{PREFIX}{:0DIGITS$x}", RandomState::new().hash_one(std::process::id())),
        };
        let projects = collection.scopes.iter().enumerate().map(|(place, scope)| match scope {
            None => name.parse(),
            Some(_) => format!("{name}-{place}").parse(),
        });
        let projects = projects.collect::<Result<_, agent_turbo_knowledge::Error>>()?;
        Ok(Self { name, projects })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn project(&self, scope: usize) -> &Project {
        &self.projects[scope]
    }

    /// Refuses projects that hold anything but these documents.
    pub(super) async fn check(&self, store: &Store, collection: &Collection) -> Result<()> {
        let fingerprint = collection.fingerprint();
        for project in &self.projects {
            let filter = Filter { project: Some(project.clone()), ..Filter::default() };
            let newest = store.list(&filter, 1, None).await?;
            if newest.entries.iter().any(|entry| entry.metadata[MARK] != fingerprint.as_str()) {
                return Err(bad("the project", format!("{project} was made of other documents")));
            }
        }
        Ok(())
    }

    /// Adds what is not there yet; `None` when it was told to stop.
    pub(super) async fn fill(
        &self,
        store: &Store,
        collection: &Collection,
        bar: &Bar,
    ) -> Result<Option<Filled>> {
        let mark = Map::from_iter([(MARK.to_owned(), Value::from(collection.fingerprint()))]);
        let mut filled = Filled::default();
        filled.stands_for.resize_with(self.projects.len(), HashMap::new);
        let with_text: Vec<usize> = (0..collection.documents.len())
            .filter(|&place| !Collection::has_no_text(&collection.documents[place]))
            .collect();
        filled.without_text = collection.documents.len() - with_text.len();
        bar.step("adding documents", with_text.len());
        for batch in with_text.chunks(BATCH) {
            // Never in the middle of a batch: what is added must be known to whoever removes it.
            if bar.is_stopped() {
                return Ok(None);
            }
            let entry = |&place: &usize| {
                let document = &collection.documents[place];
                let scope = collection.place_of(document.scope.as_deref());
                let project = self.projects[scope].clone();
                NewEntry { project, metadata: mark.clone(), ..NewEntry::new(document.text.clone()) }
            };
            let added = store.add_batch(batch.iter().map(entry).collect()).await?;
            for (&place, added) in batch.iter().zip(added) {
                let document = &collection.documents[place];
                let added = added.with_context(|| {
                    format!("add the document {:?} of line {}", document.id, document.line)
                })?;
                filled.redacted += usize::from(!added.redacted.is_empty());
                filled.truncated += usize::from(added.truncated);
                let scope = collection.place_of(document.scope.as_deref());
                filled.stands_for[scope].entry(added.content_hash).or_default().push(place);
            }
            bar.done(batch.len());
        }
        for places in filled.stands_for.iter_mut().flat_map(HashMap::values_mut) {
            places.sort_by(|&a, &b| collection.documents[a].id.cmp(&collection.documents[b].id));
        }
        Ok(Some(filled))
    }

    /// Removes all of it.
    pub(super) async fn remove(&self, store: &Store) -> Result<()> {
        for project in &self.projects {
            let removed = store.delete_project(project).await;
            removed.with_context(|| {
                format!(
                    "remove the scratch project {project} (agent-turbo eval --remove {} tries again)",
                    self.name
                )
            })?;
        }
        Ok(())
    }
}

/// Removes what was kept under `name`, whatever scopes it has; how many entries that were.
pub(super) async fn remove_kept(store: &Store, name: &str) -> Result<u64> {
    let stats = store.stats(None).await?;
    let is_of_it = |project: &str| {
        let rest = project.strip_prefix(name);
        let is_scope =
            |rest: &str| rest.strip_prefix('-').is_some_and(|number| number.parse::<usize>().is_ok());
        rest.is_some_and(|rest| rest.is_empty() || is_scope(rest))
    };
    let projects: HashSet<&str> =
        stats.projects.iter().map(|count| count.name.as_str()).filter(|project| is_of_it(project)).collect();
    let mut gone = 0;
    for project in projects {
        let project: Project = project.parse()?;
        let filter = Filter { project: Some(project.clone()), ..Filter::default() };
        let newest = store.list(&filter, 1, None).await?;
        if newest.entries.iter().any(|entry| entry.metadata.get(MARK).is_none()) {
            return Err(anyhow!("remove {project}: it was not made by eval"));
        }
        gone += store.delete_project(&project).await?;
    }
    Ok(gone)
}

/// Nobody's own project is filled, or removed, by mistake.
pub(super) fn check_name(name: &str) -> Result<()> {
    let digits = name.strip_prefix(PREFIX).unwrap_or_default();
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() == DIGITS && digits.bytes().all(is_digit) {
        return Ok(());
    }
    Err(bad(
        "the project",
        format!("{name:?} is not the name that eval --keep printed, such as eval-0123456789abcdef"),
    ))
}
