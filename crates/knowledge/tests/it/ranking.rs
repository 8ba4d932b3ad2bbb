//! What makes one entry a better answer than another.

use agent_turbo_db::RowExt;
use agent_turbo_knowledge::{Answer, Error, Filter, Mode, NewEntry, Query, Ranking, Share};
use serde_json::json;

use crate::support::{Fixture, THREE, add_all, query, texts};

/// Texts about different things, long enough that few words decide.
const NOTES: [&str; 8] = [
    "The deploy script lives in scripts/deploy_all.sh and calls parseHttpRequest before it starts.",
    "Connections are pooled; when the pool is exhausted the error is ERR_POOL_TIMEOUT.",
    "rustc reports E0308 when the types of two branches do not match.",
    "Use std::sync::Arc to share the configuration between threads.",
    "The build is slow on Mondays because the cache is cold.",
    "Caches are warmed by the build of Sunday night.",
    "Embeddings have 384 dimensions and are normalised.",
    "A queue hands every task to one worker only.",
];

fn by_words(text: &str) -> Query {
    Query { mode: Mode::Text, ..query(text, 10) }
}

async fn asked(fixture: &Fixture, query: &Query) -> Answer {
    fixture.store.query(query).await.unwrap()
}

#[tokio::test]
async fn identifiers_paths_and_codes_are_found_by_their_parts_and_as_a_whole() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &NOTES).await;
    for (question, expected) in [
        ("deploy_all", NOTES[0]),
        ("scripts/deploy_all.sh", NOTES[0]),
        ("parseHttpRequest", NOTES[0]),
        ("PARSEHTTPREQUEST", NOTES[0]),
        ("http", NOTES[0]),
        ("ERR_POOL_TIMEOUT", NOTES[1]),
        ("timeout", NOTES[1]),
        ("e0308", NOTES[2]),
        ("std::sync::Arc", NOTES[3]),
        ("arc", NOTES[3]),
        ("384", NOTES[6]),
    ] {
        let answer = asked(&fixture, &by_words(question)).await;
        assert_eq!(texts(&answer).first(), Some(&expected), "{question}");
    }
}

