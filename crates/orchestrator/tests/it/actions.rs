//! What agents did is written down once, without secrets, and can be read again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_turbo_orchestrator::{
    Action, ActionFilter, ActionId, Error, HistoryFilter, MAX_ACTIONS, MAX_TEXT_BYTES, NewAction, NewSession,
    NewTask, Orchestrator, SessionId,
};
use serde_json::{Value, json};

use crate::lossy::losing;
use crate::support::{LEASE, create, orchestrator};

async fn start(orchestrator: &Orchestrator) -> SessionId {
    let new = NewSession { project: "rockets".to_owned(), ..NewSession::new("codex", "executor") };
    orchestrator.initialize_agent_session(new).await.unwrap().session.session_id
}

fn edit(session: &SessionId) -> NewAction {
    NewAction {
        description: Some("changed the nozzle".to_owned()),
        input: Some(json!({ "file": "nozzle.rs" })),
        output: Some(json!(["ok", 1.5, null])),
        duration: Some(Duration::from_micros(1500)),
        changed_files: vec!["src/nozzle.rs".to_owned(), "a \"quoted\" one".to_owned()],
        commands: vec!["cargo fmt".to_owned()],
        ..NewAction::new(Some(session.clone()), "edit")
    }
}

async fn actions(orchestrator: &Orchestrator, session: &SessionId) -> Vec<Action> {
    let all = HistoryFilter::default();
    orchestrator.get_session_history(session, &all, 1000, None).await.unwrap().actions
}

#[tokio::test]
async fn an_action_is_stored_as_it_was_given() {
    let (_database, orchestrator) = orchestrator().await;
    let session = start(&orchestrator).await;
    let id = orchestrator.log_agent_action(edit(&session)).await.unwrap();
    let stored = actions(&orchestrator, &session).await.pop().unwrap();
    assert_eq!(
        stored,
        Action {
            action_id: id,
            session_id: Some(session),
            task_id: None,
            project: "rockets".to_owned(),
            action_type: "edit".to_owned(),
            action_description: Some("changed the nozzle".to_owned()),
            input_data: Some(json!({ "file": "nozzle.rs" })),
            output_data: Some(json!(["ok", 1.5, null])),
            success: true,
            error_message: None,
            execution_time_ms: Some(1.5),
            changed_files: vec!["src/nozzle.rs".to_owned(), "a \"quoted\" one".to_owned()],
            commands_executed: vec!["cargo fmt".to_owned()],
            executed_at: stored.executed_at,
            chain_position: 2,
            chain_hash: stored.chain_hash.clone(),
        }
    );
}

#[tokio::test]
async fn batches_keep_their_order_in_each_session() {
    let (_database, orchestrator) = orchestrator().await;
    let sessions = [start(&orchestrator).await, start(&orchestrator).await];
    let batch = |count: usize| -> Vec<NewAction> {
        let describe = |index: usize| NewAction {
            description: Some(index.to_string()),
            success: !index.is_multiple_of(3),
            ..edit(&sessions[index % 2])
        };
        (0..count).map(describe).collect()
    };
    assert_eq!(orchestrator.log_agent_actions(vec![]).await.unwrap(), []);
    let ids = orchestrator.log_agent_actions(batch(MAX_ACTIONS)).await.unwrap();
    assert_eq!(ids.len(), MAX_ACTIONS);
    for (session, first) in sessions.iter().zip([0, 1]) {
        let stored = actions(&orchestrator, session).await.split_off(1);
        let found: Vec<_> = stored.iter().map(|action| &action.action_id).collect();
        assert_eq!(found, ids.iter().skip(first).step_by(2).collect::<Vec<_>>());
        assert!(stored.iter().zip((first..).step_by(2)).all(|(action, index)| {
            action.action_description == Some(index.to_string())
                && action.success != index.is_multiple_of(3)
                && action.changed_files == edit(session).changed_files
        }));
    }
    let error = orchestrator.log_agent_actions(batch(MAX_ACTIONS + 1)).await.unwrap_err();
    assert!(matches!(error, Error::BadInput { what: "the actions", .. }), "{error}");
}

