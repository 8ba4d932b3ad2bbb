use agent_turbo_embed::{Client, Config, Error, Source};
use agent_turbo_test_support::{Behaviour, Misbehaving};
use serde_json::{Value, json};

use crate::support::{Fixture, answer, assert_close, good, impatient, model, ok, real};

fn batch(items: &[Value]) -> Behaviour {
    ok(&json!({ "embeddings": items, "model": "small", "dimensions": 3 }))
}

fn item(first: f32) -> Value {
    json!({ "embedding": [first, 1.0, 0.0] })
}

#[tokio::test]
async fn an_empty_batch_asks_nothing() {
    let fixture = Fixture::new(Behaviour::Silent).await;
    assert!(fixture.client.embed_batch(&[]).await.unwrap().is_empty());
    assert_eq!(fixture.service.requests(), 0);
}

#[tokio::test]
async fn a_bad_item_fails_alone_and_only_it_is_asked_for_again() {
    for bad in [
        json!({ "error": "this one is too long" }),
        json!({ "embedding": [0.0, 0.0, 0.0] }),
        json!({ "embedding": [0.1] }),
        json!({ "embedding": [null, 1.0, 0.0] }),
        json!("x"),
        Value::Null,
    ] {
        let fixture = Fixture::new(batch(&[item(1.0), bad.clone(), item(3.0)])).await;
        let results = fixture.client.embed_batch(&["one", "two", "three"]).await.unwrap();
        assert_eq!(*results[0].as_ref().unwrap().vector, [1.0, 1.0, 0.0]);
        assert_eq!(*results[2].as_ref().unwrap().vector, [3.0, 1.0, 0.0]);
        let error = results[1].as_ref().unwrap_err();
        match bad.get("error") {
            Some(_) => assert!(
                matches!(error, Error::Rejected { message, .. } if message == "this one is too long"),
                "{error:?}"
            ),
            None => assert!(matches!(error, Error::BadVector { .. }), "{bad}: {error:?}"),
        }
        fixture.service.behave(batch(&[item(2.0)]));
        let results = fixture.client.embed_batch(&["one", "two", "three"]).await.unwrap();
        let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!(*results[1].vector, [2.0, 1.0, 0.0]);
        assert_eq!([0, 1, 2].map(|at| results[at].source), [Source::Memory, Source::Service, Source::Memory]);
    }
}

#[tokio::test]
async fn more_or_fewer_vectors_than_texts_are_believed_not_at_all() {
    for items in [vec![], vec![item(1.0)], vec![item(1.0), item(2.0), item(3.0)]] {
        let fixture = Fixture::new(batch(&items)).await;
        let (requests, outcome) = fixture.counting(fixture.client.embed_batch(&["one", "two"])).await;
        let error = outcome.unwrap_err();
        assert!(matches!(&error, Error::BadAnswer { what, .. } if what.contains("2 texts")), "{error:?}");
        assert_eq!(requests, 1);
        fixture.service.behave(batch(&[item(4.0), item(5.0)]));
        for result in fixture.client.embed_batch(&["one", "two"]).await.unwrap() {
            assert_eq!(result.unwrap().source, Source::Service, "nothing was remembered");
        }
    }
}

#[tokio::test]
async fn a_service_that_cannot_answer_fails_the_batch_as_a_whole() {
    let fixture = Fixture::new(Behaviour::Answers(503, "busy".to_owned())).await;
    let (requests, outcome) = fixture.counting(fixture.client.embed_batch(&["one", "two"])).await;
    assert!(matches!(&outcome, Err(Error::Unavailable { message, .. }) if message == "busy"), "{outcome:?}");
    assert_eq!(requests, 3);
    for body in ["", "<html>", "{}", "{\"embeddings\":null}", "{\"embeddings\":[{\"embedding\":[0.1"] {
        fixture.service.behave(Behaviour::Answers(200, body.to_owned()));
        let (requests, outcome) = fixture.counting(fixture.client.embed_batch(&["one", "two"])).await;
        assert!(matches!(outcome, Err(Error::BadAnswer { .. })), "{body}: {outcome:?}");
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn without_batches_the_texts_are_sent_one_by_one_and_that_is_remembered() {
    let Behaviour::Answers(_, body) = good() else { unreachable!("it answers") };
    let fixture = Fixture::new(Behaviour::WithoutBatch(body)).await;
    let (requests, outcome) = fixture.counting(fixture.client.embed_batch(&["one", "two", "three"])).await;
    assert!(outcome.unwrap().iter().all(Result::is_ok));
    assert_eq!(requests, 1 + 3);
    let (requests, outcome) = fixture.counting(fixture.client.embed_batch(&["one", "four", "five"])).await;
    assert!(outcome.unwrap().iter().all(Result::is_ok));
    assert_eq!(requests, 2);
    let Behaviour::Answers(_, zero) = answer(&[0.0; 3], "small") else { unreachable!("it answers") };
    fixture.service.behave(Behaviour::WithoutBatch(zero));
    let results = fixture.client.embed_batch(&["one", "bad"]).await.unwrap();
    assert!(results[0].is_ok() && matches!(results[1], Err(Error::BadVector { .. })), "{results:?}");
    fixture.service.behave(Behaviour::Answers(500, String::new()));
    let outcome = fixture.client.embed_batch(&["one", "six"]).await;
    assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn other_ways_to_say_that_there_are_no_batches_are_understood() {
    for status in [405, 501] {
        // It refuses everything, so the single calls are refused too, each by itself.
        let fixture = Fixture::new(Behaviour::Answers(status, "no".to_owned())).await;
        let (requests, outcome) = fixture.counting(fixture.client.embed_batch(&["one", "two"])).await;
        assert!(outcome.unwrap().iter().all(|result| matches!(result, Err(Error::Rejected { .. }))));
        assert_eq!(requests, 1 + 2);
    }
}

#[tokio::test]
async fn a_big_batch_keeps_its_order() {
    let texts: Vec<String> = (0..50).map(|number| format!("a big batch, text {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let url = real().await.url();
    let in_small_requests = Client::new(Config { batch_size: 4, ..Config::new(&url) }).unwrap();
    let results = in_small_requests.embed_batch(&texts).await.unwrap();
    assert_eq!(results.len(), texts.len());
    let single = real().await;
    for (text, result) in texts.iter().zip(results) {
        assert_close(&result.unwrap().vector, &single.embed(text).await.unwrap().vector);
    }
}

#[tokio::test]
async fn a_batch_is_cut_into_requests_of_the_configured_size() {
    // A size of zero is one.
    for (batch_size, items, requests) in [(2, vec![item(1.0), item(2.0)], 3), (0, vec![item(1.0)], 6)] {
        let service = Misbehaving::start(batch(&items)).await.unwrap();
        let client = Client::new(Config { batch_size, ..impatient(service.url()) }).unwrap();
        client.expect_model(model()).unwrap();
        client.embed_batch(&["a", "b", "c", "d", "e", "f"]).await.unwrap();
        assert_eq!(service.requests(), requests);
    }
}
