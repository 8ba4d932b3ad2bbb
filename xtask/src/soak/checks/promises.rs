use std::collections::{BTreeMap, HashMap, HashSet};

use agent_turbo_knowledge::{Filter, Mode, Query};
use anyhow::{Context, Result, ensure};
use tokio_postgres::Client;

use crate::soak::agents::PROJECT;
use crate::soak::event::Fact;
use crate::soak::process::Process;

/// Entries whose vectors are made anew.
const SAMPLE: i64 = 50;

pub(super) async fn sessions(admin: &Client, facts: &[Fact]) -> Result<String> {
    let rows = admin.query("SELECT session_id, status FROM agent_sessions", &[]).await?;
    let stored: HashMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let (mut started, mut ended) = (0, 0);
    for fact in facts {
        match fact {
            Fact::Started { session } => {
                ensure!(stored.contains_key(session), "the session {session} is lost");
                started += 1;
            }
            Fact::Ended { session, status } => {
                let now = stored.get(session).map_or("lost", String::as_str);
                ensure!(now == status, "the session {session} is {now}, and ended as {status}");
                ended += 1;
            }
            _ => {}
        }
    }
    ensure!(started > 0 && ended > 0, "{started} sessions were started, {ended} ended");
    Ok(format!("{started} started, {ended} ended"))
}

/// Between what was acknowledged and what was tried.
pub(super) async fn usage(admin: &Client, facts: &[Fact]) -> Result<String> {
    let mut bounds: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    let mut touches = 0;
    for fact in facts {
        match fact {
            Fact::Touching { session, tokens } => {
                bounds.entry(session).or_default().1 += i64::from(*tokens);
            }
            Fact::Touched { session, tokens } => {
                bounds.entry(session).or_default().0 += i64::from(*tokens);
                touches += 1;
            }
            _ => {}
        }
    }
    let rows = admin.query("SELECT session_id, tokens_used FROM agent_sessions", &[]).await?;
    let stored: HashMap<&str, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    for (session, (least, most)) in bounds {
        let used = stored.get(session).copied().with_context(|| format!("the session {session} is lost"))?;
        ensure!(
            (least..=most).contains(&used),
            "the session {session} has used {used} tokens: between {least} and {most} were told"
        );
    }
    ensure!(touches > 0, "no usage was told");
    Ok(format!("{touches} times"))
}

pub(super) async fn actions(admin: &Client, facts: &[Fact]) -> Result<String> {
    let rows = admin
        .query(
            "SELECT action_id, session_id, action_description FROM agent_actions WHERE action_type = 'soaked'",
            &[],
        )
        .await?;
    let stored: HashMap<&str, &str> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    // Every action says something of its own: two that say the same are one that was written twice.
    let said: HashSet<&str> = rows.iter().map(|row| row.get(2)).collect();
    ensure!(said.len() == rows.len(), "{} actions were written twice", rows.len() - said.len());
    let mut count = 0;
    for fact in facts {
        let Fact::Logged { actions, session } = fact else { continue };
        for action in actions {
            ensure!(
                stored.get(action.as_str()) == Some(&session.as_str()),
                "the action {action} of {session} is lost"
            );
            count += 1;
        }
    }
    ensure!(count > 0, "no action was logged");
    Ok(format!("{count} acknowledged, {} stored", rows.len()))
}

