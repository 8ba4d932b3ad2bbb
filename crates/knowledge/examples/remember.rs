//! Adds an entry and finds it again: `DATABASE_URL=… cargo run -p agent-turbo-knowledge --example remember`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use agent_turbo_db::{Config, ConnectionUrl, Database, migrate};
use agent_turbo_embed as embed;
use agent_turbo_knowledge::{NewEntry, Options, Query, Store, session_settings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = ConnectionUrl::new(std::env::var("DATABASE_URL")?);
    let config = Config { session_settings: session_settings(), ..Config::new(url) };
    migrate(&config).await?;
    let client = embed::Client::new(embed::Config::new("http://127.0.0.1:8765"))?;
    let store = Store::open(Database::connect(config).await?, client, Options::default()).await?;

    store.add(NewEntry::new("PostgreSQL is a powerful database")).await?;
    for hit in store.query(&Query::new("database")).await?.hits.iter() {
        println!("{:.3} {}", hit.similarity.unwrap_or(0.0), hit.entry.content);
    }
    Ok(())
}
