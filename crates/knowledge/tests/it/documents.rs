use agent_turbo_knowledge::{ChunkPlace, Finished, History, Location, NewDocument, NewEntry, Project, Store};

use crate::support::Fixture;

const SECRET: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

fn document(source: &str) -> NewDocument {
    NewDocument {
        source: source.to_owned(),
        path: source.trim_start_matches('/').to_owned(),
        title: Some("Guide".to_owned()),
        content_hash: Some("h".to_owned()),
        chunker: "1/1000".to_owned(),
        bytes: 7,
        modified: None,
        commit: None,
        entries: None,
    }
}

/// Stores entries for a document, as a run does that has not finished it yet.
async fn store(store: &Store, source: &str, texts: &[&str]) -> Vec<ChunkPlace> {
    let mut candidates = Vec::new();
    for (line, text) in (1..).zip(texts) {
        let location = Location {
            source: source.to_owned(),
            path: source.trim_start_matches('/').to_owned(),
            heading: Some(format!("Key {SECRET}")),
            first_line: line,
            last_line: line,
            commit: None,
        };
        let candidate =
            store.document_candidate(NewEntry::new(*text), History::default(), Some(&location)).unwrap();
        candidates.push((candidate, line));
    }
    let places = candidates
        .iter()
        .map(|(candidate, line)| ChunkPlace {
            content_hash: candidate.content_hash().clone(),
            heading: Some(format!("Key {SECRET}")),
            first_line: *line,
            last_line: *line,
        })
        .collect();
    let candidates = candidates.into_iter().map(|(candidate, _)| candidate).collect();
    let embedded = store.embed_candidates(candidates).await.unwrap();
    let rows: Vec<_> = embedded.into_iter().map(Result::unwrap).collect();
    store.insert_embedded(&rows).await.unwrap();
    places
}

#[tokio::test]
async fn finishing_a_document_twice_changes_nothing_more_and_tells_no_secret() {
    let fixture = Fixture::new().await;
    let (knowledge, project) = (&fixture.store, Project::default());
    knowledge.begin_documents(&project, &["/a.md"]).await.unwrap();
    let places = store(knowledge, "/a.md", &["one", "two", "one"]).await;
    let finished = knowledge.finish_document(&project, &document("/a.md"), &places).await.unwrap();
    assert_eq!(finished, Finished { chunks: 2, removed: 0 });
    let client = fixture.database.client().await.unwrap();
    let all = "SELECT (SELECT string_agg(d::text, ' ') FROM documents d),
                      (SELECT string_agg(c::text, ' ' ORDER BY position) FROM document_chunks c),
                      (SELECT string_agg(metadata::text, ' ' ORDER BY id) FROM agent_knowledge)";
    let state = async || {
        let row = client.query_one(all, &[]).await.unwrap();
        [0, 1, 2].map(|column| row.get::<_, String>(column))
    };
    let once = state().await;
    assert!(!once.iter().any(|part| part.contains(SECRET)), "{once:?}");
    assert_eq!(once[1].matches("Key").count(), 3, "the same text stands at three places: {once:?}");
    knowledge.finish_document(&project, &document("/a.md"), &places).await.unwrap();
    assert_eq!(state().await, once);
}

#[tokio::test]
async fn what_an_interrupted_run_made_goes_with_its_document() {
    let fixture = Fixture::new().await;
    let (knowledge, project) = (&fixture.store, Project::default());
    knowledge.begin_documents(&project, &["/a.md", "/b.md"]).await.unwrap();
    store(knowledge, "/a.md", &["left by the first", "kept"]).await;
    let now = store(knowledge, "/a.md", &["kept", "new"]).await;
    let finished = knowledge.finish_document(&project, &document("/a.md"), &now).await.unwrap();
    assert_eq!(finished, Finished { chunks: 2, removed: 1 });
    store(knowledge, "/b.md", &["never finished"]).await;
    assert_eq!(knowledge.remove_document(&project, "/b.md").await.unwrap(), Some(1));
    assert_eq!(knowledge.remove_document(&project, "/b.md").await.unwrap(), None);
    // The same path in another project is another document.
    let other: Project = "other".parse().unwrap();
    assert_eq!(knowledge.remove_document(&other, "/a.md").await.unwrap(), None);
    let known = knowledge.documents_below(&project, &["/"]).await.unwrap();
    let known: Vec<_> = known.iter().map(|found| (found.source.as_str(), found.chunk_count)).collect();
    assert_eq!(known, [("/a.md", 2)]);
    assert!(knowledge.documents_below(&project, &["/a"]).await.unwrap().is_empty());
}
