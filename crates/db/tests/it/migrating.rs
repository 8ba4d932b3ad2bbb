use agent_turbo_db::{Config, Database, Error, SchemaState, migrate, schema_state};
use agent_turbo_test_support::TestDatabase;
use tokio_postgres::Client;

use crate::support::{Fixture, everything_shown, soon};

const ODD: &str = "my \"schema";

/// Every relation, function and extension that somebody made here, by schema and name.
async fn inventory(client: &Client) -> Vec<String> {
    let rows = client
        .query(
            "SELECT 'relation ' || relnamespace::regnamespace || '.' || relname FROM pg_class
                 WHERE relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
             UNION ALL
             SELECT 'function ' || pronamespace::regnamespace || '.' || proname FROM pg_proc
                 WHERE pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
                   AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
             UNION ALL SELECT 'extension ' || extname FROM pg_extension
             UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'
             ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn count(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

fn known(state: SchemaState) -> u32 {
    match state {
        SchemaState::Current { version } => version,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn somebody_elses_table_or_view_in_the_way_is_named_and_nothing_is_changed() {
    for (name, theirs) in [
        (
            "agent_sessions",
            "CREATE TABLE agent_sessions (theirs text); INSERT INTO agent_sessions VALUES ('kept')",
        ),
        ("chunks", "CREATE TABLE chunks (theirs text)"),
        ("services", "CREATE VIEW services AS SELECT 1 AS theirs"),
    ] {
        let database = TestDatabase::empty().await.unwrap();
        let client = database.client().await.unwrap();
        client.batch_execute(theirs).await.unwrap();
        let before = inventory(&client).await;
        let error = migrate(&database.config()).await.unwrap_err();
        assert!(
            matches!(&error, Error::ForeignTable { schema, table } if schema == "public" && table == name),
            "{error:?}"
        );
        assert!(error.to_string().contains(&format!("public.{name}")) && error.hint().is_some(), "{error}");
        assert_eq!(inventory(&client).await, before);
        // The way out that the hint names.
        migrate(&Config { schema: Some("ours".to_owned()), ..database.config() }).await.unwrap();
    }
}

#[tokio::test]
async fn the_history_of_another_program_s_migrations_is_not_taken_for_ours() {
    for history in [
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name text, applied_on text, checksum text);
         INSERT INTO refinery_schema_history SELECT n, 'theirs', '', '' FROM generate_series(1, 4) n",
        "CREATE TABLE refinery_schema_history (number integer)",
    ] {
        let database = TestDatabase::empty().await.unwrap();
        let client = database.client().await.unwrap();
        client.batch_execute(history).await.unwrap();
        let before = inventory(&client).await;
        let error = migrate(&database.config()).await.unwrap_err();
        assert!(
            matches!(&error, Error::ForeignTable { table, .. } if table == "refinery_schema_history"),
            "{error:?}"
        );
        assert_eq!(inventory(&client).await, before);
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_no_other_one_behind() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    // Used by the third migration only.
    let theirs = "CREATE FUNCTION knowledge_lexemes(content text) RETURNS integer LANGUAGE sql RETURN 1";
    client.batch_execute(theirs).await.unwrap();
    let error = migrate(&database.config()).await.unwrap_err();
    assert!(matches!(&error, Error::Migration(_)), "{error:?}");
    assert!(everything_shown(&error).contains("knowledge_lexemes"), "{error:?}");
    let ours = "SELECT count(*) FROM pg_class WHERE relname LIKE 'agent\\_%' OR relname = 'system_nodes'";
    assert_eq!(count(&client, ours).await, 0);
    client.batch_execute("DROP FUNCTION knowledge_lexemes(text)").await.unwrap();
    migrate(&database.config()).await.unwrap();
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused() {
    let database = TestDatabase::migrated().await.unwrap();
    let client = database.client().await.unwrap();
    let newest = known(schema_state(&client, &database.config()).await.unwrap());
    let add = format!(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         SELECT {}, 'future', applied_on, checksum FROM refinery_schema_history LIMIT 1",
        newest + 7
    );
    client.batch_execute(&add).await.unwrap();
    let error = migrate(&database.config()).await.unwrap_err();
    assert!(
        matches!(error, Error::SchemaTooNew { found, known } if found == newest + 7 && known == newest),
        "{error:?}"
    );
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_read_only_server_is_told_apart_and_serves_a_schema_that_is_current() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let set = |value: &str| format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}");
    client.batch_execute(&set("on")).await.unwrap();
    let own = Config { schema: Some(ODD.to_owned()), ..database.config() };
    for extension in ["", "CREATE EXTENSION vector"] {
        client.batch_execute(extension).await.unwrap();
        for config in [&own, &database.config()] {
            let error = migrate(config).await.unwrap_err();
            assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
            assert!(error.hint().is_some_and(|hint| hint.contains("target_session_attrs")));
        }
    }
    client.batch_execute(&set("off")).await.unwrap();
    let current = migrate(&own).await.unwrap();
    client.batch_execute(&set("on")).await.unwrap();
    assert_eq!(migrate(&own).await.unwrap(), current);
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_language_is_refused() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let create = format!("CREATE DATABASE {name}_ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    client.batch_execute(&create).await.unwrap();
    let url = database.url().expose().replace(&name, &format!("{name}_ascii"));
    let outcome = migrate(&Config::new(agent_turbo_db::ConnectionUrl::new(url))).await;
    client.batch_execute(&format!("DROP DATABASE {name}_ascii WITH (FORCE)")).await.unwrap();
    assert!(matches!(&outcome, Err(Error::Config(what)) if what.contains("SQL_ASCII")), "{outcome:?}");
}

#[tokio::test]
async fn a_user_who_may_not_create_the_extension_is_told_what_is_missing() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    client.batch_execute(&format!("CREATE ROLE {name}_weak")).await.unwrap();
    let weak = Config { session_settings: vec![("role", format!("{name}_weak"))], ..database.config() };
    let without_extension = migrate(&weak).await;
    client.batch_execute("CREATE EXTENSION vector").await.unwrap();
    let without_schema = migrate(&weak).await;
    client.batch_execute(&format!("GRANT CREATE ON SCHEMA public TO {name}_weak")).await.unwrap();
    let enough = migrate(&weak).await;
    client.batch_execute(&format!("DROP OWNED BY {name}_weak; DROP ROLE {name}_weak")).await.unwrap();
    let error = without_extension.unwrap_err();
    assert!(matches!(&error, Error::Pgvector(what) if what.contains("permission denied")), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("CREATE EXTENSION")));
    let error = without_schema.unwrap_err();
    assert!(everything_shown(&error).contains("permission denied for schema public"), "{error:?}");
    enough.unwrap();
}

#[tokio::test]
async fn a_fresh_database_becomes_current_and_stays_so() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    let config = database.config();
    assert_eq!(schema_state(&client, &config).await.unwrap(), SchemaState::Missing);
    let state = migrate(&config).await.unwrap();
    assert_eq!(schema_state(&client, &config).await.unwrap(), state);
    let made = inventory(&client).await;
    assert_eq!(migrate(&config).await.unwrap(), state);
    assert_eq!(inventory(&client).await, made);
    let newest = known(state);
    client
        .batch_execute(&format!("DELETE FROM refinery_schema_history WHERE version = {newest}"))
        .await
        .unwrap();
    let behind = schema_state(&client, &config).await.unwrap();
    assert_eq!(behind, SchemaState::Behind { found: newest - 1, known: newest });
}

#[tokio::test]
async fn ten_at_once_all_succeed_and_each_migration_runs_once() {
    let database = TestDatabase::empty().await.unwrap();
    let at_once: Vec<_> = (0..10)
        .map(|_| {
            let config = database.config();
            tokio::spawn(async move { migrate(&config).await })
        })
        .collect();
    let mut newest = 0;
    for one in at_once {
        newest = known(soon(one).await.unwrap().unwrap());
    }
    let client = database.client().await.unwrap();
    let row = client
        .query_one("SELECT array_agg(version ORDER BY version) FROM refinery_schema_history", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, Vec<i32>>(0), (1..=newest as i32).collect::<Vec<_>>());
}

#[tokio::test]
async fn whoever_waits_for_another_one_and_is_cut_off_leaves_no_lock_behind() {
    let fixture = Fixture::new().await;
    // The key of the lock is the program's own affair; it is seen while one waits behind a stranger's table lock.
    fixture.observer.batch_execute("BEGIN; LOCK TABLE pg_extension IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let config = fixture.database.config();
    let cut_off = tokio::spawn(async move { migrate(&config).await });
    fixture
        .until(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
        )
        .await;
    fixture.terminate_all().await;
    assert!(soon(cut_off).await.unwrap().is_err());
    fixture.observer.batch_execute("ROLLBACK").await.unwrap();
    soon(migrate(&fixture.database.config())).await.unwrap();
}

#[tokio::test]
async fn a_schema_of_ones_own_holds_everything_and_public_only_the_extension() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    let config = Config { schema: Some(ODD.to_owned()), ..database.config() };
    assert_eq!(schema_state(&client, &config).await.unwrap(), SchemaState::Missing);
    let state = migrate(&config).await.unwrap();
    assert_eq!(migrate(&config).await.unwrap(), state);
    let in_public: Vec<String> =
        inventory(&client).await.into_iter().filter(|name| name.contains(" public.")).collect();
    assert!(in_public.is_empty(), "{in_public:?}");
    let ours =
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'my \"schema' AND tablename LIKE 'agent\\_%'";
    assert_eq!(count(&client, ours).await, 6);
    assert_eq!(schema_state(&client, &database.config()).await.unwrap(), SchemaState::Missing);
}

#[tokio::test]
async fn schemas_side_by_side_in_one_database_know_nothing_of_each_other() {
    let database = TestDatabase::empty().await.unwrap();
    let configs = [None, Some("first"), Some(ODD)]
        .map(|schema| Config { schema: schema.map(str::to_owned), ..database.config() });
    for config in &configs {
        migrate(config).await.unwrap();
    }
    for (config, node) in configs.iter().zip(["a", "b", "c"]) {
        let db = Database::connect(config.clone()).await.unwrap();
        let client = db.client().await.unwrap();
        client.execute("INSERT INTO system_nodes (node_name) VALUES ($1)", &[&node]).await.unwrap();
        let names = "SELECT array_agg(node_name) FROM system_nodes";
        let row = client.query_one(names, &[]).await.unwrap();
        assert_eq!(row.get::<_, Vec<String>>(0), [node]);
    }
}
