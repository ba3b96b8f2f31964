//! HTTP/1.1 as far as the benches need it: bytes built beforehand go out, an answer comes back.
//!
//! It costs two system calls per request, so that what is measured is the server. It never
//! retries, never follows redirects and never opens a second connection.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const HEAD_BYTES_MAX: usize = 16 << 10;

/// A request as bytes.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A request with a key and a body; `head` is further header lines, each with its line end.
    pub(crate) fn new(start: &str, key: &str, head: &str, body: &[u8]) -> Self {
        let mut bytes = format!(
            "{start} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n{head}\
             content-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        Self { bytes }
    }

    /// Events for a stream.
    pub(crate) fn events(stream: &str, key: &str, body: &[u8]) -> Self {
        let start = format!("POST /v1/streams/{stream}/events");
        Self::new(&start, key, "content-type: application/x-ndjson\r\n", body)
    }

    /// A question, asked as of `position` or later.
    pub(crate) fn sql(query: &str, key: &str, position: Option<&str>) -> Self {
        let start = match position {
            Some(position) => format!("POST /v1/sql?wait={position}"),
            None => "POST /v1/sql".to_owned(),
        };
        let body = serde_json::json!({ "query": query, "timeout_ms": 600_000 }).to_string();
        let head = "content-type: application/json\r\naccept: application/json\r\n";
        Self::new(&start, key, head, body.as_bytes())
    }

    /// A request without a body.
    pub(crate) fn get(path: &str, key: &str) -> Self {
        Self::new(&format!("GET {path}"), key, "", b"")
    }
}

/// An answer; its body stays in the connection's buffer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// Seconds after which it may be tried again, if the answer says so.
    pub(crate) retry_after: Option<usize>,
    pub(crate) body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// The body as JSON, if the status is 200.
    pub(crate) fn json<T: serde::Deserialize<'a>>(&self) -> Result<T> {
        let text = || String::from_utf8_lossy(self.body);
        ensure!(self.status == 200, "status {}: {}", self.status, text());
        serde_json::from_slice(self.body).with_context(|| format!("in the answer {:?}", text()))
    }
}

/// One keep-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// A body that came in chunks, put together.
    joined: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .context("connecting to the server")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(HEAD_BYTES_MAX),
            joined: Vec::new(),
        })
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) async fn exchange(&mut self, request: &Request) -> Result<Answer<'_>> {
        self.send(request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(head) = Head::parse(&self.buffer)? {
                break head;
            }
            ensure!(
                self.buffer.len() < HEAD_BYTES_MAX,
                "the answer's head does not end"
            );
            self.fill().await?;
        };
        let body = match head.length {
            Some(length) => {
                let end = head.bytes + length;
                while self.buffer.len() < end {
                    self.fill().await?;
                }
                &self.buffer[head.bytes..end]
            }
            None => {
                while !join_chunks(&self.buffer[head.bytes..], &mut self.joined)? {
                    self.fill().await?;
                }
                &self.joined
            }
        };
        Ok(Answer {
            status: head.status,
            retry_after: head.retry_after,
            body,
        })
    }

    /// Sends a request, whose answer is read by `more`.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<()> {
        let sent = self.stream.write_all(&request.bytes).await;
        sent.context("sending a request")
    }

    /// The next bytes of an answer, as they are on the wire.
    pub(crate) async fn more(&mut self) -> Result<&[u8]> {
        self.buffer.clear();
        self.fill().await?;
        Ok(&self.buffer)
    }

    async fn fill(&mut self) -> Result<()> {
        self.buffer.reserve(HEAD_BYTES_MAX);
        let count = self
            .stream
            .read_buf(&mut self.buffer)
            .await
            .context("reading an answer")?;
        ensure!(count > 0, "the server closed the connection in an answer");
        Ok(())
    }
}

/// What the client needs of an answer's head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes up to the body.
    bytes: usize,
    /// Length of the body; `None` if it comes in chunks.
    length: Option<usize>,
    /// Seconds after which it may be tried again.
    retry_after: Option<usize>,
}

impl Head {
    /// `None` while the head is not whole.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = find(bytes, b"\r\n\r\n") else {
            return Ok(None);
        };
        let mut lines = Lines(&bytes[..end]);
        let status = lines
            .next()
            .and_then(|line| line.split(|byte| *byte == b' ').nth(1));
        let status = status.and_then(number).context("the status line")?;
        let status = u16::try_from(status).context("the status line")?;
        let (mut length, mut retry_after) = (None, None);
        for line in lines {
            if let Some(value) = value_of(line, LENGTH) {
                length = Some(number(value).context("content-length")?);
            } else if let Some(value) = value_of(line, RETRY_AFTER) {
                retry_after = Some(number(value).context("retry-after")?);
            }
        }
        Ok(Some(Self {
            status,
            bytes: end + 4,
            length,
            retry_after,
        }))
    }
}

/// The header that tells the length of a body.
const LENGTH: &[u8] = b"content-length:";

/// The header that tells when to come again.
const RETRY_AFTER: &[u8] = b"retry-after:";

/// The value of a header, if the line is its.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// The lines of a head, without their ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\r', self.0).unwrap_or(self.0.len());
        let line = &self.0[..end];
        self.0 = self.0.get(end + 2..).unwrap_or_default();
        Some(line)
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Puts the chunks of a body together; false while it is not whole.
fn join_chunks(mut bytes: &[u8], joined: &mut Vec<u8>) -> Result<bool> {
    joined.clear();
    loop {
        let Some(end) = find(bytes, b"\r\n") else {
            return Ok(false);
        };
        let size = std::str::from_utf8(&bytes[..end]).context("the size of a chunk")?;
        let Ok(size) = usize::from_str_radix(size, 16) else {
            bail!("chunk of size {size:?}")
        };
        let (start, rest) = (end + 2, end + 2 + size + 2);
        if bytes.len() < rest {
            return Ok(false);
        }
        if size == 0 {
            return Ok(true);
        }
        joined.extend_from_slice(&bytes[start..start + size]);
        bytes = &bytes[rest..];
    }
}

/// Where the wanted bytes begin.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

#[cfg(test)]
mod tests;
