use agent_turbo_orchestrator::{ContextScope, NewSession, SessionId, Usage};
use rand::RngExt as _;

use super::{Agent, PROJECT, ROLE};
use crate::soak::event::{Fact, Op};
use crate::soak::outcome::Trouble;

impl Agent {
    pub(super) async fn start_session(&mut self) -> Option<SessionId> {
        let new = NewSession { project: PROJECT.to_owned(), ..NewSession::new("soak", ROLE) };
        let orchestrator = &self.process.orchestrator;
        let started = self
            .insist(Op::StartSession, None, || async {
                Ok(orchestrator.initialize_agent_session(new.clone()).await?.session.session_id)
            })
            .await?;
        self.sink.fact(Fact::Started { session: started.to_string() });
        Some(started)
    }

    /// Well, or not so well; what it holds goes back.
    pub(super) async fn end_session(&mut self, session: &SessionId) {
        let failed = self.random.random_range(0..8) == 0;
        let orchestrator = &self.process.orchestrator;
        let ended = self
            .insist(Op::EndSession, None, || async {
                Ok(if failed {
                    orchestrator.fail_session(session, "the agent lost its way").await?
                } else {
                    orchestrator.complete_session(session).await?
                })
            })
            .await;
        if let Some(ended) = ended {
            let status = ended.session.status.to_string();
            self.sink.fact(Fact::Ended { session: session.to_string(), status });
        }
    }

    /// Counts tokens. Once: usage is counted exactly once by the product, and a repetition would count it twice.
    pub(super) async fn touch(&mut self, session: &SessionId) {
        let tokens = self.random.random_range(0..1000);
        let (id, usage) = (session.to_string(), Usage { tokens_used: tokens, api_calls: 1 });
        self.sink.fact(Fact::Touching { session: id.clone(), tokens });
        let touched = async { Ok(self.process.orchestrator.touch_session(session, usage).await?) };
        if self.once(Op::Touch, None, touched).await.is_ok() {
            self.sink.fact(Fact::Touched { session: id, tokens });
        }
    }

    /// A landing context, from memory if it may be.
    pub(super) async fn look_around(&mut self) {
        let scope = scope();
        let context = self
            .insist(Op::Context, None, || async {
                let context = self.process.orchestrator.get_cached_landing_context(&scope).await?;
                if context.errors.is_empty() {
                    Ok(context)
                } else {
                    Err(Trouble::Other(format!("a landing context lacks sections: {:?}", context.errors)))
                }
            })
            .await;
        if context.is_some_and(|context| context.scope.project != PROJECT) {
            self.sink.violation("a landing context of another project");
        }
    }
}

/// What all agents look at.
pub(in crate::soak) fn scope() -> ContextScope {
    ContextScope {
        project: PROJECT.to_owned(),
        role: Some(ROLE.to_owned()),
        platform: Some("soak".to_owned()),
    }
}
