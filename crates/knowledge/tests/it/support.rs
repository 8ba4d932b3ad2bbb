use agent_turbo_db::Database;
use agent_turbo_knowledge::{Answer, NewEntry, Options, Query, Store, session_settings};
use agent_turbo_test_support::{TestDatabase, embedding_client};

/// A store on a database of the test's own. The database goes with it.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) database: TestDatabase,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::migrated().await.unwrap();
        let store = open(&database).await;
        Self { store, database }
    }

    /// The same database as another process sees it: its own pool, caches and listener.
    pub(crate) async fn second_process(&self) -> Store {
        open(&self.database).await
    }

    pub(crate) async fn pool(&self) -> Database {
        self.database.connect(session_settings()).await.unwrap()
    }
}

async fn open(database: &TestDatabase) -> Store {
    let db = database.connect(session_settings()).await.unwrap();
    Store::open(db, embedding_client().await.unwrap(), Options::default()).await.unwrap()
}

/// The three texts of the acceptance test.
pub(crate) const THREE: [&str; 3] = [
    "PostgreSQL is a powerful database",
    "Python is a programming language",
    "MLX provides GPU acceleration",
];

pub(crate) async fn add_all(store: &Store, texts: &[&str]) {
    for result in store.add_batch(texts.iter().copied().map(NewEntry::new).collect()).await.unwrap() {
        result.unwrap();
    }
}

pub(crate) fn texts(answer: &Answer) -> Vec<&str> {
    answer.hits.iter().map(|hit| hit.entry.content.as_str()).collect()
}

pub(crate) fn query(text: &str, limit: usize) -> Query {
    Query { limit, ..Query::new(text) }
}
