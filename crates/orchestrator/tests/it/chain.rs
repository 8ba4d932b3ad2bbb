//! Nobody changes the audit trail unnoticed, whoever wrote it.

use std::time::Instant;

use agent_turbo_orchestrator::{BrokenChain, ChainReport, Flaw, NewAction, NewSession, Orchestrator};
use futures_util::future::join_all;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use serde_json::json;
use tokio_postgres::Client;

use crate::support::orchestrator;

async fn intact(orchestrator: &Orchestrator) -> ChainReport {
    let report = orchestrator.verify_chain(None).await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    report
}

/// What is wrong with the chain, which must be found in the whole trail and in the chain alone.
async fn flaw(orchestrator: &Orchestrator, chain: &str) -> Option<(i64, Flaw)> {
    let all = orchestrator.verify_chain(None).await.unwrap();
    let one = orchestrator.verify_chain(Some(chain)).await.unwrap();
    assert_eq!(all.broken, one.broken);
    assert_eq!((one.flawed, one.broken.len() as u64), (all.flawed, all.flawed));
    all.broken.into_iter().next().map(|BrokenChain { position, flaw, chain: broken, .. }| {
        assert_eq!(broken, chain);
        (position, flaw)
    })
}

/// Actions in a chain of this name.
async fn fill(orchestrator: &Orchestrator, chain: &str, count: usize) {
    let action = |index: usize| NewAction {
        description: Some(format!("action {index}")),
        input: Some(json!({ "index": index })),
        output: Some(json!([index])),
        error: Some("none".to_owned()),
        task_id: Some("task_1".parse().unwrap()),
        duration: Some(std::time::Duration::from_millis(index as u64)),
        changed_files: vec!["a".to_owned()],
        commands: vec!["b".to_owned()],
        ..NewAction::new(Some(chain.parse().unwrap()), "edit")
    };
    orchestrator.log_agent_actions((1..=count).map(action).collect()).await.unwrap();
}

/// As the tables' owner can, past all triggers.
async fn tamper(client: &Client, sql: &str) {
    let all = format!("BEGIN; SET LOCAL session_replication_role = replica; {sql}; COMMIT");
    client.batch_execute(&all).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

#[tokio::test]
async fn an_empty_trail_and_an_unknown_chain_are_intact() {
    let (_database, orchestrator) = orchestrator().await;
    assert_eq!(intact(&orchestrator).await, ChainReport::default());
    assert_eq!(orchestrator.verify_chain(Some("nobody")).await.unwrap(), ChainReport::default());
}

#[tokio::test]
async fn records_cannot_be_changed_or_removed() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    fill(&orchestrator, "s", 3).await;
    client.batch_execute("INSERT INTO agent_actions (action_type) VALUES ('plain')").await.unwrap();
    orchestrator.log_agent_actions(vec![NewAction::new(Some("p".parse().unwrap()), "x"); 2]).await.unwrap();
    orchestrator.purge_actions("p", Timestamp::MAX, "a test", None).await.unwrap();
    for statement in [
        "UPDATE agent_actions SET success = false WHERE action_type = 'plain'",
        "UPDATE agent_actions SET success = success",
        "DELETE FROM agent_actions WHERE action_type = 'plain'",
        "DELETE FROM agent_actions",
        "TRUNCATE agent_actions",
        "INSERT INTO action_chains VALUES ('forged', 1, '')",
        "UPDATE action_chains SET length = 7",
        "DELETE FROM action_chains",
        "TRUNCATE action_chains",
        "UPDATE action_purges SET reason = 'another'",
        "DELETE FROM action_purges",
        "TRUNCATE action_purges",
    ] {
        let error = client.batch_execute(statement).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "AT005", "{statement}: {error:?}");
    }
    let report = intact(&orchestrator).await;
    assert_eq!((report.chains, report.actions, report.heads.len()), (3, 4, 3));
}