#[tokio::test]
async fn a_rare_word_counts_more_than_a_frequent_one() {
    let fixture = Fixture::new().await;
    let mut notes: Vec<String> =
        (0..40).map(|number| format!("server note {number} about nothing")).collect();
    notes.push("an albatross".to_owned());
    add_all(&fixture.store, &notes.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let answer = asked(&fixture, &by_words("albatross server")).await;
    assert_eq!(texts(&answer)[0], "an albatross");
}

#[tokio::test]
async fn text_scores_are_those_of_the_formula() {
    let fixture = Fixture::new().await;
    // Lengths 3, 1 and 2: the mean is 2. "rust" stands in two of three texts.
    add_all(&fixture.store, &["rust rust book", "rust", "green tea"]).await;
    let answer = asked(&fixture, &by_words("rust")).await;
    let idf = (1.0 + (3.0_f64 - 2.0 + 0.5) / (2.0 + 0.5)).ln();
    let score = |times: f64, length: f64| idf * times / (times + 0.9 * (0.4 + 0.6 * length / 2.0));
    let scores: Vec<_> =
        answer.hits.iter().map(|hit| (hit.entry.content.as_str(), hit.text_score.unwrap())).collect();
    assert_eq!(scores.len(), 2, "{scores:?}");
    for ((text, got), (expected, score)) in
        scores.into_iter().zip([("rust rust book", score(2.0, 3.0)), ("rust", score(1.0, 1.0))])
    {
        assert_eq!(text, expected);
        assert!((f64::from(got) - score).abs() < 1e-5, "{text}: {got} {score}");
    }
}

#[tokio::test]
async fn words_are_counted_whoever_writes_and_deletes_at_the_same_time() {
    let fixture = Fixture::new().await;
    let stores = [fixture.store.clone(), fixture.second_process().await, fixture.second_process().await];
    let writers = stores.iter().zip(0..).map(async |(store, writer): (_, usize)| {
        for part in 0..4 {
            let entries = (0..50).map(|number| {
                let project = ["one", "two"][number % 2].parse().unwrap();
                let text = format!("shared words of writer{writer} in part{part} number{number}");
                NewEntry { project, ..NewEntry::new(text) }
            });
            for added in store.add_batch(entries.collect()).await.unwrap() {
                let added = added.unwrap();
                if added.content_hash.as_str().starts_with(['0', '1', '2', '3']) {
                    store.delete(&added.project, &(&added.content_hash).into()).await.unwrap();
                }
            }
            store.flush().await.unwrap();
        }
    });
    futures_util::future::join_all(writers).await;
    let client = fixture.database.client().await.unwrap();
    client
        .execute(
            "UPDATE agent_knowledge SET content = 'something else ' || id, project = 'three' WHERE id % 7 = 0",
            &[],
        )
        .await
        .unwrap();
    loop {
        let row = client.query_one("SELECT count_knowledge_words(100) AS counted", &[]).await.unwrap();
        if row.column::<i64>("counted").unwrap() == 0 {
            break;
        }
    }
    let differences = "WITH really AS (
             SELECT lexeme AS word, k.project, count(*) AS entries FROM agent_knowledge AS k, unnest(k.lexemes)
             WHERE lexeme NOT LIKE chr(31) || '%' GROUP BY lexeme, k.project
         ), sizes AS (
             SELECT project, count(*) AS entries, sum((
                 SELECT sum(greatest(cardinality(positions), 1)) FROM unnest(k.lexemes)
                 WHERE lexeme NOT LIKE chr(31) || '%'))::bigint AS words
             FROM agent_knowledge AS k GROUP BY project
         )
         SELECT (SELECT count(*) FROM really FULL JOIN knowledge_words AS w USING (word, project)
                 WHERE really.entries IS DISTINCT FROM w.entries) AS words,
                (SELECT count(*) FROM sizes FULL JOIN knowledge_sizes AS s USING (project)
                 WHERE (sizes.entries, sizes.words) IS DISTINCT FROM (s.entries, s.words)) AS sizes,
                (SELECT count(*) FROM knowledge_uncounted) AS uncounted, (SELECT count(*) FROM really) AS all_words";
    let row = client.query_one(differences, &[]).await.unwrap();
    let counts = ["words", "sizes", "uncounted"].map(|column| row.column::<i64>(column).unwrap());
    assert_eq!(counts, [0, 0, 0]);
    assert!(row.column::<i64>("all_words").unwrap() > 50);
    // Counted anew, it is the same.
    client.execute("SELECT recount_knowledge_words()", &[]).await.unwrap();
    let row = client.query_one(differences, &[]).await.unwrap();
    assert_eq!(["words", "sizes"].map(|column| row.column::<i64>(column).unwrap()), [0, 0]);
}

#[tokio::test]
async fn a_frequent_word_does_not_make_a_question_read_everything() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &["one rare albatross"]).await;
    let client = fixture.database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO agent_knowledge (content) SELECT 'common words everywhere ' || n FROM generate_series(1, 5000) AS n;
             SELECT recount_knowledge_words(); ANALYZE agent_knowledge",
        )
        .await
        .unwrap();
    // The rare word finds, the frequent ones only add to its score.
    let question = by_words("common albatross everywhere");
    let plan = fixture.store.explain(&question).await.unwrap();
    assert!(plan.contains("'albatross'") && !plan.contains("'common'"), "{plan}");
    assert_eq!(texts(&asked(&fixture, &question).await)[0], "one rare albatross");
    // Where all are frequent, their lists are read instead of entries.
    fixture.store.flush().await.unwrap();
    let plan = fixture.store.explain(&by_words("common words everywhere")).await.unwrap();
    assert!(plan.contains("knowledge_postings_pkey") && !plan.contains("agent_knowledge_lexemes"), "{plan}");
    assert_eq!(asked(&fixture, &by_words("common words everywhere")).await.hits.len(), 10);
}

