use std::time::Duration;

use tokio::time::Instant;

use super::Agent;
use crate::soak::event::{Event, Failure, Op, now};
use crate::soak::outcome::{Class, Trouble};

/// What takes longer than all the product's own limits together hangs.
const LIMIT: Duration = Duration::from_secs(90);
/// How long an agent tries the same thing again, and how long it waits between.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(200);

impl Agent {
    /// One attempt, told to the oracle. A lost lease is a surprise before `lease_ends`.
    pub(super) async fn once<T>(
        &self,
        op: Op,
        lease_ends: Option<Instant>,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Class> {
        let began = now();
        let outcome = tokio::time::timeout(LIMIT, work)
            .await
            .unwrap_or_else(|_| Err(Trouble::Other(format!("no end within {LIMIT:?}"))));
        let ended = now();
        let (outcome, failure) = match outcome {
            Ok(value) => (Ok(value), None),
            Err(trouble) => {
                let class = match trouble.class() {
                    Class::LeaseLost if lease_ends.is_some_and(|end| Instant::now() < end) => {
                        Class::Unexpected
                    }
                    class => class,
                };
                (Err(class), Some(Failure { class, text: trouble.text() }))
            }
        };
        self.sink.tell(Event::Attempt { op, began, ended, failure });
        outcome
    }

    /// The same again until it is acknowledged, as the product promises is safe; `None` when it never was.
    pub(super) async fn insist<T, F>(
        &self,
        op: Op,
        lease_ends: Option<Instant>,
        work: impl Fn() -> F,
    ) -> Option<T>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let until = Instant::now() + PATIENCE;
        let mut surprising = lease_ends;
        loop {
            match self.once(op, surprising, work()).await {
                Ok(value) => return Some(value),
                Err(Class::LeaseLost | Class::Unexpected) => return None,
                Err(_) if Instant::now() >= until => return None,
                Err(_) => {}
            }
            // The attempt whose answer was lost may have given the lease up.
            surprising = None;
            tokio::time::sleep(PAUSE).await;
        }
    }
}
