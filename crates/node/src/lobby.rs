//! `Lobby`: answers at the door while the node recovers: alive, and not ready yet.
//!
//! It knows of HTTP only how to say 503, and reads nothing beyond a request's head.

use std::{io, sync::Arc, time::Duration};

use mainstem_kernel::{Answer, Code, Fault};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// Requests that are answered at once; others wait in the listener's queue.
const REQUESTS_MAX: usize = 64;
/// Longest head that is read.
const HEAD_BYTES_MAX: u64 = 16 << 10;
/// Time for all of a request.
const TIME_MAX: Duration = Duration::from_secs(2);

/// What a request is told.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the server is starting: it recovers what was acknowledged before")]
struct Starting;

impl Fault for Starting {
    fn answer(&self) -> Answer {
        Answer::busy(Code::Node015, Duration::from_secs(1))
    }

    fn hint(&self) -> Option<String> {
        Some("ask again in a second; /readyz answers 200 when it is ready".to_owned())
    }
}

/// Answers at a door until it is called in.
#[derive(Debug)]
pub(crate) struct Lobby {
    stop: watch::Sender<bool>,
    work: JoinHandle<()>,
}

impl Lobby {
    /// Begins to answer.
    pub(crate) fn open(runtime: &Runtime, listener: Arc<TcpListener>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let work = runtime.spawn(receive(listener, stopped));
        Self { stop, work }
    }

    /// Finishes the answers under way.
    pub(crate) fn close(self, runtime: &Runtime) {
        self.stop.send_replace(true);
        if let Err(error) = runtime.block_on(self.work) {
            tracing::warn!(%error, "requests at the start were left without an answer");
        }
    }
}

async fn receive(listener: Arc<TcpListener>, mut stopped: watch::Receiver<bool>) {
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stopped.changed() => break,
            _ = answers.join_next(), if !answers.is_empty() => {}
            accepted = listener.accept(), if answers.len() < REQUESTS_MAX => {
                if let Ok((stream, _)) = accepted {
                    answers.spawn(timeout(TIME_MAX, answer(stream)));
                }
            }
        }
    }
    while answers.join_next().await.is_some() {}
}

/// Reads a head, says 503 (to `/healthz` 200: the process lives), and hangs up.
async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut limited = (&mut stream).take(HEAD_BYTES_MAX);
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if limited.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let reply = match head.starts_with(b"GET /healthz ") {
        true => reply("200 OK", "text/plain; charset=utf-8", "ok\n"),
        false => {
            let problem = serde_json::to_string(&Starting.problem()).unwrap_or_default();
            reply(
                "503 Service Unavailable",
                "application/problem+json",
                &problem,
            )
        }
    };
    stream.write_all(reply.as_bytes()).await?;
    stream.shutdown().await
}

fn reply(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Retry-After: 1\r\nConnection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };

    use super::*;

    fn ask(address: std::net::SocketAddr, head: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_is_alive_and_not_ready_and_leaves_the_door_to_who_follows() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = Arc::new(runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap());
        let address = listener.local_addr().unwrap();
        let lobby = Lobby::open(&runtime, Arc::clone(&listener));
        let ready = ask(address, "GET /readyz HTTP/1.1\r\nHost: m\r\n\r\n");
        assert!(
            ready.starts_with("HTTP/1.1 503 ") && ready.contains("NODE-015"),
            "{ready}"
        );
        let alive = ask(address, "GET /healthz HTTP/1.1\r\nHost: m\r\n\r\n");
        assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");
        lobby.close(&runtime);
        assert!(Arc::try_unwrap(listener).is_ok(), "somebody still listens");
    }
}