#[tokio::test]
async fn what_other_programs_write_is_chained_too() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    for statement in [
        "INSERT INTO agent_actions (action_id, session_id, action_type) VALUES ('mine', 's', 'a')",
        "INSERT INTO agent_actions (action_id, session_id, action_type) VALUES ('mine', 's', 'a') ON CONFLICT DO NOTHING",
        "INSERT INTO agent_actions (action_id, session_id, action_type)
         VALUES ('mine', 'another', 'a') ON CONFLICT (action_id) DO NOTHING",
        "INSERT INTO agent_actions (action_id, session_id, action_type)
         VALUES ('twice', 's', 'a'), ('twice', 's', 'b'), ('once', 's', 'c') ON CONFLICT DO NOTHING",
        "INSERT INTO agent_actions (session_id, action_type, success, changed_files, executed_at, project)
         VALUES (NULL, 'a', NULL, NULL, NULL, NULL)",
        "INSERT INTO agent_actions (task_id, action_type) VALUES ('task_9', 'a')",
        "INSERT INTO agent_actions (session_id, action_type, execution_time_ms, input_data)
         SELECT 's' || n % 3, 'many', 1.0 / n, jsonb_build_object('n', n) FROM generate_series(1, 300) n",
        "SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German, DMY'; SET extra_float_digits = -15;
         SET IntervalStyle = 'iso_8601'; SET bytea_output = 'escape'; SET lc_monetary = 'C';
         INSERT INTO agent_actions (session_id, action_type, execution_time_ms, executed_at)
         VALUES ('s', 'odd settings', 0.1 + 0.2, '2024-02-29 12:34:56.789012+05:45'), ('s', 'bc', 'NaN', '0044-03-15 BC'),
                ('s', 'late', 1e300, 'infinity')",
        "RESET ALL",
    ] {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    let copy = client
        .copy_in::<_, bytes::Bytes>(
            "COPY agent_actions (session_id, action_type, commands_executed) FROM STDIN",
        )
        .await
        .unwrap();
    let lines = (0..100).map(|index| Ok(bytes::Bytes::from(format!("s\tcopied\t{{\"a b\",{index}}}\n"))));
    futures_util::StreamExt::forward(futures_util::stream::iter(lines), copy).await.unwrap();
    // A rolled back action leaves no gap.
    client
        .batch_execute(
            "BEGIN; INSERT INTO agent_actions (session_id, action_type) VALUES ('s', 'no'); ROLLBACK",
        )
        .await
        .unwrap();
    let error = client
        .batch_execute(
            "INSERT INTO agent_actions (action_id, session_id, action_type) VALUES ('mine', 's', 'a')",
        )
        .await
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "23505");
    let report = intact(&orchestrator).await;
    assert_eq!((report.chains, report.actions), (6, 3 + 1 + 1 + 300 + 3 + 100));
    client.batch_execute("SET extra_float_digits = -15; SET TimeZone = 'Asia/Kathmandu'").await.unwrap();
    let right: i64 = client
        .query_one(
            "SELECT count(*) FROM (
                 SELECT chain_hash = sha256(
                     lag(chain_hash, 1, sha256('s'::bytea)) OVER (ORDER BY chain_position)
                     || int8send(chain_position) || action_digest(a)) AS is_right
                 FROM agent_actions a WHERE session_id = 's') l WHERE is_right",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(right, 3 + 3 + 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_writers_at_once_make_one_chain_or_many() {
    let (database, orchestrator) = orchestrator().await;
    let writers = (0..50).map(|writer| {
        let orchestrator = orchestrator.clone();
        tokio::spawn(async move {
            for turn in 0..4 {
                let to = |chain: String| NewAction::new(Some(chain.parse().unwrap()), "write");
                orchestrator.log_agent_action(to("one".to_owned())).await.unwrap();
                let (own, shared) =
                    (to(format!("own {writer}")), to(format!("shared {}", (writer + turn) % 7)));
                let batch = vec![own, to("one".to_owned()), shared];
                orchestrator.log_agent_actions(batch).await.unwrap();
            }
        })
    });
    join_all(writers).await.into_iter().for_each(|done| done.unwrap());
    let report = intact(&orchestrator).await;
    assert_eq!((report.chains, report.actions), (58, 800));
    let client = database.client().await.unwrap();
    let row = client
        .query_one("SELECT length, (SELECT max(chain_position) FROM agent_actions WHERE session_id = 'one') FROM action_chains WHERE chain = 'one'", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (400, 400));
}

