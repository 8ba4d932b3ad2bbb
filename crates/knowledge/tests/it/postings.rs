//! Frequent words, which are looked for by lists of entries.

use std::fmt::Write as _;

use agent_turbo_db::RowExt;
use agent_turbo_db::tokio_postgres::Client;
use agent_turbo_knowledge::{Filter, Mode, NewEntry, Query, Store};

use crate::support::{Fixture, query, texts};

/// Each half as frequent as the one before, nearly.
const WORDS: [&str; 16] = [
    "harbour", "ship", "crane", "captain", "cargo", "rope", "tide", "pilot", "buoy", "anchor", "dock",
    "mast", "signal", "engine", "deck", "lantern",
];

fn text(number: u64) -> String {
    let mut text = format!("note{number}");
    let mut random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D;
    for word in WORDS {
        random ^= random >> 29;
        random = random.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let times = [0, 0, 0, 1, 0, 2, 0, 0][(random >> 61) as usize];
        for _ in 0..times {
            let _ = write!(text, " {word}");
        }
    }
    for _ in 0..number % 40 {
        text.push_str(" filler");
    }
    text
}

/// By plain SQL, without vectors: half of it in one project, half in another.
async fn write(client: &Client, from: u64, to: u64) {
    let texts: Vec<String> = (from..to).map(text).collect();
    client
        .execute(
            "INSERT INTO agent_knowledge (project, content)
             SELECT CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END, text
             FROM unnest($1::text[]) WITH ORDINALITY AS t (text, n)",
            &[&texts],
        )
        .await
        .unwrap();
}

fn by_words(text: &str) -> Query {
    Query { mode: Mode::Text, ..query(text, 10) }
}

/// Counts, packs and merges what is to be, as the next question would have it done.
async fn settle(fixture: &Fixture) {
    settle_by(&fixture.store).await;
}

async fn settle_by(store: &Store) {
    // Not answered from memory, whatever was asked before.
    store.explain(&by_words("harbour")).await.unwrap();
    store.flush().await.unwrap();
}

async fn segments(client: &Client) -> Vec<i32> {
    let rows = client.query("SELECT entries FROM knowledge_segments ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.column("entries").unwrap()).collect()
}

async fn left_over(client: &Client) -> (i64, i64) {
    let sql = "SELECT (SELECT coalesce(sum(amount), 0) FROM knowledge_unposted) AS unposted,
                      (SELECT count(*) FROM knowledge_postings AS p
                       WHERE NOT EXISTS (SELECT FROM knowledge_segments AS s WHERE s.id = p.segment)) AS orphans";
    let row = client.query_one(sql, &[]).await.unwrap();
    (row.column("unposted").unwrap(), row.column("orphans").unwrap())
}

/// The share of the best ten of many questions that the lists find.
async fn recall(fixture: &Fixture, filter: &Filter) -> f64 {
    let (mut found, mut wanted) = (0, 0);
    for (at, word) in WORDS.iter().enumerate() {
        let question =
            format!("{word} {} {} {}", WORDS[(at + 3) % 16], WORDS[(at + 7) % 16], WORDS[(at + 12) % 16]);
        let question = Query { filter: filter.clone(), ..by_words(&question) };
        let recall = fixture.store.measure_recall(&question).await.unwrap();
        assert_eq!(recall.wanted, 10);
        found += recall.found;
        wanted += recall.wanted;
    }
    found as f64 / wanted as f64
}

#[tokio::test]
async fn frequent_words_are_found_as_if_every_entry_were_looked_at() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    for part in 0..6 {
        write(&client, part * 1100, (part + 1) * 1100).await;
        settle(&fixture).await;
    }
    // Some are in a large segment, some in small ones, and the last ones in none.
    write(&client, 6600, 6850).await;
    assert_eq!(segments(&client).await.len(), 3, "{:?}", segments(&client).await);
    client.batch_execute("ANALYZE").await.unwrap();
    let plan = fixture.store.explain(&by_words("harbour crane")).await.unwrap();
    assert!(
        plan.contains("knowledge_postings_pkey") && !plan.contains("Seq Scan on agent_knowledge"),
        "{plan}"
    );
    let of_project = Filter::project("even".parse().unwrap());
    for filter in [Filter::default(), of_project.clone()] {
        let recall = recall(&fixture, &filter).await;
        assert!(recall >= 0.98, "{recall} of {filter:?}");
    }
    // Entries that are changed are found by what they say now, those that are deleted not at all, and hidden ones neither.
    client
        .batch_execute(
            "UPDATE agent_knowledge SET content = content || ' rope tide pilot buoy' WHERE id % 50 = 0;
             UPDATE agent_knowledge SET quarantined_at = now() WHERE id % 50 = 1;
             DELETE FROM agent_knowledge WHERE id % 3 = 1",
        )
        .await
        .unwrap();
    settle(&fixture).await;
    for filter in [Filter::default(), of_project] {
        let recall = recall(&fixture, &filter).await;
        assert!(recall >= 0.98, "{recall} of {filter:?} after changes");
    }
}

#[tokio::test]
async fn a_narrow_filter_finds_what_frequent_words_say() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    write(&client, 0, 3000).await;
    client.batch_execute("UPDATE agent_knowledge SET tags = '{rare}' WHERE id % 100 = 7").await.unwrap();
    settle(&fixture).await;
    let filter = Filter { tags: vec!["rare".to_owned()], ..Filter::default() };
    let question = Query { filter, ..by_words("harbour ship crane captain cargo rope tide pilot") };
    let answer = fixture.store.query(&question).await.unwrap();
    assert_eq!(answer.hits.len(), 10);
    assert!(answer.hits.iter().all(|hit| hit.entry.tags == ["rare"]));
}

#[tokio::test]
async fn segments_merge_and_name_each_entry_once_whoever_packs() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    let processes = [fixture.second_process().await, fixture.second_process().await, fixture.store.clone()];
    for part in 0..9 {
        write(&client, part * 1000, (part + 1) * 1000).await;
        futures_util::future::join_all(processes.iter().map(settle_by)).await;
    }
    // Who found another one at it leaves it to the next.
    settle(&fixture).await;
    assert_eq!(segments(&client).await.iter().sum::<i32>(), 9000, "{:?}", segments(&client).await);
    assert!(segments(&client).await.len() <= 6, "{:?}", segments(&client).await);
    assert_eq!(left_over(&client).await, (0, 0));
    // All at once again: the same entries, in fewer segments.
    client.execute("SELECT recount_knowledge_words()", &[]).await.unwrap();
    settle(&fixture).await;
    assert_eq!(segments(&client).await, [9000]);
    assert_eq!(left_over(&client).await, (0, 0));
    client.batch_execute("TRUNCATE agent_knowledge CASCADE").await.unwrap();
    assert_eq!(segments(&client).await, [0; 0]);
    assert_eq!(left_over(&client).await, (0, 0));
}

#[tokio::test]
async fn entries_that_are_on_no_list_yet_are_found_by_frequent_words() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    write(&client, 0, 3000).await;
    settle(&fixture).await;
    let all_words = WORDS.join(" ");
    fixture.store.add(NewEntry::new(all_words.clone())).await.unwrap();
    let answer = fixture.store.query(&by_words(&all_words)).await.unwrap();
    assert_eq!(texts(&answer)[0], all_words);
}
