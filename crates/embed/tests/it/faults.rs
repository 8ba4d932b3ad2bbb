use std::time::{Duration, Instant};

use agent_turbo_embed::{Client, Config, Error, Source};
use agent_turbo_test_support::{Behaviour, Misbehaving};
use serde_json::json;

use crate::support::{Fixture, answer, dead_url, disk, good, impatient, message, ok, real};

/// Asks, expects an error after so many requests, and then a good answer that nothing bad was remembered for.
async fn fails_and_recovers(behaviour: Behaviour, requests: usize, expected: impl Fn(&Error) -> bool) {
    let fixture = Fixture::new(behaviour.clone()).await;
    let (made, outcome) = fixture.counting(fixture.client.embed("text")).await;
    let error = outcome.unwrap_err();
    assert!(expected(&error), "{behaviour:?}: {error:?}");
    assert_eq!(made, requests, "{behaviour:?}: {error:?}");
    fixture.service.behave(good());
    let embedding = fixture.client.embed("text").await.unwrap();
    assert_eq!(embedding.source, Source::Service, "{behaviour:?}");
    assert_eq!(*embedding.vector, [0.6, 0.8, 0.0]);
}

#[tokio::test]
async fn urls_that_cannot_work_are_refused_at_once() {
    for url in [
        "",
        " ",
        "127.0.0.1:8765",
        "localhost",
        "https://127.0.0.1:8765",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://127.0.0.1:",
        "http://:8765",
        "http://127.0.0.1:8765/?key=1",
        "http://a b",
    ] {
        let error = Client::new(Config::new(url)).unwrap_err();
        assert!(matches!(&error, Error::Config(_)), "{url:?}: {error:?}");
        assert!(url.is_empty() || error.to_string().contains(url), "{error}");
    }
    let error = Client::new(Config::new("https://user:geheim@host")).unwrap_err();
    assert!(matches!(&error, Error::Config(what) if !what.contains("geheim")), "{error:?}");
    assert_eq!(Client::new(Config::new("http://localhost:8765/")).unwrap().url(), "http://localhost:8765");
}

#[tokio::test]
async fn nobody_listening_is_said_with_the_address_and_a_way_out() {
    let url = dead_url();
    let client = Client::new(impatient(&url)).unwrap();
    for error in [
        client.embed("text").await.unwrap_err(),
        client.embed_batch(&["text"]).await.unwrap_err(),
        client.health().await.unwrap_err(),
    ] {
        assert!(matches!(&error, Error::Unreachable { .. }) && error.is_unavailable(), "{error:?}");
        assert!(
            message(&error).contains(&url) && message(&error).contains("AGENT_TURBO_EMBED_URL"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn silence_ends_in_a_timeout_after_the_attempts_and_no_later() {
    let fixture = Fixture::new(Behaviour::Silent).await;
    let limit = Duration::from_millis(200);
    let started = Instant::now();
    let (requests, outcome) = fixture.counting(fixture.client.embed("text")).await;
    assert!(matches!(&outcome, Err(Error::Timeout { limit: bound, .. }) if *bound == limit), "{outcome:?}");
    assert_eq!(requests, 3);
    // Three limits and the pauses between them.
    assert!(started.elapsed() < limit * 3 + Duration::from_secs(1), "{:?}", started.elapsed());
    let (requests, outcome) = fixture.counting(fixture.client.embed_batch(&["text"])).await;
    assert!(matches!(outcome, Err(Error::Timeout { .. })), "{outcome:?}");
    assert_eq!(requests, 3);
    fixture.service.behave(good());
    fixture.client.embed("text").await.unwrap();
}

#[tokio::test]
async fn a_service_that_cannot_answer_now_is_asked_again_and_then_quoted() {
    for status in [408, 429, 500, 502, 503] {
        let behaviour = Behaviour::Answers(status, json!({ "error": "out of memory" }).to_string());
        fails_and_recovers(behaviour, 3, |error| {
            matches!(error, Error::Unavailable { status: said, message, .. }
                if *said == status && message == "out of memory")
        })
        .await;
    }
}

#[tokio::test]
async fn a_service_that_refuses_is_quoted_and_not_asked_again() {
    for status in [400, 401, 404, 413, 422, 501] {
        let behaviour = Behaviour::Answers(status, json!({ "detail": "too long" }).to_string());
        fails_and_recovers(behaviour, 1, |error| {
            matches!(error, Error::Rejected { status: said, message }
                if *said == status && message == "too long")
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_an_answer_is_tried_again() {
    fails_and_recovers(Behaviour::Breaks, 3, |error| matches!(error, Error::Unreachable { .. })).await;
}

#[tokio::test]
async fn garbage_is_a_bad_answer_and_is_neither_repeated_nor_remembered() {
    for body in [
        "",
        "<html>",
        "null",
        "{}",
        "[]",
        "{\"embedding\":[0.1",
        "{\"embedding\":\"x\"}",
        "{\"embedding\":[null]}",
        "{\"embedding\":[NaN]}",
        "{\"embedding\":[1e999]}",
        "{\"embedding\":[[0.1]],\"model\":\"small\"}",
    ] {
        let behaviour = Behaviour::Answers(200, body.to_owned());
        fails_and_recovers(behaviour, 1, |error| matches!(error, Error::BadAnswer { .. })).await;
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let service = Misbehaving::start(Behaviour::Answers(200, " ".repeat(65 << 20))).await.unwrap();
    let client = Client::new(Config::new(service.url())).unwrap();
    let error = client.embed("text").await.unwrap_err();
    assert!(matches!(&error, Error::BadAnswer { what, .. } if what.contains("longer")), "{error:?}");
    assert_eq!(service.requests(), 1);
}

#[tokio::test]
async fn vectors_that_cannot_be_compared_are_refused_and_not_remembered() {
    for vector in [&[][..], &[0.0, 0.0, 0.0], &[0.6, 0.8], &[0.5; 4]] {
        fails_and_recovers(answer(vector, "small"), 1, |error| matches!(error, Error::BadVector { .. }))
            .await;
    }
    let not_as_promised = json!({ "embedding": [0.6, 0.8, 0.0], "model": "small", "dimensions": 4 });
    let infinite = json!({ "embedding": [1e39, 0.0, 0.0], "model": "small" });
    for body in [not_as_promised, infinite] {
        fails_and_recovers(ok(&body), 1, |error| matches!(error, Error::BadVector { .. })).await;
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_costs_nothing_but_time() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = Config { disk: Some(disk(file.path())), ..Config::new(real().await.url()) };
    let client = Client::new(config).unwrap();
    assert_eq!(client.embed("an unwritable folder").await.unwrap().source, Source::Service);
    assert_eq!(client.embed("an unwritable folder").await.unwrap().source, Source::Memory);
}