#[tokio::test]
async fn every_change_of_any_column_is_found_where_it_is() {
    const LENGTH: i64 = 12;
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    fill(&orchestrator, "a", 3).await;
    fill(&orchestrator, "s", LENGTH as usize).await;
    fill(&orchestrator, "z", 3).await;
    client.batch_execute("CREATE TABLE before AS TABLE agent_actions").await.unwrap();
    let columns = [
        ("action_id", "'forged'"),
        ("task_id", "'task_2'"),
        ("task_id", "NULL"),
        ("project", "'other'"),
        ("action_type", "'read'"),
        ("action_description", "action_description || ' '"),
        ("action_description", "NULL"),
        ("input_data", "'{}'"),
        ("input_data", "NULL"),
        ("output_data", "'[]'"),
        ("success", "false"),
        ("error_message", "''"),
        ("execution_time_ms", "execution_time_ms + 1e-9"),
        ("changed_files", "'{a,a}'"),
        ("commands_executed", "'{}'"),
        ("executed_at", "executed_at + interval '1 microsecond'"),
        ("chain_hash", "sha256('x')"),
    ];
    let restore = "DELETE FROM agent_actions; INSERT INTO agent_actions SELECT * FROM before";
    let mut runner =
        TestRunner::new(ProptestConfig { rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() });
    for (column, value) in columns {
        let position = (1..=LENGTH).new_tree(&mut runner).unwrap().current();
        let change = format!(
            "UPDATE agent_actions SET {column} = {value} WHERE session_id = 's' AND chain_position = {position}"
        );
        tamper(&client, &change).await;
        assert_eq!(flaw(&orchestrator, "s").await, Some((position, Flaw::Changed)), "{change}");
        tamper(&client, restore).await;
    }
    for position in [1, 6, LENGTH] {
        let removed =
            format!("DELETE FROM agent_actions WHERE session_id = 's' AND chain_position = {position}");
        tamper(&client, &removed).await;
        let expected = if position == LENGTH { Flaw::CutOff } else { Flaw::Missing };
        assert_eq!(flaw(&orchestrator, "s").await, Some((position, expected)), "{removed}");
        tamper(&client, restore).await;
    }
    for _ in 0..8 {
        let (one, two) = (1..=LENGTH, 1..=LENGTH)
            .prop_filter("two", |(one, two)| one < two)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let swap = format!(
            "UPDATE agent_actions SET chain_position = -chain_position
                 WHERE session_id = 's' AND chain_position IN ({one}, {two});
             UPDATE agent_actions SET chain_position = {one} + {two} + chain_position
                 WHERE session_id = 's' AND chain_position < 0"
        );
        tamper(&client, &swap).await;
        assert_eq!(flaw(&orchestrator, "s").await, Some((one, Flaw::Moved { to: two })), "{swap}");
        tamper(&client, restore).await;

        let inserted = format!(
            "UPDATE agent_actions SET chain_position = -chain_position - 1
                 WHERE session_id = 's' AND chain_position >= {one};
             UPDATE agent_actions SET chain_position = -chain_position WHERE session_id = 's' AND chain_position < 0;
             INSERT INTO agent_actions (action_id, session_id, action_type, chain_position, chain_hash)
                 VALUES ('forged', 's', 'forged', {one}, sha256('x'))"
        );
        tamper(&client, &inserted).await;
        assert_eq!(flaw(&orchestrator, "s").await, Some((one, Flaw::Moved { to: one + 1 })), "{inserted}");
        tamper(&client, restore).await;
    }
    intact(&orchestrator).await;
}

