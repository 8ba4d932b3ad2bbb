use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, NoTls, Socket};

use crate::database::Database;
use crate::target::SslMode;
use crate::{Error, Result, tls};

/// What a listener hears, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It listens from now on; what was sent before, it missed.
    Live,
    /// It stopped listening; it reconnects by itself.
    Lost,
    /// Somebody sent a notification.
    Notification {
        /// The channel it came by.
        channel: String,
        /// Its payload, possibly empty.
        payload: String,
    },
}

/// A connection of its own that listens, reconnecting as often as needed, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    live: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// A connection that answers nothing for this long is taken to be dead.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// Notifications in flight between socket and handler; beyond it the socket waits.
const BACKLOG: usize = 1024;

impl Database {
    /// Calls `handle` for everything that arrives on `channels`; it must not block.
    pub fn listen(
        &self,
        channels: &'static [&'static str],
        handle: impl FnMut(Event) + Send + 'static,
    ) -> Listener {
        let live = Arc::new(AtomicBool::new(false));
        let database = self.clone();
        let task = tokio::spawn(listen_forever(database, channels, Arc::clone(&live), handle));
        Listener { live, task }
    }
}

impl Listener {
    /// Whether notifications arrive right now.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen_forever(
    database: Database,
    channels: &'static [&'static str],
    live: Arc<AtomicBool>,
    mut handle: impl FnMut(Event) + Send,
) {
    let mut pause = Duration::from_millis(50);
    loop {
        let outcome = listen_once(&database, channels, &live, &mut handle).await;
        if live.swap(false, Ordering::AcqRel) {
            pause = Duration::from_millis(50);
            handle(Event::Lost);
        }
        if let Err(error) = outcome {
            tracing::debug!(%error, ?pause, "db.listen");
        }
        tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Listens until the connection breaks.
async fn listen_once(
    database: &Database,
    channels: &[&str],
    live: &AtomicBool,
    handle: &mut (impl FnMut(Event) + Send),
) -> Result<()> {
    let (client, mut messages) = if database.target().ssl_mode == SslMode::Disable {
        open(database, NoTls).await?
    } else {
        open(database, tls::connector(database.target())?).await?
    };
    let statement: String = channels.iter().map(|channel| format!("LISTEN \"{channel}\";")).collect();
    client.batch_execute(&statement).await.map_err(|error| Error::of_statement("listen", error))?;
    live.store(true, Ordering::Release);
    handle(Event::Live);
    let hear = async {
        while let Some((channel, payload)) = messages.recv().await {
            handle(Event::Notification { channel, payload });
        }
        Ok(())
    };
    // Beside the hearing, because a ping's answer comes after the notifications that were sent before it.
    tokio::select! {
        end = hear => end,
        end = ping(&client) => end,
    }
}

/// Ends when the connection is dead, also when nothing but silence tells so.
async fn ping(client: &tokio_postgres::Client) -> Result<()> {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        tokio::time::timeout(PING_TIMEOUT, client.batch_execute(""))
            .await
            .map_err(|_| Error::Timeout { name: "listen", limit: PING_TIMEOUT })?
            .map_err(|error| Error::of_statement("listen", error))?;
    }
}

type Messages = mpsc::Receiver<(String, String)>;

async fn open<T>(database: &Database, tls: T) -> Result<(tokio_postgres::Client, Messages)>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let target = database.target();
    let connect = target.driver.connect(tls);
    let limit = database.config().connect_timeout;
    let (client, mut connection) = tokio::time::timeout(limit, connect)
        .await
        .map_err(|_| Error::Timeout { name: "listen", limit })?
        .map_err(|error| Error::of_connect(&target.name(), error))?;
    let (sender, receiver) = mpsc::channel(BACKLOG);
    // Ends when `client` is dropped or the connection breaks; then the receiver hears the end.
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message {
                let message = (notification.channel().to_owned(), notification.payload().to_owned());
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok((client, receiver))
}
