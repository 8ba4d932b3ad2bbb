use agent_turbo_orchestrator::ContextScope;

use crate::support::orchestrator;

fn scope() -> ContextScope {
    ContextScope::project("default")
}

#[tokio::test]
async fn an_empty_system_has_every_section_and_no_error() {
    let (_database, orchestrator) = orchestrator().await;
    let context = orchestrator.generate_landing_context(&scope()).await.unwrap();
    assert!(context.errors.is_empty(), "{:?}", context.errors);
    let cached = orchestrator.get_cached_landing_context(&scope()).await.unwrap();
    let again = orchestrator.get_cached_landing_context(&scope()).await.unwrap();
    assert_eq!(cached.generated_at, again.generated_at);
}