#[tokio::test]
async fn heads_and_actions_must_agree() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    fill(&orchestrator, "s", 5).await;
    client
        .batch_execute(
            "CREATE TABLE actions_before AS TABLE agent_actions; CREATE TABLE chains_before AS TABLE action_chains",
        )
        .await
        .unwrap();
    let forged = "INSERT INTO agent_actions (action_id, session_id, action_type, chain_position, chain_hash)
                  SELECT 'forged', 's', 'forged', 6, sha256('x')";
    for (change, expected) in [
        ("DELETE FROM agent_actions", (1, Flaw::CutOff)),
        ("DELETE FROM agent_actions WHERE chain_position > 2", (3, Flaw::CutOff)),
        ("DELETE FROM action_chains", (1, Flaw::NoHead)),
        ("UPDATE action_chains SET length = 6", (6, Flaw::CutOff)),
        ("UPDATE action_chains SET length = 4", (5, Flaw::BeyondHead)),
        ("UPDATE action_chains SET head = sha256('x')", (5, Flaw::WrongHead)),
        (forged, (6, Flaw::BeyondHead)),
        // Another chain's beginning is taken over.
        (
            "UPDATE agent_actions SET session_id = 't'; UPDATE action_chains SET chain = 't'",
            (1, Flaw::Changed),
        ),
        ("UPDATE agent_actions SET chain_position = chain_position - 1", (0, Flaw::NotPurged)),
    ] {
        tamper(&client, change).await;
        let chain = if change.contains("'t'") { "t" } else { "s" };
        assert_eq!(flaw(&orchestrator, chain).await, Some(expected), "{change}");
        let restore = "DELETE FROM agent_actions; INSERT INTO agent_actions SELECT * FROM actions_before;
                       DELETE FROM action_chains; INSERT INTO action_chains SELECT * FROM chains_before";
        tamper(&client, restore).await;
        intact(&orchestrator).await;
    }
}

