use agent_turbo_embed::{Client, Error, Model};
use agent_turbo_test_support::Misbehaving;
use serde_json::json;

use crate::support::{Fixture, answer, good, impatient, message, model, ok, real};

#[tokio::test]
async fn a_model_that_changed_between_answers_is_told_with_both_names() {
    let service = Misbehaving::start(good()).await.unwrap();
    let client = Client::new(impatient(service.url())).unwrap();
    assert_eq!(*client.embed("one").await.unwrap().model, model());
    service.behave(answer(&[0.5; 4], "large"));
    let error = client.embed("two").await.unwrap_err();
    let large = Model { name: "large".to_owned(), dimensions: 4 };
    assert!(
        matches!(&error, Error::ModelChanged { expected, got } if *expected == model() && *got == large),
        "{error:?}"
    );
    assert!(message(&error).contains("small (3 dimensions)") && message(&error).contains("large"), "{error}");
    let batch = json!({
        "embeddings": [{ "embedding": [0.5, 0.5, 0.5, 0.5] }], "model": "large",
        "status": "healthy", "model_loaded": true, "embedding_model": "large", "embedding_dim": 4,
    });
    service.behave(ok(&batch));
    let error = client.embed_batch(&["three"]).await.unwrap_err();
    assert!(matches!(error, Error::ModelChanged { .. }), "{error:?}");
    service.behave(good());
    client.embed("two").await.unwrap();
}

#[tokio::test]
async fn another_model_than_the_caller_s_is_refused() {
    let client = real().await;
    client.expect_model(model()).unwrap();
    let error = client.embed("text").await.unwrap_err();
    assert!(matches!(error, Error::ModelChanged { .. }), "{error:?}");
    let error = client.expect_model(Model { dimensions: 4, ..model() }).unwrap_err();
    assert!(matches!(error, Error::ModelChanged { .. }), "{error:?}");
    client.expect_model(model()).unwrap();
}

#[tokio::test]
async fn a_service_whose_answers_name_no_model_is_asked_once_for_its_name() {
    let body = json!({
        "embedding": [0.6, 0.8, 0.0],
        "status": "healthy", "model_loaded": true, "embedding_model": "small", "embedding_dim": 3,
    });
    let service = Misbehaving::start(ok(&body)).await.unwrap();
    let client = Client::new(impatient(service.url())).unwrap();
    assert_eq!(*client.embed("one").await.unwrap().model, model());
    assert_eq!(service.requests(), 2);
    client.embed("two").await.unwrap();
    assert_eq!(service.requests(), 3);
}

#[tokio::test]
async fn a_service_that_is_still_loading_says_so() {
    let loading = json!({
        "status": "loading", "model_loaded": false, "embedding_model": "small", "embedding_dim": 3,
    });
    let fixture = Fixture::new(ok(&loading)).await;
    let health = fixture.client.health().await.unwrap();
    assert!(!health.is_healthy() && !health.metal_available);
    fixture.service.behave(ok(&json!({ "status": "healthy" })));
    let error = fixture.client.health().await.unwrap_err();
    assert!(matches!(error, Error::BadAnswer { .. }), "{error:?}");
}
