//! What a process remembers against what the database says, while nobody writes.

use std::sync::Arc;
use std::time::Duration;

use agent_turbo_knowledge::{Answer, Query};
use agent_turbo_orchestrator::LandingContext;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::agents::{SHARED_QUESTIONS, scope, shared_question};
use super::event::Event;
use super::process::Process;

/// How long a process may need to listen again, and so to remember.
const LISTENING: Duration = Duration::from_secs(10);

/// Asks everything twice, so that the second answer is from memory, and compares both with a fresh one.
pub(super) async fn compare(process: &Process) -> Result<Event> {
    let until = tokio::time::Instant::now() + LISTENING;
    while !process.store.is_caching() {
        ensure!(tokio::time::Instant::now() < until, "answers are not remembered again after {LISTENING:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (mut answers, mut from_memory) = (0, 0);
    for number in 0..SHARED_QUESTIONS {
        let question = shared_question(number);
        let fresh = process.fresh.query(&question).await.context("a fresh answer")?;
        for _ in 0..2 {
            let answer = process.store.query(&question).await.context("an answer")?;
            answers += 1;
            from_memory += usize::from(answer.cached);
            same_answer(&question, &answer, &fresh)?;
        }
    }
    ensure!(from_memory >= SHARED_QUESTIONS / 2, "only {from_memory} of {answers} answers came from memory");
    let mut contexts = 0;
    for _ in 0..3 {
        same_context(process).await?;
        contexts += 1;
    }
    Ok(Event::Compared { answers, from_memory, contexts })
}

fn same_answer(question: &Query, answer: &Answer, fresh: &Answer) -> Result<()> {
    let found = |answer: &Answer| -> Vec<String> {
        answer.hits.iter().map(|hit| hit.entry.content_hash.to_string()).collect()
    };
    ensure!(
        answer.degraded.is_none() && fresh.degraded.is_none(),
        "an answer by words alone after all faults"
    );
    let (remembered, read) = (found(answer), found(fresh));
    ensure!(
        remembered == read,
        "the answer to {:?} ({}) differs from a fresh one: {remembered:?}, {read:?}",
        question.text,
        if answer.cached { "from memory" } else { "just read" }
    );
    Ok(())
}

/// How often a context is compared while reapers, who never stop, take tasks back from the dead between two looks.
const LOOKS: usize = 10;

async fn same_context(process: &Process) -> Result<()> {
    let mut before = sections(&process.orchestrator.generate_landing_context(&scope()).await?)?;
    for _ in 0..LOOKS {
        let remembered = sections(&process.orchestrator.get_cached_landing_context(&scope()).await?)?;
        let fresh = sections(&process.orchestrator.generate_landing_context(&scope()).await?)?;
        if before != fresh {
            before = fresh;
            continue;
        }
        let differing: Vec<&String> = remembered
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, section)| fresh.get(name.as_str()) != Some(*section))
            .map(|(name, _)| name)
            .collect();
        ensure!(
            differing.is_empty(),
            "a landing context differs from a fresh one in {differing:?}: {}, {}",
            remembered[differing[0].as_str()],
            fresh[differing[0].as_str()]
        );
        return Ok(());
    }
    bail!("the database changed between two looks {LOOKS} times, though nobody works")
}

/// Numbers of rows aside, of which nobody is told.
fn sections(context: &Arc<LandingContext>) -> Result<Value> {
    let mut value: Value = serde_json::from_str(context.json())?;
    if let Some(sections) = value.as_object_mut() {
        for section in ["generated_at", "freshness", "database_stats"] {
            sections.remove(section);
        }
    }
    Ok(value)
}
