//! Connections: accepted up to a bound, with TLS where configured, and given up when they dawdle.

use super::gate::Remote;
use super::{Api, router};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections at once: all event streams and as many again. Further ones wait in the kernel.
const CONNECTIONS_MAX: usize = 4_096;
/// A TLS handshake, and the header of a request, must be there within this time (slow-loris).
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// Requests of one HTTP/2 connection at once: a browser's streams and its lists.
const H2_STREAMS_MAX: u32 = 64;
/// Largest header block, in bytes.
const HEADER_BYTES_MAX: u32 = 32 * 1024;
/// Open requests get this long when the program stops; event streams never end by themselves.
const LINGER: Duration = Duration::from_secs(2);

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(HEADER_BYTES_MAX as usize)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(HEADER_WITHIN)
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX);
    builder
}

async fn speak(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    remote: SocketAddr,
    routes: Router,
    stop: CancellationToken,
) {
    let service = tower::service_fn(move |mut request: axum::http::Request<Incoming>| {
        request.extensions_mut().insert(Remote(remote));
        routes.clone().oneshot(request.map(Body::new))
    });
    let builder = builder();
    let connection = builder.serve_connection(TokioIo::new(io), TowerToHyperService::new(service));
    tokio::pin!(connection);
    tokio::select! {
        // How a browser ends a connection is its own affair.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(LINGER, connection).await;
}

async fn connection(
    socket: TcpStream,
    remote: SocketAddr,
    tls: Option<TlsAcceptor>,
    routes: Router,
    stop: CancellationToken,
) {
    let _ = socket.set_nodelay(true);
    match tls {
        None => speak(socket, remote, routes, stop).await,
        Some(acceptor) => match tokio::time::timeout(HEADER_WITHIN, acceptor.accept(socket)).await {
            Ok(Ok(stream)) => speak(stream, remote, routes, stop).await,
            Ok(Err(error)) => tracing::debug!(error = %error, "tls handshake failed"),
            Err(_) => tracing::debug!("tls handshake too slow"),
        },
    }
}

/// Serves until told to stop; open streams are then cut.
pub async fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>, api: Api, stop: CancellationToken) {
    let routes = router(api);
    let acceptor = tls.map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // The connections belong to this task; they end with it.
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let place = tokio::select! {
            place = room.clone().acquire_owned() => place,
            () = stop.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((socket, remote)) => {
                let (acceptor, routes, stop) = (acceptor.clone(), routes.clone(), stop.clone());
                open.spawn(async move {
                    connection(socket, remote, acceptor, routes, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors: connections that end give some back.
                tracing::warn!(error = %error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let all = async { while open.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LINGER + Duration::from_secs(1), all).await;
}
