//! `tail`: the rows of a stream as they arrive, taken up again after a break.

use std::time::Duration;

use futures::StreamExt;
use mainstem_gateway::Status as Report;
use reqwest::{Method, header};

use crate::{
    args::{Tail, Target},
    client::{Server, path_part},
    failure::Outcome,
    screen,
    sse::{Event, Parser},
};

/// Waits after a break, growing to this.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Breaks in a row, without a row between, before it gives up.
const BREAKS_MAX: u32 = 60;

/// Follows a stream until the limit is reached or the person ends it.
pub(crate) async fn tail(target: &Target, options: &Tail) -> Outcome {
    let server = Server::find(target)?;
    // A place that can be returned to if the connection breaks before the first row.
    let start = match options.from.as_str() {
        "now" => {
            let now = server.get::<Report>("/v1/status").await?.position;
            // Of many machines nobody knows one: the first event says where it began.
            now.position()
                .map_or_else(|| "now".to_owned(), |now| now.to_string())
        }
        named => named.to_owned(),
    };
    let mut from = From {
        start,
        after: None,
        shown: 0,
        skip: 0,
    };
    let mut left = options.limit.unwrap_or(u64::MAX);
    let mut breaks = 0;
    while left > 0 {
        let before = from.after.clone();
        match follow(&server, &options.stream, &mut from, &mut left).await {
            // The server refuses: asking again does not help.
            Err(failure) if breaks == 0 && before.is_none() && from.after.is_none() => {
                return Err(failure);
            }
            Err(failure) if breaks >= BREAKS_MAX => return Err(failure),
            Err(_) | Ok(()) => {}
        }
        breaks = if from.after == before { breaks + 1 } else { 1 };
        if left > 0 {
            let wait = Duration::from_millis(100)
                .saturating_mul(1 << breaks.min(6))
                .min(WAIT_MAX);
            tokio::time::sleep(wait).await;
        }
    }
    Ok(())
}

/// Where to begin, and then where to go on.
#[derive(Debug)]
struct From {
    start: String,
    /// The newest id. It comes with the last row of what was appended together.
    after: Option<String>,
    /// Rows that were shown since that id: a new connection sends them again.
    shown: u64,
    /// How many of those are still to come.
    skip: u64,
}

/// One connection, until it breaks or enough rows have come.
async fn follow(server: &Server, stream: &str, from: &mut From, left: &mut u64) -> Outcome {
    let path = format!(
        "/v1/streams/{}/changes?from={}",
        path_part(stream),
        path_part(&from.start)
    );
    let mut request = server
        .request(Method::GET, &path)
        .header(header::ACCEPT, "text/event-stream");
    if let Some(after) = &from.after {
        request = request.header("Last-Event-ID", after);
    }
    from.skip = from.shown;
    let response = server.send(request).await?;
    let mut parser = Parser::default();
    let mut parts = response.bytes_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|source| server.unreachable(source))?;
        for event in parser.push(&part) {
            show(event, from, left)?;
            if *left == 0 {
                return Ok(());
            }
        }
        screen::flush()?;
    }
    Ok(())
}

/// Prints an event's row and remembers where it stands.
fn show(event: Event, from: &mut From, left: &mut u64) -> Outcome {
    match event.kind.as_str() {
        "" | "message" if from.skip > 0 => from.skip -= 1,
        "" | "message" => {
            screen::print(format!("{}\n", event.data).as_bytes())?;
            *left -= 1;
            from.shown += 1;
        }
        kind => screen::note(&format!("{kind}: {}", event.data)),
    }
    if event.id.is_some() {
        from.after = event.id;
        from.shown = 0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_come_again_after_a_break_are_not_shown_again() {
        let mut from = From {
            start: "now".to_owned(),
            after: None,
            shown: 0,
            skip: 0,
        };
        let mut left = 10;
        let row = |id: Option<&str>| Event {
            id: id.map(str::to_owned),
            kind: String::new(),
            data: "{}".to_owned(),
        };
        for id in [Some("p1"), None, None] {
            show(row(id), &mut from, &mut left).ok().unwrap();
        }
        assert_eq!(
            (left, from.after.as_deref(), from.shown),
            (7, Some("p1"), 2)
        );
        // The connection broke: what follows p1 comes again.
        from.skip = from.shown;
        for id in [None, None, Some("p2")] {
            show(row(id), &mut from, &mut left).ok().unwrap();
        }
        assert_eq!(
            (left, from.after.as_deref(), from.shown),
            (6, Some("p2"), 0)
        );
    }
}
