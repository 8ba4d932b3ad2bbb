//! A network between program and server that loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent_turbo_db::{Config, ConnectionUrl, Database};
use agent_turbo_orchestrator::Orchestrator;
use agent_turbo_test_support::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An orchestrator whose connection breaks after the server has done what `marker` stands in, and before it says so;
/// `times` times. Returns how often it still will.
pub(crate) async fn losing(
    database: &TestDatabase,
    marker: &'static str,
    times: usize,
) -> (Orchestrator, Arc<AtomicUsize>) {
    let url = database.tcp_url().await.unwrap().expose().to_string();
    let start = url.rfind('@').unwrap() + 1;
    let end = start + url[start..].find('/').unwrap();
    let server = url[start..end].to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let left = Arc::new(AtomicUsize::new(times));
    let counter = left.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, left) = (server.clone(), left.clone());
            tokio::spawn(async move { pass(client, &server, marker.as_bytes(), &left).await });
        }
    });
    let url = format!("{}{here}{}", &url[..start], &url[end..]);
    let config = Config { pool_min: 1, ..Config::new(ConnectionUrl::new(url)) };
    (Orchestrator::new(Database::connect(config).await.unwrap()), counter)
}

async fn pass(mut client: TcpStream, server: &str, marker: &[u8], left: &AtomicUsize) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut lose = false;
    loop {
        tokio::select! {
            count = client.read(&mut asked) => {
                let count = count?;
                if count == 0 {
                    return Ok(());
                }
                let found = asked[..count].windows(marker.len()).any(|bytes| bytes == marker);
                lose |= found
                    && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
                server.write_all(&asked[..count]).await?;
            }
            count = server.read(&mut answered) => {
                let count = count?;
                if count == 0 || lose {
                    return Ok(());
                }
                client.write_all(&answered[..count]).await?;
            }
        }
    }
}
