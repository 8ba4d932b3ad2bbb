//! `agent-turbo embedder`: the embedding service in the foreground.

use agent_turbo_test_support::model_dir;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use crate::support::{Fixture, SOON};

#[tokio::test]
async fn it_serves_says_where_takes_what_may_be_stored_and_ends_when_told() {
    let fixture = Fixture::new().await;
    let model = model_dir().await.unwrap();
    let program = || fixture.program().env("AGENT_TURBO_MAX_CONTENT_BYTES", "3000000");
    let arguments =
        ["embedder", "--listen", "127.0.0.1:0", "--model-name", "all-MiniLM-L6-v2", "--model-dir"];
    let mut child = program().spawn(&[&arguments[..], &[model.to_str().unwrap()]].concat());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = timeout(SOON, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(line.starts_with("Serving all-MiniLM-L6-v2 (384 dimensions, "), "{line}");
    let url = line.rsplit(' ').next().unwrap();

    let text = "word ".repeat(400_000);
    let program = program().env("AGENT_TURBO_EMBED_URL", url);
    let added = program.stdin(text).run(&["add", "-"]).await;
    assert!(added.done().contains("Longer than the model reads"), "{added:?}");

    let address = url.strip_prefix("http://").unwrap();
    fixture.run(&["embedder", "--listen", address]).await.failed(1, &["listen on", address, "in use"]);

    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(timeout(SOON, child.wait()).await.unwrap().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_folder_without_a_model_is_named() {
    let fixture = Fixture::new().await;
    let folder = fixture.dir.path().to_str().unwrap();
    let arguments = ["embedder", "--listen", "127.0.0.1:0", "--model-dir", folder];
    fixture.run(&arguments).await.failed(1, &[folder]);
}
