//! Sessions, and what an agent is told when it arrives.

use serde_json::{Value, json};

use crate::support::{Fixture, Program, members};
use crate::tasks::{TASK, create, text};

const SESSION: [&str; 12] = [
    "agent_platform",
    "agent_role",
    "api_calls",
    "completed_at",
    "created_at",
    "last_active",
    "metadata",
    "parent_session_id",
    "project",
    "session_id",
    "status",
    "tokens_used",
];

const CONTEXT: [&str; 14] = [
    "active_services",
    "database_stats",
    "documentation_sources",
    "errors",
    "freshness",
    "generated_at",
    "newest_knowledge",
    "open_blockers",
    "platform",
    "project",
    "ready_tasks",
    "recent_tasks",
    "role",
    "system_nodes",
];

/// Starts a session; its id.
pub(crate) async fn start(fixture: &Fixture, arguments: &[&str]) -> String {
    let ran = fixture.run(&[&["session", "start", "--id-only"], arguments].concat()).await;
    ran.done().trim_end().to_owned()
}

/// The program, working for a session.
fn working_for(fixture: &Fixture, session: &str) -> Program {
    fixture.program().env("AGENT_TURBO_SESSION", session)
}

fn ids(sessions: &Value) -> Vec<String> {
    sessions.as_array().unwrap().iter().map(|session| text(session, "session_id")).collect()
}

