//! Sessions begin once, show that they live, end, and are missed when they don't.

use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_turbo_orchestrator::{
    Claimant, Error, NewAction, NewSession, NewTask, Orchestrator, ReapedSessions, Session, SessionFilter,
    SessionId, SessionStatus, SilenceLimits, TaskStatus, Usage,
};
use futures_util::future::join_all;
use serde_json::json;

use crate::lossy::losing;
use crate::support::{LEASE, claim, create, expire, orchestrator};

async fn start(orchestrator: &Orchestrator, role: &str) -> Session {
    let new = NewSession::new("claude_code", role);
    orchestrator.initialize_agent_session(new).await.unwrap().session
}

/// A task that `session` holds.
async fn hold(orchestrator: &Orchestrator, session: &Session) -> agent_turbo_orchestrator::ClaimedTask {
    create(orchestrator, NewTask::new("hold me")).await;
    let claimant = orchestrator.claimant(&session.session_id).await.unwrap();
    orchestrator.claim_task(&claimant, LEASE).await.unwrap().unwrap()
}

/// As if nobody had heard of the session for so long.
async fn silence(client: &tokio_postgres::Client, session: &SessionId, minutes: i32) {
    let changed = client
        .execute(
            "UPDATE agent_sessions SET last_active = now() - make_interval(mins => $2) WHERE session_id = $1",
            &[&session.as_str(), &minutes],
        )
        .await
        .unwrap();
    assert_eq!(changed, 1);
}

async fn count(client: &tokio_postgres::Client, table: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
}

async fn status(orchestrator: &Orchestrator, session: &SessionId) -> SessionStatus {
    orchestrator.get_session(session).await.unwrap().unwrap().status
}

