use agent_turbo_orchestrator::{ActionId, NewAction, SessionId};
use rand::RngExt as _;
use serde_json::json;

use super::Agent;
use crate::soak::event::{Fact, Op};

impl Agent {
    /// One action, and now and then the same once more.
    pub(super) async fn log_one(&mut self, session: &SessionId) {
        let action = self.action(session);
        let orchestrator = &self.process.orchestrator;
        let times = if self.random.random_range(0..5) == 0 { 2 } else { 1 };
        for _ in 0..times {
            let logged = self
                .insist(Op::Log, None, || async { Ok(orchestrator.log_agent_action(action.clone()).await?) })
                .await;
            let Some(logged) = logged else { return };
            if action.action_id.as_ref() != Some(&logged) {
                self.sink.violation(format!("an action was logged as {logged}, not as it was called"));
            }
            self.sink.fact(Fact::Logged { actions: vec![logged.to_string()], session: session.to_string() });
        }
    }

    pub(super) async fn log_batch(&mut self, session: &SessionId) {
        let batch: Vec<NewAction> =
            (0..self.random.random_range(2..20)).map(|_| self.action(session)).collect();
        let orchestrator = &self.process.orchestrator;
        let logged = self
            .insist(Op::LogBatch, None, || async { Ok(orchestrator.log_agent_actions(batch.clone()).await?) })
            .await;
        if let Some(logged) = logged {
            let actions = logged.iter().map(ToString::to_string).collect();
            self.sink.fact(Fact::Logged { actions, session: session.to_string() });
        }
    }

    /// With an id of its own, so that it can be repeated.
    fn action(&mut self, session: &SessionId) -> NewAction {
        NewAction {
            action_id: Some(ActionId::generate()),
            description: Some(self.unique()),
            input: Some(json!({ "number": self.random.random::<u32>() })),
            ..NewAction::new(Some(session.clone()), "soaked")
        }
    }
}