#[tokio::test]
async fn secrets_are_not_stored() {
    let (database, orchestrator) = orchestrator().await;
    let session = start(&orchestrator).await;
    let action = NewAction {
        description: Some("login with DB_PASSWORD=correcthorse".to_owned()),
        input: Some(json!({ "password": "correcthorse", "deep": ["x DB_PASSWORD=correcthorse"] })),
        output: Some(json!({ "postgres://bob:correcthorse@db/x": 1 })),
        error: Some("refused postgres://bob:correcthorse@db/x".to_owned()),
        success: false,
        changed_files: vec!["postgres://bob:correcthorse@db/x".to_owned()],
        commands: vec!["psql postgres://bob:correcthorse@db/x".to_owned()],
        ..NewAction::new(Some(session), "login")
    };
    orchestrator.log_agent_action(action.clone()).await.unwrap();
    orchestrator.log_agent_actions(vec![action]).await.unwrap();
    let client = database.client().await.unwrap();
    let rows = client
        .query("SELECT to_jsonb(a) AS row FROM agent_actions a WHERE action_type = 'login'", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let row: Value = row.get("row");
        assert!(!row.to_string().contains("correcthorse"), "{row}");
        for column in [
            "action_description",
            "input_data",
            "output_data",
            "error_message",
            "changed_files",
            "commands_executed",
        ] {
            assert!(row[column].to_string().contains("[redacted: "), "{column}: {row}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused() {
    let (database, orchestrator) = orchestrator().await;
    let good = NewAction::new(None, "edit");
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    for bad in [
        NewAction { action_type: " ".to_owned(), ..good.clone() },
        NewAction { description: Some("a\0b".to_owned()), ..good.clone() },
        NewAction { description: Some(long.clone()), ..good.clone() },
        NewAction { error: Some("a\0b".to_owned()), ..good.clone() },
        NewAction { input: Some(json!({ "a": ["\0"] })), ..good.clone() },
        NewAction { output: Some(json!({ "\0": 1 })), ..good.clone() },
        NewAction { output: Some(json!(vec![long.clone(); 20])), ..good.clone() },
        NewAction { changed_files: vec!["a\0b".to_owned()], ..good.clone() },
        NewAction { commands: vec![long.clone()], ..good.clone() },
        NewAction { commands: vec!["x".repeat(MAX_TEXT_BYTES); 11], ..good.clone() },
        NewAction { project: Some(String::new()), ..good.clone() },
    ] {
        for outcome in [
            orchestrator.log_agent_action(bad.clone()).await.map(drop),
            orchestrator.log_agent_actions(vec![good.clone(), bad]).await.map(drop),
        ] {
            assert!(matches!(&outcome, Err(Error::BadInput { .. })), "{outcome:?}");
        }
    }
    let client = database.client().await.unwrap();
    let count: i64 = client.query_one("SELECT count(*) FROM agent_actions", &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
    // The text of an escape is not the character.
    let fine = NewAction { input: Some(json!("\\u0000")), ..good };
    orchestrator.log_agent_action(fine).await.unwrap();
}

#[tokio::test]
async fn an_action_whose_answer_is_lost_is_there_once() {
    let (database, whole) = orchestrator().await;
    let session = start(&whole).await;
    let (orchestrator, left) = losing(&database, "lose this", 2).await;
    let action = NewAction { description: Some("lose this".to_owned()), ..edit(&session) };
    let id = orchestrator.log_agent_action(action.clone()).await.unwrap();
    assert_eq!(left.swap(1, Ordering::SeqCst), 0);
    let ids = orchestrator.log_agent_actions(vec![action; 3]).await.unwrap();
    assert_eq!(left.load(Ordering::SeqCst), 0);
    let stored: Vec<_> =
        actions(&whole, &session).await.into_iter().skip(1).map(|action| action.action_id).collect();
    assert_eq!(stored, [vec![id], ids].concat());
    let report = whole.verify_chain(None).await.unwrap();
    assert!(report.is_intact() && report.actions == 5, "{report:?}");
}

#[tokio::test]
async fn an_action_with_an_id_of_the_caller_s_choice_can_be_logged_again() {
    let (_database, orchestrator) = orchestrator().await;
    let session = start(&orchestrator).await;
    let chosen = |id: &ActionId| NewAction { action_id: Some(id.clone()), ..edit(&session) };
    let ids: Vec<ActionId> = (0..3).map(|_| ActionId::generate()).collect();
    for _ in 0..2 {
        assert_eq!(orchestrator.log_agent_action(chosen(&ids[0])).await.unwrap(), ids[0]);
        let batch = vec![chosen(&ids[1]), chosen(&ids[2])];
        assert_eq!(orchestrator.log_agent_actions(batch).await.unwrap(), ids[1..]);
    }
    // What would be lost in part is refused as a whole.
    let mixed = vec![chosen(&ids[0]), chosen(&ActionId::generate())];
    let refused = orchestrator.log_agent_actions(mixed).await.unwrap_err();
    assert!(matches!(refused, Error::BadInput { .. }), "{refused}");
    let stored: Vec<_> =
        actions(&orchestrator, &session).await.into_iter().skip(1).map(|action| action.action_id).collect();
    assert_eq!(stored, ids);
    assert!(orchestrator.verify_chain(None).await.unwrap().is_intact());
}

#[tokio::test]
async fn a_session_s_history_has_its_tasks_actions_and_children() {
    let (_database, orchestrator) = orchestrator().await;
    let session = start(&orchestrator).await;
    let other = start(&orchestrator).await;
    let new = |text: &str, session: &SessionId| NewTask {
        session_id: Some(session.clone()),
        project: Some("rockets".to_owned()),
        ..NewTask::new(text)
    };
    let done = create(&orchestrator, new("made by another, done here", &other)).await;
    let claimant = orchestrator.claimant(&session).await.unwrap();
    let claimed = orchestrator.claim_task(&claimant, LEASE).await.unwrap().unwrap();
    assert_eq!(claimed.task.task_id, done.task_id);
    orchestrator.complete_task(&done.task_id, claimed.lease.token, None).await.unwrap();
    create(&orchestrator, new("made here", &session)).await;
    create(&orchestrator, new("not of this session", &other)).await;
    let child = NewSession { parent: Some(session.clone()), ..NewSession::new("codex", "helper") };
    orchestrator.initialize_agent_session(child).await.unwrap();
    let on_task = NewAction { task_id: Some(done.task_id.clone()), ..edit(&session) };
    orchestrator.log_agent_actions(vec![edit(&session), on_task]).await.unwrap();

    let history = async |filter: HistoryFilter, limit, after| {
        orchestrator.get_session_history(&session, &filter, limit, after).await.unwrap()
    };
    let types = |actions: &[Action]| {
        actions.iter().map(|action| action.action_type.clone()).collect::<Vec<_>>().join(" ")
    };
    let all = HistoryFilter::default;
    let whole = history(all(), 100, None).await;
    assert_eq!(whole.session.session_id, session);
    assert_eq!(types(&whole.actions), "session_started task_claimed task_completed task_created edit edit");
    assert_eq!(whole.next, None);
    let texts: Vec<_> = whole.tasks.iter().map(|task| task.task_description.as_str()).collect();
    assert_eq!(texts, ["made by another, done here", "made here"]);
    assert_eq!(whole.children.len(), 1);

    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = history(all(), 4, after).await;
        paged.extend(page.actions);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, whole.actions);

    let edits = HistoryFilter { action_type: Some("edit".to_owned()), ..all() };
    assert_eq!(types(&history(edits, 100, None).await.actions), "edit edit");
    let on_task = history(HistoryFilter { task: Some(done.task_id.clone()), ..all() }, 100, None).await;
    assert_eq!(types(&on_task.actions), "task_claimed task_completed edit");
    assert_eq!(on_task.tasks.len(), 1);
    let third = whole.actions[2].executed_at;
    let since = history(HistoryFilter { since: Some(third), ..all() }, 100, None).await;
    assert_eq!(types(&since.actions), "task_completed task_created edit edit");
    let until = history(HistoryFilter { until: Some(third), ..all() }, 100, None).await;
    assert_eq!(types(&until.actions), "session_started task_claimed");
    let nobody = "nobody".parse().unwrap();
    let error = orchestrator.get_session_history(&nobody, &all(), 10, None).await.unwrap_err();
    assert!(matches!(error, Error::UnknownSession(_)), "{error}");
}

#[tokio::test]
async fn the_trail_is_exported_line_by_line() {
    let (_database, orchestrator) = orchestrator().await;
    let sessions = [start(&orchestrator).await, start(&orchestrator).await];
    for session in &sessions {
        let many = (0..600).map(|_| edit(session)).collect();
        orchestrator.log_agent_actions(many).await.unwrap();
    }
    let export = async |filter: ActionFilter| {
        let mut lines: Vec<Value> = Vec::new();
        let take = |line: &str| {
            assert!(!line.contains('\n'));
            lines.push(serde_json::from_str(line)?);
            Ok(())
        };
        let count = orchestrator.export_actions(&filter, take).await.unwrap();
        assert_eq!(count, lines.len() as u64);
        lines
    };
    let all = export(ActionFilter::default()).await;
    assert_eq!(all.len(), 1202);
    let one = export(ActionFilter { session: Some(sessions[1].clone()), ..ActionFilter::default() }).await;
    let positions: Vec<_> = one.iter().map(|line| line["chain_position"].as_i64().unwrap()).collect();
    assert_eq!(positions, (1..=601).collect::<Vec<_>>());
    assert_eq!(one[600]["chain_hash"].as_str().unwrap().len(), 64);
    let edits = ActionFilter { action_type: Some("edit".to_owned()), ..ActionFilter::default() };
    assert_eq!(export(edits).await.len(), 1200);
    let full = |_: &str| Err(std::io::Error::other("the disk is full"));
    let error = orchestrator.export_actions(&ActionFilter::default(), full).await.unwrap_err();
    assert!(matches!(error, Error::Export(_)), "{error}");
}