#[tokio::test]
async fn a_purge_removes_the_beginning_and_leaves_its_record() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_actions (session_id, action_type, executed_at)
             SELECT 's', 'old', '2020-01-01'::timestamptz + n * interval '1 day' FROM generate_series(0, 9) n",
        )
        .await
        .unwrap();
    let purge = async |until: &str, why: &str| {
        orchestrator.purge_actions("s", until.parse().unwrap(), why, Some("somebody")).await.unwrap()
    };
    assert_eq!(purge("2019-01-01T00:00:00Z", "nothing is so old").await, 0);
    assert_eq!(purge("2020-01-04T00:00:00Z", "old, says API_TOKEN=correcthorse").await, 3);
    assert_eq!(purge("2020-01-04T00:00:00Z", "again").await, 0);
    assert_eq!(intact(&orchestrator).await.actions, 7);
    assert_eq!(purge("2020-01-06T00:00:00Z", "older").await, 2);
    assert_eq!(intact(&orchestrator).await.heads[0].length, 10);
    fill(&orchestrator, "s", 2).await;
    assert_eq!(intact(&orchestrator).await.actions, 7);
    let record = client.query("SELECT * FROM action_purges ORDER BY id", &[]).await.unwrap();
    let record: Vec<(i64, i64, &str, &str)> = record
        .iter()
        .map(|row| (row.get("through_position"), row.get("removed"), row.get("reason"), row.get("purged_by")))
        .collect();
    let first = "old, says API_TOKEN=[redacted: password]";
    assert_eq!(record, [(3, 3, first, "somebody"), (5, 2, "older", "somebody")]);
    let error = orchestrator.purge_actions("s", Timestamp::MAX, " ", None).await.unwrap_err();
    assert!(error.to_string().contains("the reason"), "{error}");

    client
        .batch_execute(
            "CREATE TABLE actions_before AS TABLE agent_actions; CREATE TABLE purges_before AS TABLE action_purges",
        )
        .await
        .unwrap();
    for (change, expected) in [
        ("DELETE FROM agent_actions WHERE chain_position = 6", (6, Flaw::Missing)),
        ("UPDATE agent_actions SET chain_position = 5 WHERE chain_position = 6", (5, Flaw::NotPurged)),
        ("DELETE FROM action_purges WHERE id = 1", (5, Flaw::WrongPurge)),
        ("DELETE FROM action_purges WHERE id = 2", (4, Flaw::Missing)),
        ("DELETE FROM action_purges", (1, Flaw::Missing)),
        ("UPDATE action_purges SET through_hash = sha256('x')", (6, Flaw::Changed)),
        ("UPDATE action_purges SET removed = removed + 1 WHERE id = 1", (5, Flaw::WrongPurge)),
    ] {
        tamper(&client, change).await;
        assert_eq!(flaw(&orchestrator, "s").await, Some(expected), "{change}");
        let restore = "DELETE FROM agent_actions; INSERT INTO agent_actions SELECT * FROM actions_before;
                       DELETE FROM action_purges;
                       INSERT INTO action_purges OVERRIDING SYSTEM VALUE SELECT * FROM purges_before";
        tamper(&client, restore).await;
        intact(&orchestrator).await;
    }

    // Everything, and then on from there.
    assert_eq!(orchestrator.purge_actions("s", Timestamp::MAX, "all", None).await.unwrap(), 7);
    let report = intact(&orchestrator).await;
    assert_eq!((report.chains, report.actions, report.heads[0].length), (1, 0, 12));
    tamper(&client, "CREATE TABLE heads AS TABLE action_chains; DELETE FROM action_chains").await;
    assert_eq!(flaw(&orchestrator, "s").await, Some((12, Flaw::NoHead)));
    tamper(&client, "INSERT INTO action_chains SELECT * FROM heads").await;
    fill(&orchestrator, "s", 1).await;
    assert_eq!(intact(&orchestrator).await.heads[0].length, 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn checking_bears_those_who_write_and_purge_meanwhile() {
    let (_database, orchestrator) = orchestrator().await;
    fill(&orchestrator, "s", 1000).await;
    let writing = {
        let orchestrator = orchestrator.clone();
        tokio::spawn(async move {
            for _ in 0..30 {
                fill(&orchestrator, "s", 100).await;
                let session = NewSession::new("codex", "executor");
                orchestrator.initialize_agent_session(session).await.unwrap();
                orchestrator.purge_actions("s", Timestamp::now(), "a test", None).await.unwrap();
            }
        })
    };
    let mut checked = 0;
    while !writing.is_finished() || checked == 0 {
        intact(&orchestrator).await;
        checked += 1;
    }
    writing.await.unwrap();
    assert_eq!(intact(&orchestrator).await.chains, 31);
}

#[tokio::test]
async fn ten_thousand_actions_are_checked_quickly() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_actions (session_id, action_type, input_data)
             SELECT 's' || n % 500, 'many', jsonb_build_object('n', n, 'text', repeat('x', 500))
             FROM generate_series(1, 10000) n; ANALYZE agent_actions; ANALYZE action_chains",
        )
        .await
        .unwrap();
    let start = Instant::now();
    let report = intact(&orchestrator).await;
    let taken = start.elapsed();
    assert_eq!((report.chains, report.actions), (500, 10_000));
    println!("10,000 actions in 500 chains: {taken:?}");
    // A debug build on a machine that is busy with other tests.
    assert!(taken.as_secs() < 10, "{taken:?}");
}

#[tokio::test]
async fn one_action_written_twice_at_once_leaves_no_gap() {
    let (database, orchestrator) = orchestrator().await;
    let (mut first, second) = (database.client().await.unwrap(), database.client().await.unwrap());
    for (id, session) in [("same chain", "s"), ("another chain", "t")] {
        fill(&orchestrator, "s", 1).await;
        fill(&orchestrator, "t", 1).await;
        let insert = "INSERT INTO agent_actions (action_id, session_id, action_type) VALUES ($1, $2, 'x')";
        let transaction = first.transaction().await.unwrap();
        transaction.execute(insert, &[&id, &"s"]).await.unwrap();
        let again = format!("{insert} ON CONFLICT DO NOTHING");
        let end_first = async {
            let watcher = database.client().await.unwrap();
            let waiting = "SELECT FROM pg_stat_activity
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
            while watcher.query(waiting, &[]).await.unwrap().is_empty() {}
            transaction.commit().await.unwrap();
        };
        let same: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&id, &session];
        let (outcome, ()) = tokio::join!(second.execute(&again, &same), end_first);
        // To be repeated, as after any conflict; then it is known.
        let error = outcome.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "40001", "{error:?}");
        intact(&orchestrator).await;
        assert_eq!(second.execute(&again, &[&id, &session]).await.unwrap(), 0);
        intact(&orchestrator).await;
    }
}
