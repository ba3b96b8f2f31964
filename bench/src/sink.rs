//! A server that counts events and forgets them: the ceiling of what the generator could send,
//! and the stand-in for a server in tests.
//!
//! It trusts its client, and never writes to a disk.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use anyhow::{Context, Result};

use crate::events::EVENT_BYTES;

/// Answers request number `n` of a connection, which holds that many events.
pub(crate) type Respond = fn(n: u64, events: usize) -> String;

/// Starts it; it runs until the process ends. Its threads are named `sink`.
pub(crate) fn start(respond: Respond) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    named_thread(move || {
        for stream in listener.incoming().flatten() {
            // A client that is gone, or speaks something else, has nothing to be told.
            let served = named_thread(move || drop(serve(stream, respond)));
            drop(served);
        }
    })?;
    Ok(address)
}

fn named_thread(body: impl FnOnce() + Send + 'static) -> Result<()> {
    drop(thread::Builder::new().name("sink".to_owned()).spawn(body)?);
    Ok(())
}

/// Accepts everything.
pub(crate) fn accept_all(_n: u64, events: usize) -> String {
    ok(&format!(
        r#"{{"accepted":{events},"rejected":0,"position":"p1-0","rejects":[]}}"#
    ))
}

/// An answer with that body.
pub(crate) fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// Serves one connection to its end.
fn serve(mut stream: TcpStream, respond: Respond) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 20];
    let (mut filled, mut n) = (0, 0);
    loop {
        let count = match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        filled += count;
        let head = buffer[..filled]
            .windows(4)
            .position(|window| window == b"\r\n\r\n");
        let Some(head) = head else { continue };
        let length = content_length(&buffer[..head]).context("content-length")?;
        let missing = (head + 4 + length).saturating_sub(filled);
        skip(&mut stream, &mut buffer[head + 4..], missing)?;
        filled = 0;
        stream.write_all(respond(n, length / EVENT_BYTES).as_bytes())?;
        n += 1;
    }
}

/// Reads that many bytes into nothing.
fn skip(stream: &mut TcpStream, scratch: &mut [u8], mut bytes: usize) -> Result<()> {
    while bytes > 0 {
        let part = bytes.min(scratch.len());
        stream.read_exact(&mut scratch[..part])?;
        bytes -= part;
    }
    Ok(())
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    line.parse().ok()
}
