//! Connections: how many, for how long, and how they end.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::auth::Peer;
use super::config::Config;

/// The pause after the system had no file left for a connection.
const BREATH: Duration = Duration::from_millis(50);

/// Serves `router` on `listener` until `shutdown` completes. Then it accepts nothing new, answers what it has begun, and
/// returns when that is done, or when [`Config::shutdown_timeout`] is over.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) {
    let permits = Arc::new(Semaphore::new(config.max_connections.max(1)));
    let idle = Arc::new(Idle::default());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits, &idle) => accepted,
            () = &mut shutdown => break,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let connection = connection(stream, peer, router.clone(), config.clone(), Arc::clone(&idle), permit);
        connections.spawn(connection);
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    tracing::info!("shutting down");
    config.stopping.cancel();
    config.work.close();
    let done = async {
        while connections.join_next().await.is_some() {}
        config.work.wait().await;
    };
    if tokio::time::timeout(config.shutdown_timeout, done).await.is_err() {
        tracing::warn!(limit = ?config.shutdown_timeout, "requests abandoned at shutdown");
    }
}

/// The next connection, when there is room for it: one that is idle makes room.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    idle: &Idle,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let (stream, peer) = match listener.accept().await {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::warn!(%error, "server.accept");
            tokio::time::sleep(BREATH).await;
            return None;
        }
    };
    let permit = match Arc::clone(permits).try_acquire_owned() {
        Ok(permit) => permit,
        Err(_) => loop {
            idle.close_oldest();
            let waited = tokio::time::timeout(BREATH, Arc::clone(permits).acquire_owned()).await;
            if let Ok(permit) = waited {
                break permit.ok()?;
            }
        },
    };
    Some((stream, peer, permit))
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    config: Config,
    idle: Arc<Idle>,
    _permit: OwnedSemaphorePermit,
) {
    // Answers are small and waited for; the system's default would hold them back to fill packets.
    let _ = stream.set_nodelay(true);
    let close = Arc::new(Notify::new());
    let busy = Arc::new(Busy { idle, close: Arc::clone(&close), state: Mutex::default() });
    busy.rest();
    let router = TowerToHyperService::new(router);
    let at_work = Arc::clone(&busy);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer.ip()));
        let working = at_work.work();
        let answer = router.call(request);
        async move {
            let response = answer.await?;
            Ok::<_, Infallible>(response.map(|body| Answer { body, _working: working }))
        }
    });
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout)
        // Who has said everything may still listen.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut http = pin!(http);
    let ended = tokio::select! {
        ended = &mut http => ended,
        () = config.stopping.cancelled() => {
            http.as_mut().graceful_shutdown();
            http.await
        }
        () = close.notified() => {
            http.as_mut().graceful_shutdown();
            http.await
        }
    };
    busy.leave();
    if let Err(error) = ended {
        tracing::debug!(%error, "server.connection");
    }
}

/// The connections on which nothing is asked right now, the one that is idle for the longest time first.
#[derive(Debug, Default)]
struct Idle(Mutex<(u64, BTreeMap<u64, Arc<Notify>>)>);

impl Idle {
    fn enter(&self, close: Arc<Notify>) -> u64 {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.0 += 1;
        let turn = idle.0;
        idle.1.insert(turn, close);
        turn
    }

    fn leave(&self, turn: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&turn);
    }

    fn close_oldest(&self) {
        let oldest = self.0.lock().unwrap_or_else(PoisonError::into_inner).1.pop_first();
        if let Some((_, close)) = oldest {
            close.notify_one();
        }
    }
}

/// Whether one connection is at work.
struct Busy {
    idle: Arc<Idle>,
    close: Arc<Notify>,
    /// Requests that are being answered, and the place among the idle ones while there are none.
    state: Mutex<(usize, Option<u64>)>,
}

/// A request that is being answered.
struct Working(Arc<Busy>);

impl Busy {
    fn rest(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = Some(self.idle.enter(Arc::clone(&self.close)));
    }

    fn work(self: &Arc<Self>) -> Working {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        if let Some(turn) = state.1.take() {
            self.idle.leave(turn);
        }
        Working(Arc::clone(self))
    }

    fn leave(&self) {
        let turn = self.state.lock().unwrap_or_else(PoisonError::into_inner).1.take();
        if let Some(turn) = turn {
            self.idle.leave(turn);
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 -= 1;
        if state.0 == 0 {
            state.1 = Some(self.0.idle.enter(Arc::clone(&self.0.close)));
        }
    }
}

/// An answer on its way: the connection is at work until all of it is sent, or nobody wants it any more.
struct Answer {
    body: Body,
    _working: Working,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
