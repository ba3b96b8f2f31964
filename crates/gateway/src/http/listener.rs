//! Accepts connections, bounds their number, and lets requests under way finish at the end.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use hyper::{StatusCode, server::conn::http1, service::service_fn};
use mainstem_kernel::Fault;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{
    Door,
    errors::HttpError,
    patience::{PatientIo, Phase},
    problem::PROBLEM_JSON,
    router, stopped,
};

/// Largest head of a request; this much and no more is read before the key is checked, but for
/// what comes in the same packet.
const HEAD_SIZE_MAX: usize = 16 << 10;
/// Largest read buffer of a connection. hyper begins with 8 KiB and doubles it while it is full.
const READ_BUFFER_MAX: usize = 128 << 10;
/// Wait when the process has no more sockets or memory for one.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);

/// Serves until the node stops.
///
/// # Errors
/// When the listener breaks.
pub(crate) async fn serve(door: Arc<Door>, listener: TcpListener) -> io::Result<()> {
    let limit = door.config.connections_max.min(Semaphore::MAX_PERMITS);
    let slots = Arc::new(Semaphore::new(limit));
    let mut shutdown = door.shutdown.clone();
    let outcome = loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut shutdown) => break Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match Arc::clone(&slots).try_acquire_owned() {
                Ok(slot) => open(&door, stream, slot),
                Err(_full) => turn_away(&stream, limit),
            },
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted => {}
                io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected => break Err(error),
                // Out of sockets or memory: connections that end make room.
                _ => {
                    tracing::warn!(%error, "connection could not be accepted");
                    tokio::time::sleep(EXHAUSTED_WAIT).await;
                }
            },
        }
    };
    drop(listener);
    let all = u32::try_from(limit).unwrap_or(u32::MAX);
    // Each connection holds a slot; the semaphore is never closed.
    drop(slots.acquire_many(all).await);
    outcome
}

/// Serves a connection in a task of its own.
fn open(door: &Arc<Door>, stream: TcpStream, slot: OwnedSemaphorePermit) {
    // Answers are small and leave at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let task = {
        let door = Arc::clone(door);
        async move { converse(door, (stream, slot)).await }
    };
    door.parts.spawn.task("http connection", Box::pin(task));
}

/// All requests of a connection, one after the other.
async fn converse(door: Arc<Door>, stream: (TcpStream, OwnedSemaphorePermit)) {
    let phase = Arc::new(Phase::default());
    let io = PatientIo::new(stream, Arc::clone(&phase), door.config.read_time_max);
    let mut shutdown = door.shutdown.clone();
    let service = service_fn(move |request| {
        let (door, phase) = (Arc::clone(&door), Arc::clone(&phase));
        async move { Ok::<_, Infallible>(router::answer(&door, &phase, request).await) }
    });
    // No `pipeline_flush`: it loses answers when odd bytes follow a request (hyper 1.12 closes
    // without a flush while its read buffer is not empty).
    let connection = http1::Builder::new()
        .max_header_size(HEAD_SIZE_MAX)
        .max_buf_size(READ_BUFFER_MAX)
        // `PatientIo` keeps the time, with one timer for all requests of a connection.
        .header_read_timeout(None)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stopped(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Tells a client that there is no slot for it, if its socket takes that at once.
fn turn_away(stream: &TcpStream, limit: usize) {
    let problem = HttpError::ConnectionsFull { limit }.problem();
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    if let Err(error) = stream.try_write(text.as_bytes()) {
        tracing::debug!(%error, "client could not be turned away with a reason");
    }
}