#[tokio::test]
async fn every_hit_can_tell_why_it_was_found() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &NOTES).await;
    let ranking =
        Ranking { explain: true, usage: true, recency_half_life_days: Some(30), ..Ranking::default() };
    let answer = asked(&fixture, &Query { ranking, ..query("why does the pool timeout", 3) }).await;
    let best = &answer.hits[0];
    let why = best.why.as_ref().unwrap();
    assert_eq!(best.entry.content, NOTES[1]);
    let words: Vec<&str> = why.words.iter().map(|word| word.word.as_str()).collect();
    assert!(words.contains(&"pool") && words.contains(&"timeout"), "{words:?}");
    let sum: f32 = why.words.iter().map(|word| word.score).sum();
    assert!((sum - best.text_score.unwrap()).abs() < 1e-4, "{sum} {:?}", best.text_score);
    let blend = 0.5 * (why.similarity_deviations.unwrap() + why.text_deviations.unwrap());
    // No entry was found before, so that being used speaks for none.
    assert_eq!(why.usage, None);
    assert!((best.score - blend - why.recency.unwrap()).abs() < 1e-4, "{best:?}");
    let plain = asked(&fixture, &query("why does the pool timeout", 3)).await;
    assert!(plain.hits.iter().all(|hit| hit.why.is_none()));
}

#[tokio::test]
async fn newer_and_more_used_entries_are_preferred_when_that_is_asked_for() {
    let fixture = Fixture::new().await;
    add_all(
        &fixture.store,
        &["the release was on Tuesday", "the release was on Friday", "unrelated cooking"],
    )
    .await;
    let client = fixture.database.client().await.unwrap();
    let age = "UPDATE agent_knowledge SET created_at = now() - interval '1 year' WHERE content LIKE $1";
    let use_it = "UPDATE agent_knowledge SET access_count = 50 WHERE content LIKE $1";
    for (newer, older) in [("%Tuesday", "%Friday"), ("%Friday", "%Tuesday")] {
        client
            .batch_execute("UPDATE agent_knowledge SET created_at = now(), access_count = 0")
            .await
            .unwrap();
        client.execute(age, &[&older]).await.unwrap();
        let recent = Ranking { recency_half_life_days: Some(7), ..Ranking::default() };
        let store = fixture.second_process().await;
        let answer =
            store.query(&Query { ranking: recent, ..query("when was the release", 2) }).await.unwrap();
        assert!(answer.hits[0].entry.content.ends_with(&newer[1..]), "{:?}", texts(&answer));
        client.execute(use_it, &[&older]).await.unwrap();
        let used = Ranking { usage: true, ..Ranking::default() };
        let answer = store.query(&Query { ranking: used, ..query("when was the release", 2) }).await.unwrap();
        assert!(answer.hits[0].entry.content.ends_with(&older[1..]), "{:?}", texts(&answer));
    }
}

#[tokio::test]
async fn nearly_the_same_entries_take_one_place() {
    let fixture = Fixture::new().await;
    let long =
        "When the cache of the build server is cold the first build of the day takes twenty minutes longer";
    let (first, second) = (format!("{long}."), format!("{long}!"));
    add_all(&fixture.store, &[&first, &second, "Tea is served at five"]).await;
    let fold = Ranking { fold: true, ..Ranking::default() };
    for mode in [Mode::Hybrid, Mode::Vector, Mode::Text] {
        let folded =
            asked(&fixture, &Query { mode, ranking: fold.clone(), ..query("cold build cache", 10) }).await;
        let all = asked(&fixture, &Query { mode, ..query("cold build cache", 10) }).await;
        assert_eq!(folded.hits.len() + 1, all.hits.len(), "{mode}");
        assert_eq!(folded.hits[0].folded, [all.hits[1].entry.content_hash.clone()], "{mode}");
        assert!(all.hits.iter().all(|hit| hit.folded.is_empty()));
    }
}