#[tokio::test]
async fn a_session_begins_with_its_landing_context_and_keeps_it() {
    let (database, orchestrator) = orchestrator().await;
    let new = NewSession {
        project: "rockets".to_owned(),
        metadata: json!({ "model": "big", "password": "hunter22" }).as_object().unwrap().clone(),
        ..NewSession::new("Some Platform", "prüfer")
    };
    let started = orchestrator.initialize_agent_session(new).await.unwrap();
    let session = started.session;
    let digits = session.session_id.as_str().strip_prefix("Some Platform_prüfer_").unwrap();
    assert!(digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{session:?}");
    assert_eq!((session.status, session.tokens_used, session.api_calls), (SessionStatus::Active, 0, 0));
    assert_eq!(session.metadata, json!({ "model": "big", "password": "[redacted: password]" }));
    assert_eq!(started.context.scope.project, "rockets");
    assert_eq!(orchestrator.get_session(&session.session_id).await.unwrap().unwrap(), session);
    let kept = orchestrator.session_landing_context(&session.session_id).await.unwrap().unwrap();
    assert_eq!(kept, serde_json::from_str::<serde_json::Value>(started.context.json()).unwrap());
    let client = database.client().await.unwrap();
    let logged = client
        .query_one(
            "SELECT action_type FROM agent_actions WHERE session_id = $1",
            &[&session.session_id.as_str()],
        )
        .await
        .unwrap();
    assert_eq!(logged.get::<_, &str>(0), "session_started");
}

#[tokio::test]
async fn what_no_session_can_be_is_refused() {
    let (database, orchestrator) = orchestrator().await;
    let good = NewSession::new("codex", "executor");
    let unknown: SessionId = "codex_planner_00000000".parse().unwrap();
    let error = orchestrator
        .initialize_agent_session(NewSession { parent: Some(unknown.clone()), ..good.clone() })
        .await
        .unwrap_err();
    assert!(matches!(&error, Error::UnknownSession(session) if *session == unknown), "{error}");
    let metadata = json!({ "a": "\0" }).as_object().unwrap().clone();
    for bad in [
        NewSession { platform: String::new(), ..good.clone() },
        NewSession { role: "a\0b".to_owned(), ..good.clone() },
        NewSession { platform: "p".repeat(150), role: "r".repeat(150), ..good.clone() },
        NewSession { project: " ".to_owned(), ..good.clone() },
        NewSession { metadata, ..good },
    ] {
        let error = orchestrator.initialize_agent_session(bad).await.unwrap_err();
        assert!(matches!(error, Error::BadInput { .. }), "{error}");
    }
    assert_eq!(count(&database.client().await.unwrap(), "agent_sessions").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_more_starts_than_connections_all_succeed() {
    const STARTS: usize = 10_000;
    let (database, orchestrator) = orchestrator().await;
    let starts = (0..STARTS).map(|_| {
        let orchestrator = orchestrator.clone();
        tokio::spawn(async move { start(&orchestrator, "executor").await.session_id })
    });
    let ids: std::collections::HashSet<_> =
        join_all(starts).await.into_iter().map(|started| started.unwrap()).collect();
    assert_eq!(ids.len(), STARTS);
    assert_eq!(count(&database.client().await.unwrap(), "agent_sessions").await, STARTS as i64);
}

#[tokio::test]
async fn a_taken_id_is_tried_no_second_time() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    // The first `collisions` ids are made to be one that is taken.
    client
        .batch_execute(
            "CREATE SEQUENCE collisions;
             CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF nextval('collisions') <= 5 THEN NEW.session_id := 'taken'; END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER collide BEFORE INSERT ON agent_sessions FOR EACH ROW EXECUTE FUNCTION collide()",
        )
        .await
        .unwrap();
    let taken = start(&orchestrator, "executor").await;
    assert_eq!(taken.session_id.as_str(), "taken");
    // Ids 2 to 5 are taken.
    let second = start(&orchestrator, "planner").await;
    assert!(second.session_id.as_str().starts_with("claude_code_planner_"), "{second:?}");
    assert_eq!(orchestrator.get_session(&taken.session_id).await.unwrap().unwrap(), taken);
    client.batch_execute("ALTER SEQUENCE collisions MINVALUE -100 RESTART WITH -100").await.unwrap();
    let error =
        orchestrator.initialize_agent_session(NewSession::new("codex", "executor")).await.unwrap_err();
    assert!(matches!(error, Error::NoFreeId), "{error}");
    assert_eq!(count(&client, "agent_sessions").await, 2);
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_makes_one_session() {
    let (database, _) = orchestrator().await;
    let (orchestrator, left) = losing(&database, "claude_code_loser_", 2).await;
    let session = start(&orchestrator, "loser").await;
    assert_eq!(left.load(Ordering::SeqCst), 0);
    let client = database.client().await.unwrap();
    assert_eq!(count(&client, "agent_sessions").await, 1);
    assert_eq!(count(&client, "agent_actions").await, 1);
    assert_eq!(orchestrator.get_session(&session.session_id).await.unwrap().unwrap(), session);
}

#[tokio::test]
async fn a_start_whose_connection_is_killed_makes_one_session() {
    let (database, orchestrator) = orchestrator().await;
    let mut client = database.client().await.unwrap();
    let killer = database.client().await.unwrap();
    // The insert is done and waits for its place in the audit trail.
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE agent_actions IN EXCLUSIVE MODE").await.unwrap();
    let kill = async {
        let waiting = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '-- start_session%'";
        while killer.query(waiting, &[]).await.unwrap().is_empty() {}
        lock.commit().await.unwrap();
    };
    let (session, ()) = tokio::join!(start(&orchestrator, "executor"), kill);
    assert_eq!(count(&killer, "agent_sessions").await, 1);
    assert_eq!(orchestrator.get_session(&session.session_id).await.unwrap().unwrap(), session);
}

#[tokio::test]
async fn sessions_know_their_parents_and_children() {
    let (database, orchestrator) = orchestrator().await;
    let mut ids = Vec::new();
    for role in ["a", "b", "c"] {
        let new = NewSession { parent: ids.last().cloned(), ..NewSession::new("codex", role) };
        ids.push(orchestrator.initialize_agent_session(new).await.unwrap().session.session_id);
    }
    let roles = |sessions: Vec<Session>| sessions.into_iter().map(|s| s.agent_role).collect::<Vec<_>>();
    assert_eq!(roles(orchestrator.session_ancestors(&ids[2]).await.unwrap()), ["b", "a"]);
    assert_eq!(roles(orchestrator.session_ancestors(&ids[0]).await.unwrap()), [""; 0]);
    assert_eq!(roles(orchestrator.session_children(&ids[0]).await.unwrap()), ["b"]);
    // A circle, as only plain SQL makes it.
    let client = database.client().await.unwrap();
    client
        .execute(
            "UPDATE agent_sessions SET parent_session_id = $1 WHERE session_id = $2",
            &[&ids[2].as_str(), &ids[0].as_str()],
        )
        .await
        .unwrap();
    assert_eq!(roles(orchestrator.session_ancestors(&ids[2]).await.unwrap()), ["b", "a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_adds_up_whoever_counts_at_the_same_time() {
    let (_database, orchestrator) = orchestrator().await;
    let session = start(&orchestrator, "executor").await.session_id;
    let touches = (1..=50).map(|tokens_used| {
        let (orchestrator, session) = (orchestrator.clone(), session.clone());
        tokio::spawn(async move {
            orchestrator.touch_session(&session, Usage { tokens_used, api_calls: 1 }).await.unwrap();
        })
    });
    join_all(touches).await.into_iter().for_each(|touched| touched.unwrap());
    let stored = orchestrator.get_session(&session).await.unwrap().unwrap();
    assert_eq!((stored.tokens_used, stored.api_calls), (50 * 51 / 2, 50));
}

#[tokio::test]
async fn usage_is_counted_once_when_the_answer_to_the_commit_is_lost() {
    let (database, whole) = orchestrator().await;
    let session = start(&whole, "executor").await.session_id;
    let (losing, left) = losing(&database, "SELECT; COMMIT", 1).await;
    let touched = losing.touch_session(&session, Usage { tokens_used: 7, api_calls: 1 }).await.unwrap();
    assert_eq!(left.load(Ordering::SeqCst), 0);
    assert_eq!((touched.tokens_used, touched.api_calls), (7, 1));
    let stored = whole.get_session(&session).await.unwrap().unwrap();
    assert_eq!((stored.tokens_used, stored.api_calls), (7, 1));
}

#[tokio::test]
async fn a_sign_of_life_wakes_the_idle_and_not_the_ended() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let session = start(&orchestrator, "executor").await;
    let id = &session.session_id;
    client.execute("UPDATE agent_sessions SET status = 'idle'", &[]).await.unwrap();
    let touched = orchestrator.touch_session(id, Usage::default()).await.unwrap();
    assert_eq!(touched.status, SessionStatus::Active);
    assert!(touched.last_active > session.last_active);
    orchestrator.complete_session(id).await.unwrap();
    for usage in [Usage::default(), Usage { tokens_used: 1, api_calls: 1 }] {
        let error = orchestrator.touch_session(id, usage).await.unwrap_err();
        assert!(matches!(&error, Error::SessionEnded { status, .. } if status == "completed"), "{error}");
    }
    let nobody = "nobody".parse().unwrap();
    let error = orchestrator.touch_session(&nobody, Usage::default()).await.unwrap_err();
    assert!(matches!(error, Error::UnknownSession(_)), "{error}");
}

#[tokio::test]
async fn an_ended_session_gives_its_tasks_back_and_stays_as_it_ended() {
    let (database, orchestrator) = orchestrator().await;
    let session = start(&orchestrator, "executor").await;
    let held = hold(&orchestrator, &session).await;
    let id = &session.session_id;
    let ended = orchestrator.fail_session(id, "out of tokens, key DB_PASSWORD=correcthorse").await.unwrap();
    assert_eq!(ended.session.status, SessionStatus::Failed);
    assert!(ended.session.completed_at.is_some());
    assert_eq!(ended.released_tasks, std::slice::from_ref(&held.task.task_id));
    let task = orchestrator.get_task(&held.task.task_id).await.unwrap().unwrap();
    assert_eq!((task.status, task.lease_session_id), (TaskStatus::Pending, None));
    assert_eq!(task.status_reason.as_deref(), Some("its session ended"));
    assert_eq!(claim(&orchestrator).await.task.task_id, held.task.task_id);
    // Again: nothing changes.
    let again = orchestrator.fail_session(id, "another reason").await.unwrap();
    assert_eq!((&again.session, again.released_tasks.len()), (&ended.session, 0));
    let error = orchestrator.complete_session(id).await.unwrap_err();
    assert!(matches!(error, Error::SessionEnded { .. }), "{error}");
    let client = database.client().await.unwrap();
    let trail = client
        .query(
            "SELECT action_type, action_description FROM agent_actions WHERE session_id = $1 ORDER BY chain_position",
            &[&id.as_str()],
        )
        .await
        .unwrap();
    let trail: Vec<(String, Option<String>)> =
        trail.iter().map(|row| (row.get("action_type"), row.get("action_description"))).collect();
    let reason = "out of tokens, key DB_PASSWORD=[redacted: password]";
    let expected = [
        ("session_started", None),
        ("task_claimed", None),
        ("task_requeued", Some("its session ended")),
        ("session_failed", Some(reason)),
    ];
    assert_eq!(trail, expected.map(|(what, why)| (what.to_owned(), why.map(str::to_owned))));
    let nobody = "nobody".parse().unwrap();
    let error = orchestrator.complete_session(&nobody).await.unwrap_err();
    assert!(matches!(error, Error::UnknownSession(_)), "{error}");
}

#[tokio::test]
async fn a_session_goes_on_from_whatever_state() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let session = start(&orchestrator, "executor").await;
    let id = &session.session_id;
    for state in ["idle", "completed", "failed", "active"] {
        client.execute("UPDATE agent_sessions SET status = $1", &[&state]).await.unwrap();
        client.execute("UPDATE agent_sessions SET landing_context = NULL", &[]).await.unwrap();
        let resumed = orchestrator.resume_session(id).await.unwrap();
        assert_eq!((resumed.session.status, resumed.session.completed_at), (SessionStatus::Active, None));
        assert!(resumed.session.last_active > session.last_active);
        assert!(orchestrator.session_landing_context(id).await.unwrap().is_some());
    }
    let error = orchestrator.resume_session(&"nobody".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::UnknownSession(_)), "{error}");
}

#[tokio::test]
async fn sessions_are_listed_newest_first_in_pages() {
    let (_database, orchestrator) = orchestrator().await;
    let parent = start(&orchestrator, "planner").await;
    for role in ["a", "b", "a", "b", "a"] {
        let new = NewSession {
            parent: Some(parent.session_id.clone()),
            project: "rockets".to_owned(),
            ..NewSession::new("codex", role)
        };
        orchestrator.initialize_agent_session(new).await.unwrap();
    }
    let listed = async |filter: SessionFilter| {
        let (mut roles, mut before) = (Vec::new(), None);
        loop {
            let page = orchestrator.list_sessions(&filter, 2, before).await.unwrap();
            assert!((1..=2).contains(&page.sessions.len()), "{page:?}");
            roles.extend(page.sessions.into_iter().map(|session| session.agent_role));
            before = page.next;
            if before.is_none() {
                return roles.join(" ");
            }
        }
    };
    let all = SessionFilter::default;
    assert_eq!(listed(all()).await, "a b a b a planner");
    assert_eq!(listed(SessionFilter { role: Some("b".to_owned()), ..all() }).await, "b b");
    assert_eq!(listed(SessionFilter { platform: Some("claude_code".to_owned()), ..all() }).await, "planner");
    assert_eq!(listed(SessionFilter { project: Some("rockets".to_owned()), ..all() }).await, "a b a b a");
    assert_eq!(listed(SessionFilter { parent: Some(parent.session_id.clone()), ..all() }).await, "a b a b a");
    orchestrator.complete_session(&parent.session_id).await.unwrap();
    assert_eq!(listed(SessionFilter { status: Some(SessionStatus::Completed), ..all() }).await, "planner");
    assert_eq!(
        listed(SessionFilter { until: Some(parent.created_at + Duration::from_micros(1)), ..all() }).await,
        "planner"
    );
    for limit in [0, 1001] {
        assert!(orchestrator.list_sessions(&all(), limit, None).await.is_err());
    }
}

#[tokio::test]
async fn silent_sessions_become_idle_then_fail_and_lose_their_tasks() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let limits = SilenceLimits { idle_after: Duration::from_mins(10), fail_after: Duration::from_hours(1) };
    let session = start(&orchestrator, "executor").await;
    let (id, held) = (&session.session_id, hold(&orchestrator, &session).await);
    let reap = async || orchestrator.reap_sessions(limits).await.unwrap();
    assert_eq!(reap().await, ReapedSessions::default());

    // Slow, and alive: its lease still runs.
    silence(&client, id, 120).await;
    assert_eq!(reap().await, ReapedSessions::default());
    client.execute("UPDATE agent_sessions SET status = 'idle'", &[]).await.unwrap();
    assert_eq!(reap().await, ReapedSessions::default());
    client.execute("UPDATE agent_sessions SET status = 'active'", &[]).await.unwrap();

    expire(&client, &held.task.task_id).await;
    assert_eq!(reap().await, ReapedSessions { idle: 1, ..ReapedSessions::default() });
    assert_eq!(status(&orchestrator, id).await, SessionStatus::Idle);
    silence(&client, id, 30).await;
    assert_eq!(reap().await, ReapedSessions::default());
    silence(&client, id, 61).await;
    assert_eq!(reap().await, ReapedSessions { idle: 0, failed: 1, released_tasks: 1 });
    assert_eq!(status(&orchestrator, id).await, SessionStatus::Failed);
    let other = start(&orchestrator, "executor").await;
    let claimant: Claimant = orchestrator.claimant(&other.session_id).await.unwrap();
    let claimed = orchestrator.claim_task(&claimant, LEASE).await.unwrap().unwrap();
    assert_eq!(claimed.task.task_id, held.task.task_id);
    assert_eq!(reap().await, ReapedSessions::default());
    let report = orchestrator.verify_chain(None).await.unwrap();
    assert!(report.is_intact(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_reapers_reap_each_session_once() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    for _ in 0..20 {
        start(&orchestrator, "executor").await;
    }
    let silent = "UPDATE agent_sessions SET last_active = now() - interval '1 hour', status = $1";
    let (soon, late) = (Duration::from_mins(15), Duration::from_hours(2));
    for (state, fail_after, idle, failed) in [("active", late, 20, 0), ("idle", soon, 0, 20)] {
        client.execute(silent, &[&state]).await.unwrap();
        let limits = SilenceLimits { idle_after: soon, fail_after };
        let reaped = join_all((0..5).map(|_| orchestrator.reap_sessions(limits))).await;
        let reaped: Vec<_> = reaped.into_iter().map(|reaped| reaped.unwrap()).collect();
        let sum = |count: fn(&ReapedSessions) -> usize| reaped.iter().map(count).sum::<usize>();
        assert_eq!((sum(|r| r.idle), sum(|r| r.failed)), (idle, failed), "{reaped:?}");
    }
}

#[tokio::test]
async fn whoever_claims_or_logs_is_not_silent() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let start = async || {
        let new = NewSession::new("claude", "executor");
        orchestrator.initialize_agent_session(new).await.unwrap().session.session_id
    };
    let (claiming, logging, silent) = (start().await, start().await, start().await);
    client
        .execute("UPDATE agent_sessions SET last_active = now() - interval '3 hours', status = 'idle'", &[])
        .await
        .unwrap();
    // Also one who finds nothing to do is there.
    let claimant = orchestrator.claimant(&claiming).await.unwrap();
    assert!(orchestrator.claim_task(&claimant, LEASE).await.unwrap().is_none());
    orchestrator.log_agent_action(NewAction::new(Some(logging.clone()), "look")).await.unwrap();
    let reaped = orchestrator.reap_sessions(SilenceLimits::default()).await.unwrap();
    assert_eq!((reaped.failed, reaped.idle), (1, 0));
    for (session, status) in
        [(claiming, SessionStatus::Active), (logging, SessionStatus::Active), (silent, SessionStatus::Failed)]
    {
        assert_eq!(orchestrator.get_session(&session).await.unwrap().unwrap().status, status);
    }
}
