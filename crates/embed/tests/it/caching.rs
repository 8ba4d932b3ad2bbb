use agent_turbo_embed::{Client, Config, Error, Model, Source};

use crate::support::{dead_url, disk, impatient, real};

#[tokio::test]
async fn the_second_time_it_comes_from_memory() {
    let client = real().await;
    let first = client.embed("remembered in memory").await.unwrap();
    assert_eq!(first.source, Source::Service);
    let second = client.embed("remembered in memory").await.unwrap();
    assert_eq!(second.source, Source::Memory);
    assert_eq!(first.vector, second.vector);
    let batch = client.embed_batch(&["remembered in memory", "new in the batch"]).await.unwrap();
    let sources: Vec<_> = batch.into_iter().map(|result| result.unwrap().source).collect();
    assert_eq!(sources, [Source::Memory, Source::Service]);
}

#[tokio::test]
async fn another_process_finds_it_on_disk_without_any_service() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("made/when/needed");
    let url = real().await.url();
    let first = Client::new(Config { disk: Some(disk(&folder)), ..Config::new(url) }).unwrap();
    let one = first.embed("remembered on disk").await.unwrap();
    let two = first.embed_batch(&["remembered on disk too"]).await.unwrap().remove(0).unwrap();

    let second = Client::new(Config { disk: Some(disk(&folder)), ..impatient(&dead_url()) }).unwrap();
    let error = second.embed("remembered on disk").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "without a model nothing is comparable: {error:?}");
    second.expect_model((*one.model).clone()).unwrap();
    for source in [Source::Disk, Source::Memory] {
        let results = second.embed_batch(&["remembered on disk", "remembered on disk too"]).await.unwrap();
        for (result, expected) in results.into_iter().zip([&one, &two]) {
            let found = result.unwrap();
            assert_eq!(found.source, source);
            assert_eq!(found.vector, expected.vector);
        }
    }
    let error = second.embed("never seen").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn what_another_model_left_on_disk_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let url = real().await.url();
    let first = Client::new(Config { disk: Some(disk(dir.path())), ..Config::new(url) }).unwrap();
    let one = first.embed("left by another model").await.unwrap();
    let second = Client::new(Config { disk: Some(disk(dir.path())), ..impatient(&dead_url()) }).unwrap();
    second.expect_model(Model { name: "another".to_owned(), ..(*one.model).clone() }).unwrap();
    let error = second.embed("left by another model").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn what_the_service_remembers_is_told_apart() {
    let text = "remembered by the service";
    let first = real().await.embed(text).await.unwrap();
    assert_eq!(first.source, Source::Service);
    let second = real().await.embed(text).await.unwrap();
    let third = real().await.embed_batch(&[text]).await.unwrap().remove(0).unwrap();
    for other in [second, third] {
        assert_eq!(other.source, Source::ServiceCache);
        assert_eq!(other.vector, first.vector);
    }
}

#[tokio::test]
async fn memory_without_room_remembers_nothing_and_works() {
    let url = real().await.url();
    let client = Client::new(Config { memory_bytes: 0, ..Config::new(url) }).unwrap();
    client.embed("no room").await.unwrap();
    assert_eq!(client.embed("no room").await.unwrap().source, Source::ServiceCache);
}