#[tokio::test]
async fn results_differ_more_from_each_other_when_that_is_asked_for() {
    let fixture = Fixture::new().await;
    let texts_of_cats =
        ["cats purr when they are content", "a cat purrs when it is content", "dogs bark at the postman"];
    add_all(&fixture.store, &texts_of_cats).await;
    let question = Query { mode: Mode::Vector, ..query("why do cats purr", 2) };
    let usual = asked(&fixture, &question).await;
    assert!(!texts(&usual).contains(&texts_of_cats[2]));
    let ranking = Ranking { diversity: Some(Share::new(0.9).unwrap()), ..Ranking::default() };
    let diverse = asked(&fixture, &Query { ranking, ..question.clone() }).await;
    assert_eq!(diverse.hits[0].entry.content, usual.hits[0].entry.content);
    assert!(texts(&diverse).contains(&texts_of_cats[2]), "{:?}", texts(&diverse));
    let nonsense = Ranking { diversity: Some(Share::new(-0.5).unwrap()), ..Ranking::default() };
    let error = fixture.store.query(&Query { ranking: nonsense, ..question }).await.unwrap_err();
    assert!(matches!(error, Error::BadInput { .. }), "{error}");
    assert!(Share::new(f32::NAN).is_err() && Share::new(1.1).is_err());
}

#[tokio::test]
async fn what_is_less_similar_than_asked_for_is_left_out() {
    let fixture = Fixture::new().await;
    add_all(&fixture.store, &THREE).await;
    let at_least =
        |least: f32| Ranking { min_similarity: Some(Share::new(least).unwrap()), ..Ranking::default() };
    let answer = asked(&fixture, &Query { ranking: at_least(0.4), ..query("database", 10) }).await;
    assert_eq!(texts(&answer), [THREE[0]]);
    let answer = asked(&fixture, &Query { ranking: at_least(0.99), ..query("database", 10) }).await;
    assert!(answer.hits.is_empty());
    let error =
        fixture.store.query(&Query { ranking: at_least(0.1), ..by_words("database") }).await.unwrap_err();
    assert!(matches!(error, Error::BadInput { .. }), "{error}");
}

#[tokio::test]
async fn some_hundred_entries_of_many_are_found_as_if_all_were_looked_at() {
    let fixture = Fixture::new().await;
    let client = fixture.database.client().await.unwrap();
    let mut entries: Vec<NewEntry> = NOTES.iter().copied().map(NewEntry::new).collect();
    for entry in &mut entries {
        entry.project = "part".parse().unwrap();
    }
    for added in fixture.store.add_batch(entries).await.unwrap() {
        added.unwrap();
    }
    // 400 entries of the project, 4,000 of another.
    client
        .batch_execute(
            "INSERT INTO agent_knowledge (project, content, embedding)
             SELECT CASE WHEN n <= 400 THEN 'part' ELSE 'rest' END, 'filler ' || n,
                    (SELECT array_agg(sin(n * i))::vector FROM generate_series(1, 384) AS i)
             FROM generate_series(1, 4400) AS n;
             SELECT recount_knowledge_words()",
        )
        .await
        .unwrap();
    client.batch_execute("VACUUM ANALYZE agent_knowledge").await.unwrap();
    let filter = Filter::project("part".parse().unwrap());
    for mode in [Mode::Vector, Mode::Hybrid] {
        for question in ["a slow build", "who shares the work", "sizes of vectors"] {
            let question = Query { mode, filter: filter.clone(), ..query(question, 10) };
            let plan = fixture.store.explain(&question).await.unwrap();
            assert!(
                plan.contains("agent_knowledge_signatures") && plan.contains("Index Only Scan"),
                "{plan}"
            );
            let recall = fixture.store.measure_recall(&question).await.unwrap();
            assert!(recall.found >= 9 && recall.wanted == 10, "{recall:?}");
        }
    }
}

#[tokio::test]
async fn words_may_be_in_any_part_of_what_is_filtered() {
    let fixture = Fixture::new().await;
    let entry = |number: usize| NewEntry {
        metadata: json!({ "part": number % 2 }).as_object().cloned().unwrap(),
        ..NewEntry::new(format!("note {number} about the harbour"))
    };
    for added in fixture.store.add_batch((0..20).map(entry).collect()).await.unwrap() {
        added.unwrap();
    }
    let filter = Filter { metadata: json!({ "part": 1 }).as_object().cloned().unwrap(), ..Filter::default() };
    for mode in [Mode::Text, Mode::Hybrid, Mode::Vector] {
        let answer = asked(&fixture, &Query { mode, filter: filter.clone(), ..query("harbour", 20) }).await;
        assert_eq!(answer.hits.len(), 10, "{mode}");
    }
}
