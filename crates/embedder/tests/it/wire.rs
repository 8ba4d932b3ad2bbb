//! Whatever bytes arrive, the answer is a client's error or a result, never a failure of ours.

use hyper::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::server::Server;

const PATHS: [&str; 3] = ["/embed", "/batch", "/v1/embeddings"];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Bodies from noise to nearly right.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    const FIELDS: [&str; 6] = ["text", "texts", "input", "dimensions", "encoding_format", "model"];
    let nearly_right =
        prop::collection::vec((prop::sample::select(&FIELDS[..]), any_json()), 0..4).prop_map(|fields| {
            json!(fields.into_iter().collect::<std::collections::HashMap<_, _>>()).to_string().into_bytes()
        });
    let right = prop::collection::vec(any::<String>(), 0..4).prop_map(|texts| {
        json!({"text": texts.first(), "texts": texts, "input": texts}).to_string().into_bytes()
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        any_json().prop_map(|value| value.to_string().into_bytes()),
        nearly_right,
        right,
    ]
}

#[test]
fn no_body_makes_the_service_fail() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::shared());
    proptest!(ProptestConfig::with_cases(400), |(body in any_body(), path in prop::sample::select(&PATHS[..]))| {
        let response = runtime.block_on(server.request(Method::POST, path, body));
        prop_assert!(!response.status.is_server_error(), "{}", response.status);
        prop_assert!(response.json().is_object());
    });
}
