//! What must be true in the end.

mod connections;
mod drain;
mod promises;
mod tasks;

use anyhow::{Result, bail};

use super::Soak;
use super::compare::compare;
use super::event::{Event, Sink};
use super::report::Report;

/// A check that fails lets the next ones run: together they tell what happened.
struct Verdicts<'a> {
    report: &'a mut Report,
    failed: Vec<String>,
}

impl Verdicts<'_> {
    fn note(&mut self, name: &'static str, outcome: Result<String>) {
        match outcome {
            Ok(value) => self.report.check(name, true, value),
            Err(error) => {
                self.report.check(name, false, format!("{error:#}"));
                self.failed.push(format!("{name}: {error:#}"));
            }
        }
    }
}

pub(super) async fn all(soak: &mut Soak, sink: &Sink, report: &mut Report) -> Result<()> {
    let mut verdicts = Verdicts { report, failed: Vec::new() };
    anstream::eprintln!("soak: everybody stops; checking");
    std::mem::take(&mut soak.crew).stop(sink).await;
    soak.workers.order("quiet", |worker| worker.quiet.is_some()).await?;
    verdicts.note("caches agree with the database", caches(soak).await);
    verdicts.note("no connection leaked", connections::held(soak).await);
    for (whose, growth) in soak.watch.growth() {
        let name = if whose == "a worker" { "memory flat, a worker" } else { "memory flat, this process" };
        verdicts.note(name, flat(growth));
    }
    soak.workers.end().await?;
    verdicts.note("what was left can be finished", drain::finish(&soak.process).await);
    let facts = soak.oracle().promised()?;
    let admin = soak.world.admin().await?;
    for (name, outcome) in [
        ("acknowledged sessions are there", promises::sessions(&admin, &facts).await),
        ("usage is counted once", promises::usage(&admin, &facts).await),
        ("acknowledged actions are there once", promises::actions(&admin, &facts).await),
        ("acknowledged entries are there once", promises::entries(&admin, &facts).await),
        ("their vectors are those of their texts", promises::vectors(&soak.process).await),
        ("acknowledged tasks are there once", promises::tasks(&admin, &facts).await),
        ("acknowledged results are kept", promises::results(&admin, &facts).await),
        ("tasks: legal states, each done once", tasks::legal(&admin).await),
        ("tasks: none before its prerequisites", tasks::in_order(&admin).await),
        ("all chains verify", chains(soak).await),
    ] {
        verdicts.note(name, outcome);
    }
    soak.process.database.close();
    verdicts.note("no connection stays", connections::gone(&admin).await);
    if !verdicts.failed.is_empty() {
        bail!("{} checks failed: {}", verdicts.failed.len(), verdicts.failed.join("; "));
    }
    Ok(())
}

async fn caches(soak: &mut Soak) -> Result<String> {
    let Event::Compared { answers, from_memory, contexts } = compare(&soak.process).await? else {
        bail!("nothing was compared");
    };
    soak.workers.order("compare", |worker| worker.compared.is_some()).await?;
    let mut sum = (answers, from_memory, contexts);
    let names = soak.workers.names();
    let oracle = soak.oracle();
    for compared in names.iter().filter_map(|name| oracle.workers.get(name)?.compared) {
        sum = (sum.0 + compared.0, sum.1 + compared.1, sum.2 + compared.2);
    }
    Ok(format!(
        "{} answers ({} from memory) and {} contexts in {} processes",
        sum.0,
        sum.1,
        sum.2,
        names.len() + 1
    ))
}

fn flat(growth: Option<super::memory::Growth>) -> Result<String> {
    let Some(growth) = growth else { bail!("there are too few samples") };
    let value = format!(
        "{:.1} MiB after a third, {:.1} MiB at the end (bound {:.1})",
        growth.after_warm_up, growth.at_the_end, growth.bound
    );
    if growth.is_flat() { Ok(value) } else { bail!("{value}") }
}

async fn chains(soak: &Soak) -> Result<String> {
    let report = soak.process.orchestrator.verify_chain(None).await?;
    if !report.is_intact() {
        bail!(
            "{} of {} chains are broken, such as {:?}",
            report.flawed,
            report.chains,
            report.broken.first()
        );
    }
    Ok(format!("{} actions in {} chains", report.actions, report.chains))
}
