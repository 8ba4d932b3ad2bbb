use agent_turbo_embed::Source;

use crate::support::{assert_close, real};

#[tokio::test]
async fn one_by_one_and_in_a_batch_texts_get_the_same_vectors() {
    let texts =
        ["PostgreSQL is a powerful database", "\u{1f600} ünï¢ödé", "a", "line\nbreak\t\"quoted\" \\ \u{7f}"];
    let batch = real().await.embed_batch(&texts).await.unwrap();
    let single = real().await;
    for (text, result) in texts.iter().zip(batch) {
        let result = result.unwrap();
        assert_eq!(result.source, Source::Service);
        assert_close(&result.vector, &single.embed(text).await.unwrap().vector);
        let length: f32 = result.vector.iter().map(|component| component * component).sum();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
    }
}

#[tokio::test]
async fn the_service_says_how_it_is_and_what_it_serves() {
    let client = real().await;
    let health = client.health().await.unwrap();
    assert!(health.is_healthy());
    let embedding = client.embed("which model").await.unwrap();
    assert_eq!(*embedding.model, health.model());
    assert_eq!(embedding.vector.len(), health.embedding_dim);
}

#[tokio::test]
async fn texts_longer_than_the_model_reads_are_marked() {
    let client = real().await;
    let long = "database ".repeat(2000);
    assert!(client.embed(&long).await.unwrap().truncated);
    let longer = format!("{long} and more");
    let batch = client.embed_batch(&[longer.as_str(), "short"]).await.unwrap();
    let truncated: Vec<_> = batch.into_iter().map(|result| result.unwrap().truncated).collect();
    assert_eq!(truncated, [true, false]);
}

#[tokio::test]
async fn tasks_of_their_own_may_ask() {
    let client = real().await;
    let asking: Vec<_> = (0..20)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let text = format!("task {number}");
                client.health().await?;
                let one = client.embed(&text).await?;
                let again = client.embed_batch(&[text.as_str()]).await?.remove(0)?;
                assert_eq!(one.vector, again.vector);
                Ok::<_, agent_turbo_embed::Error>(())
            })
        })
        .collect();
    for task in asking {
        task.await.unwrap().unwrap();
    }
}
