use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use agent_turbo_db::{self as db, Client};

use super::sections::{self, Snapshot};
use super::{ContextScope, LandingContext};
use crate::{Orchestrator, Result};

/// A landing context, and what it was read in.
pub(super) struct Generated {
    pub(super) context: LandingContext,
    pub(super) snapshot: Snapshot,
    /// How long it may be used at the most.
    pub(super) expires_in: Duration,
}

/// Beyond what is compared, a context holds numbers that nobody is told of when they change.
const TTL: Duration = Duration::from_mins(5);

/// Which tasks the section `recent_tasks` holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Recent {
    Created,
    Changed,
}

impl Orchestrator {
    /// Reads a landing context from the tables, in one round trip whose cost does not grow with them. A section that
    /// cannot be read is empty and told of in `errors`; when none can be read, that is an error.
    #[tracing::instrument(name = "orchestrator.generate_landing_context", skip_all, fields(project = scope.project))]
    pub async fn generate_landing_context(&self, scope: &ContextScope) -> Result<Arc<LandingContext>> {
        scope.check()?;
        Ok(Arc::new(self.generate(scope, Recent::Created).await?.context))
    }

    pub(super) async fn generate(&self, scope: &ContextScope, recent: Recent) -> Result<Generated> {
        Ok(self
            .db
            .run("landing_context", async |client: Client| Box::pin(generate(&client, scope, recent)).await)
            .await?)
    }
}

async fn generate(client: &Client, scope: &ContextScope, recent: Recent) -> db::Result<Generated> {
    let project = &scope.project;
    sections::prepare_snapshot(client).await?;
    let recent_tasks = async {
        match recent {
            Recent::Created => sections::recent_tasks(client, project).await,
            Recent::Changed => sections::changed_tasks(client, project).await,
        }
    };
    // Sent one after the other without waiting for answers; each is a transaction of its own and fails alone.
    let (
        snapshot,
        nodes,
        services,
        documents,
        recent_tasks,
        ready_tasks,
        next_due,
        blockers,
        knowledge,
        stats,
    ) = tokio::join!(
        sections::snapshot(client),
        sections::nodes(client),
        sections::services(client),
        sections::documents(client, project),
        recent_tasks,
        sections::ready_tasks(client, scope),
        sections::next_due(client, project),
        sections::blockers(client, project),
        sections::knowledge(client, project),
        sections::stats(client),
    );
    let snapshot = snapshot?;
    let (stats, uncounted) = stats?;
    let mut reading =
        Reading { context: LandingContext::empty(scope.clone(), snapshot.read_at), first_error: None };
    reading.take("system_nodes", nodes, |context| &mut context.system_nodes)?;
    reading.take("active_services", services, |context| &mut context.active_services)?;
    reading.take("documentation_sources", documents, |context| &mut context.documentation_sources)?;
    reading.take("recent_tasks", recent_tasks, |context| &mut context.recent_tasks)?;
    reading.take("ready_tasks", ready_tasks, |context| &mut context.ready_tasks)?;
    reading.take("open_blockers", blockers, |context| &mut context.open_blockers)?;
    reading.take("newest_knowledge", knowledge, |context| &mut context.newest_knowledge)?;
    if let Some(error) = reading.first_error.take_if(|_| reading.context.freshness.is_empty()) {
        return Err(error);
    }
    // These come from several tables, which are told of one by one.
    reading.take("database_stats", Ok(stats), |context| &mut context.database_stats)?;
    for (section, error) in uncounted {
        reading.fail(section, error)?;
    }
    let context = reading.context;
    // Nobody changes a task for its time to come.
    let expires_in = match next_due {
        Ok(Some(due)) => {
            Duration::try_from(due.duration_since(context.generated_at)).unwrap_or_default().min(TTL)
        }
        // Where tasks cannot be read, a section has told of it.
        Ok(None) | Err(_) => TTL,
    };
    Ok(Generated { context, snapshot, expires_in })
}

/// Puts sections in their places, and notes which could not be read.
struct Reading {
    context: LandingContext,
    first_error: Option<db::Error>,
}

impl Reading {
    fn take<T>(
        &mut self,
        section: &str,
        outcome: db::Result<T>,
        place: fn(&mut LandingContext) -> &mut T,
    ) -> db::Result<()> {
        match outcome {
            Ok(read) => {
                *place(&mut self.context) = read;
                self.context.freshness.insert(section.to_owned(), self.context.generated_at);
                Ok(())
            }
            Err(error) => self.fail(section, error),
        }
    }

    /// A database that is not there is no failure of a section.
    fn fail(&mut self, section: &str, error: db::Error) -> db::Result<()> {
        if error.is_unavailable() {
            return Err(error);
        }
        self.context.errors.entry(section.to_owned()).or_insert_with(|| chain(&error));
        self.first_error.get_or_insert(error);
        Ok(())
    }
}

/// What went wrong with all its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = format!("failed to {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