pub(super) async fn entries(admin: &Client, facts: &[Fact]) -> Result<String> {
    let rows = admin
        .query(
            "SELECT k.project, k.content_hash, count(*) AS times,
                    bool_and(coalesce(vector_dims(k.embedding) = m.dimensions, false)) AS is_embedded,
                    bool_and(k.content_hash = encode(sha256(convert_to(k.content, 'UTF8')), 'hex')) AS is_hashed
             FROM agent_knowledge k LEFT JOIN embedding_models m ON m.name = k.embedding_model AND m.is_default
             GROUP BY 1, 2",
            &[],
        )
        .await?;
    let mut stored: HashSet<(&str, &str)> = HashSet::new();
    for row in &rows {
        let (project, hash, times): (&str, &str, i64) = (row.get(0), row.get(1), row.get(2));
        ensure!(times == 1, "the entry {hash} of {project} is there {times} times");
        ensure!(
            row.get::<_, bool>("is_embedded"),
            "the entry {hash} of {project} has no vector of the store's model"
        );
        ensure!(row.get::<_, bool>("is_hashed"), "the entry {hash} of {project} has another text's hash");
        stored.insert((project, hash));
    }
    let mut new: HashSet<(&str, &str)> = HashSet::new();
    let (mut count, mut duplicates) = (0, 0);
    for fact in facts {
        let Fact::Added { project, hash, is_new } = fact else { continue };
        let key = (project.as_str(), hash.as_str());
        ensure!(stored.contains(&key), "the entry {hash} of {project} is lost");
        ensure!(!is_new || new.insert(key), "two were told that they added the entry {hash} of {project}");
        count += 1;
        duplicates += u32::from(!is_new);
    }
    ensure!(count > 0, "no entry was added");
    ensure!(duplicates > 0, "no entry was added by two agents");
    Ok(format!("{count} acknowledged ({duplicates} as duplicates), {} stored", stored.len()))
}

/// A wrong answer of the embedding service that was believed would stand out here.
pub(super) async fn vectors(process: &Process) -> Result<String> {
    let rows = process
        .database
        .query(
            "sampled_entries",
            "SELECT project, content FROM agent_knowledge ORDER BY md5(content_hash) LIMIT $1",
            &[&SAMPLE],
        )
        .await?;
    for row in &rows {
        let (project, content): (String, String) = (row.get(0), row.get(1));
        let query =
            Query { mode: Mode::Vector, filter: Filter::project(project.parse()?), ..Query::new(&content) };
        let answer = process.fresh.query(&query).await?;
        let similarity = answer
            .hits
            .iter()
            .find(|hit| hit.entry.content == content)
            .and_then(|hit| hit.similarity)
            .with_context(|| format!("{content:?} is not found by its own meaning"))?;
        ensure!(similarity > 0.999, "{content:?} has another text's vector: {similarity}");
    }
    ensure!(!rows.is_empty(), "there is no entry");
    Ok(format!("{} of them made anew", rows.len()))
}

pub(super) async fn tasks(admin: &Client, facts: &[Fact]) -> Result<String> {
    let rows = admin
        .query("SELECT idempotency_key, task_id FROM agent_tasks WHERE project = $1", &[&PROJECT])
        .await?;
    let stored: HashMap<&str, &str> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    ensure!(stored.len() == rows.len(), "{} tasks share a key with another", rows.len() - stored.len());
    let mut count = 0;
    for fact in facts {
        let Fact::Created { key, task } = fact else { continue };
        let found = stored.get(key.as_str());
        ensure!(found == Some(&task.as_str()), "the key {key} stood for {task}, and stands for {found:?}");
        count += 1;
    }
    ensure!(count > 0, "no task was created");
    Ok(format!("{count} acknowledged, {} stored", stored.len()))
}

pub(super) async fn results(admin: &Client, facts: &[Fact]) -> Result<String> {
    let rows = admin.query("SELECT task_id, status, output_data ->> 'nonce' FROM agent_tasks", &[]).await?;
    let stored: HashMap<&str, (&str, Option<&str>)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    let (mut completed, mut failed) = (0, 0);
    for fact in facts {
        match fact {
            Fact::Completed { task, nonce } => {
                let found = stored.get(task.as_str());
                ensure!(
                    found == Some(&("completed", Some(nonce.as_str()))),
                    "the task {task} was completed with {nonce}, and is {found:?}"
                );
                completed += 1;
            }
            Fact::GaveUp { task } => {
                let found = stored.get(task.as_str()).map(|found| found.0);
                ensure!(found == Some("failed"), "the task {task} failed for good, and is {found:?}");
                failed += 1;
            }
            _ => {}
        }
    }
    ensure!(completed > 0, "no task was completed");
    Ok(format!("{completed} completed, {failed} failed for good"))
}
