use super::schema::Document;
use super::support::Fixture;

#[tokio::test]
async fn every_operation_says_what_it_answers_and_which_problems_there_are() {
    let server = Fixture::new().await;
    let document = server.get("/openapi.json").send().await.json();
    let described = Document::new(document.clone());
    let mut operations = 0;
    for (path, item) in described.paths() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let place = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{place} says what it is for");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
            for status in ["400", "401", "404", "413", "422", "429", "500", "503"] {
                if path == "/readyz" {
                    continue;
                }
                let content = &responses[status]["content"]["application/problem+json"];
                assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{place} {status}");
            }
            let is_write = ["post", "put", "patch", "delete"].contains(&method.as_str());
            if is_write && method != "delete" && path != "/v1/sessions/{session_id}/resume" {
                let body = &operation["requestBody"];
                assert_eq!(body["required"], true, "{place}");
                assert!(body["content"]["application/json"].is_object(), "{place}");
            }
        }
    }
    assert!(operations >= 46, "{operations}");
    check_references(&document, &document);
}

/// Whatever is referred to is there.
fn check_references(document: &serde_json::Value, part: &serde_json::Value) {
    match part {
        serde_json::Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(serde_json::Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} is nowhere");
            }
            members.values().for_each(|member| check_references(document, member));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| check_references(document, item)),
        _ => {}
    }
}