/// Has a session be silent since some time ago.
async fn silence(fixture: &Fixture, session: &str, ago: &str) {
    let client = fixture.database.client().await.unwrap();
    let update =
        format!("UPDATE agent_sessions SET last_active = now() - interval '{ago}' WHERE session_id = $1");
    assert_eq!(client.execute(&update, &[&session]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_session_is_started_with_what_there_is_to_know_touched_and_ended() {
    let fixture = Fixture::new().await;
    let task = create(&fixture, &["Write the parser", "--role", "coder"]).await;
    let arguments =
        ["session", "start", "--platform", "claude", "--role", "coder", "--metadata", r#"{"n": 1}"#];
    let started = fixture.json(&arguments).await;
    assert_eq!(members(&started), ["context", "session"]);
    assert_eq!(
        (members(&started["session"]), members(&started["context"])),
        (SESSION.to_vec(), CONTEXT.to_vec())
    );
    assert_eq!(started["context"]["ready_tasks"][0]["task_id"], task);
    assert_eq!(started["session"]["metadata"], json!({ "n": 1 }));
    let id = text(&started["session"], "session_id");
    assert!(id.starts_with("claude_coder_"), "{id}");

    let shown = fixture.run(&arguments).await;
    for part in [
        "claude_coder_",
        " active\n",
        "# Landing context: project default",
        &task,
        "Write the parser",
        "export AGENT_TURBO_SESSION=claude_coder_",
    ] {
        assert!(shown.done().contains(part), "{part}: {shown:?}");
    }
    let touched = fixture.json(&["session", "touch", &id, "--tokens", "1200", "--api-calls", "3"]).await;
    assert_eq!((members(&touched), &touched["tokens_used"]), (SESSION.to_vec(), &json!(1200)));
    let touched = working_for(&fixture, &id).run(&["session", "touch", "--tokens", "1"]).await;
    assert_eq!(touched.done(), format!("✅ Noted: {id} 1201 tokens, 3 calls\n"));

    let ended = fixture.json(&["session", "end", &id]).await;
    assert_eq!(
        (members(&ended), members(&ended["session"])),
        (vec!["released_tasks", "session"], SESSION.to_vec())
    );
    assert_eq!(ended["session"]["status"], "completed");
    let touched = fixture.run(&["session", "touch", &id]).await;
    touched.failed(1, &[&format!("work in session {id}, which is completed"), "session start --resume"]);
    let resumed = fixture.json(&["session", "start", "--resume", &id]).await;
    assert_eq!(
        (text(&resumed["session"], "session_id"), &resumed["session"]["status"]),
        (id.clone(), &json!("active"))
    );
    let ended = fixture.run(&["session", "end", &id, "--failed", "out of tokens"]).await;
    assert_eq!(ended.done(), format!("✅ Ended session: {id} (failed)\n"));
}

#[tokio::test]
async fn a_shell_gets_the_id_alone_and_the_platform_may_be_exported() {
    let fixture = Fixture::new().await;
    let shell = fixture.program().env("AGENT_TURBO_PLATFORM", "codex");
    let started = shell.run(&["session", "start", "--quiet"]).await;
    let id = started.done().trim_end();
    assert!(id.starts_with("codex_agent_") && started.stdout.lines().count() == 1, "{started:?}");
    let id = start(&fixture, &[]).await;
    assert!(id.starts_with("cli_agent_"), "{id}");
}

#[tokio::test]
async fn what_a_session_makes_and_claims_is_its_own_and_in_its_project() {
    let fixture = Fixture::new().await;
    let session = start(&fixture, &["--role", "coder", "--platform", "claude", "--project", "p"]).await;
    let made = working_for(&fixture, &session).run(&["task", "create", "inside", "--json"]).await.json();
    assert_eq!((&made["session_id"], &made["project"]), (&json!(session), &json!("p")));
    create(&fixture, &["for others", "--role", "tester", "--project", "p", "--priority", "9"]).await;
    create(&fixture, &["outside", "--priority", "9"]).await;
    let claimed = working_for(&fixture, &session).run(&["task", "claim", "--json"]).await.json();
    assert_eq!(
        (&claimed["task"]["task_description"], &claimed["task"]["lease_session_id"]),
        (&json!("inside"), &json!(session))
    );
    let list = ["task", "list", "--json"];
    let listed = async |program: Program| program.run(&list).await.json()["tasks"].as_array().unwrap().len();
    assert_eq!((listed(working_for(&fixture, &session)).await, listed(fixture.program()).await), (2, 1));
    let context = working_for(&fixture, &session).run(&["context", "--json"]).await.json();
    assert_eq!((&context["project"], &context["role"]), (&json!("p"), &Value::Null));
    // What is said beside the session comes before what the session is.
    let other = ["task", "claim", "--session", &session, "--role", "tester"];
    assert_eq!(fixture.json(&other).await["task"]["task_description"], "for others");
    let held = fixture.json(&["task", "list", "--project", "p", "--held-by", &session]).await;
    assert_eq!(held["tasks"].as_array().unwrap().len(), 2);

    let ended = fixture.run(&["session", "end", &session]).await;
    assert_eq!(
        ended.done().lines().filter(|line| line.starts_with("   Back in the queue: task_")).count(),
        2
    );
    let claim = working_for(&fixture, &session).run(&["task", "claim"]).await;
    claim.failed(1, &[&format!("work in session {session}, which is completed")]);
    // An empty variable is none.
    working_for(&fixture, "").run(&["task", "claim"]).await.failed(2, &["accept the claim"]);
}

#[tokio::test]
async fn sessions_are_shown_with_their_family_and_listed_by_what_they_are() {
    let fixture = Fixture::new().await;
    let parent = start(&fixture, &["--role", "planner", "--project", "p"]).await;
    let child = start(&fixture, &["--parent", &parent, "--role", "coder"]).await;
    let grandchild = start(&fixture, &["--parent", &child, "--platform", "codex"]).await;
    let shown = fixture.json(&["session", "show", &child]).await;
    assert_eq!(members(&shown), ["children", "parents", "session"]);
    assert_eq!(
        (ids(&shown["parents"]), ids(&shown["children"])),
        (vec![parent.clone()], vec![grandchild.clone()])
    );
    assert_eq!(shown["session"]["project"], "p");
    let shown = working_for(&fixture, &child).run(&["session", "show"]).await;
    let told = [&child, "Comes from\n", &parent, "Started\n", &grandchild, "0 tokens, 0 calls"];
    assert!(told.iter().all(|part| shown.done().contains(*part)), "{shown:?}");

    let list = async |arguments: &[&str]| {
        let page = fixture.json(&[&["session", "list"], arguments].concat()).await;
        assert_eq!(members(&page), ["next", "sessions"]);
        ids(&page["sessions"])
    };
    assert_eq!(list(&[]).await, Vec::<String>::new());
    assert_eq!(list(&["--all-projects"]).await, [&grandchild, &child, &parent].map(String::clone));
    assert_eq!(list(&["-p", "p", "--role", "coder", "--status", "active"]).await, [child.as_str()]);
    assert_eq!(list(&["-p", "p", "--platform", "codex", "--since", "1h"]).await, [grandchild.as_str()]);
    assert_eq!(list(&["-p", "p", "--until", "1h"]).await, Vec::<String>::new());
    assert_eq!(list(&["-p", "p", "--parent", &parent]).await, [child.as_str()]);
    let page = fixture.run(&["session", "list", "-p", "p", "--limit", "2"]).await;
    let next = page.done().rsplit_once("More: --before ").unwrap().1.trim_end();
    assert_eq!(list(&["-p", "p", "--before", next]).await, [parent]);
    assert_eq!(fixture.run(&["session", "list"]).await.done(), "There are no such sessions.\n");
}

#[tokio::test]
async fn the_landing_context_is_told_as_text_within_a_budget_or_as_json() {
    let fixture = Fixture::new().await;
    let session = start(&fixture, &["--role", "coder"]).await;
    fixture.add(&["Parsers are tested with proptest"]).await;
    let task = create(&fixture, &["Write the parser", "--role", "coder"]).await;
    create(&fixture, &["Test the parser", "--role", "tester"]).await;
    let context = fixture.json(&["context"]).await;
    assert_eq!((members(&context), context["ready_tasks"].as_array().unwrap().len()), (CONTEXT.to_vec(), 2));
    let same = fixture.run(&["context", "--format", "json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(same.done()).unwrap(),
        context,
        "it is remembered while nothing changes"
    );
    let fresh = fixture.json(&["context", "--fresh", "--role", "coder"]).await;
    assert_eq!(fresh["ready_tasks"].as_array().unwrap().len(), 1);
    assert_eq!(fresh["newest_knowledge"][0]["excerpt"], "Parsers are tested with proptest");

    let prompt = fixture.run(&["context", "--role", "coder"]).await;
    for part in ["# Landing context: project default", &task, "Parsers are tested with proptest"] {
        assert!(prompt.done().contains(part), "{part}: {prompt:?}");
    }
    let formatted = fixture.json(&["context", "--format", "prompt", "--budget", "80"]).await;
    assert_eq!(members(&formatted), ["left_out", "text", "tokens"]);
    assert!(
        formatted["tokens"].as_u64().unwrap() <= 80 && formatted["left_out"][0].is_object(),
        "{formatted}"
    );

    let since = fixture.json(&["context", "--since", &session]).await;
    assert_eq!((&since["role"], since["recent_tasks"].as_array().unwrap().len()), (&json!("coder"), 2));
    let later = start(&fixture, &["--role", "coder"]).await;
    let since = fixture.json(&["context", "--since", &later]).await;
    assert_eq!((&since["recent_tasks"], &since["newest_knowledge"]), (&json!([]), &json!([])));
    fixture.run(&["context", "--since", "nobody"]).await.failed(3, &["find the session nobody"]);
}

#[tokio::test]
async fn the_silent_are_reaped_and_what_they_held_is_done_by_others() {
    let fixture = Fixture::new().await;
    let session = start(&fixture, &["--role", "coder"]).await;
    let task = create(&fixture, &["left behind", "--max-attempts", "1"]).await;
    fixture.json(&["task", "claim", "--session", &session]).await;
    let reaped = fixture.json(&["reap"]).await;
    assert_eq!(members(&reaped), ["contexts", "expired_entries", "requests", "sessions", "tasks"]);
    assert_eq!(reaped["sessions"], json!({ "idle": 0, "failed": 0, "released_tasks": 0 }));
    assert_eq!(reaped["tasks"], json!({ "promoted": 0, "requeued": 0, "failed": 0 }));

    silence(&fixture, &session, "3 hours").await;
    let client = fixture.database.client().await.unwrap();
    let end_lease = "UPDATE agent_tasks SET lease_expires_at = now() - interval '1 second'";
    client.execute(end_lease, &[]).await.unwrap();
    let first = fixture.run(&["reap", "--idle-after", "1h"]).await;
    for part in ["1 failed\n", "Sessions: 1 idle now, 0 failed"] {
        assert!(first.done().contains(part), "{first:?}");
    }
    let shown = fixture.json(&["task", "show", &task]).await;
    assert_eq!((members(&shown), &shown["status"]), (TASK.to_vec(), &json!("failed")));
    let second = fixture.json(&["reap", "--fail-after", "1d"]).await;
    assert_eq!(second["sessions"]["failed"], 0);
    assert_eq!(fixture.json(&["reap"]).await["sessions"]["failed"], 1);
    let shown = fixture.json(&["session", "show", &session]).await;
    assert_eq!(shown["session"]["status"], "failed");
}

#[tokio::test]
async fn sessions_that_are_not_there_or_make_no_sense_are_refused() {
    let fixture = Fixture::new().await;
    let ran = fixture.run(&["session", "show", "nobody"]).await;
    let told = "There is no session nobody.\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(3), told, ""), "{ran:?}");
    for arguments in [
        &["session", "touch", "nobody"][..],
        &["session", "end", "nobody"],
        &["session", "start", "--resume", "nobody"],
        &["session", "start", "--parent", "nobody"],
        &["history", "nobody"],
        &["task", "create", "x", "--session", "nobody"],
        &["task", "create", "x", "--session", "nobody", "--project", "p"],
    ] {
        fixture.run(arguments).await.failed(3, &["find the session nobody", "agent-turbo session list"]);
    }
    let cases: [(&[&str], &[&str]); 9] = [
        (&["session", "show"], &["accept the session", "export AGENT_TURBO_SESSION"]),
        (&["session", "touch", ""], &["accept the session's id", "empty"]),
        (&["session", "start", "--role", ""], &["accept the role", "empty"]),
        (&["session", "start", "--platform", "a\nb"], &["accept the platform", "control"]),
        (&["session", "start", "--metadata", "1"], &["accept the metadata", "not an object"]),
        (&["session", "list", "--status", "asleep"], &["accept the session's status", "active, idle"]),
        (&["session", "list", "--since", "monday"], &["accept the time since when", "\"monday\""]),
        (&["context", "--role", " "], &["accept the role", "empty"]),
        (&["reap", "--idle-after", "never"], &["how long a session may be silent", "\"never\""]),
    ];
    for (arguments, names) in cases {
        fixture.run(arguments).await.failed(2, names);
    }
    for arguments in [
        &["session", "end"][..],
        &["session", "start", "--resume", "x", "--role", "y"],
        &["context", "--format", "xml"],
    ] {
        let ran = fixture.run(arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    }
}
