//! A follower of a view: keeps a copy of its rows from their changes alone, through all lives of the
//! server, each time from where it was cut.

use std::{collections::BTreeMap, time::Duration};

use super::writer::Target;

/// How long it waits for the last changes; they come within milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Events and the sum of their numbers, by writer.
pub(super) type Counted = BTreeMap<u64, (u64, u64)>;

/// A copy of the view `counted`.
#[derive(Default)]
pub(super) struct Follower {
    /// Of the last change; none as long as it has not had all rows.
    position: Option<String>,
    rows: Counted,
    /// Changes that it was told of.
    changes: usize,
    /// Lives in which it went on from its position.
    resumed: usize,
}

impl Follower {
    /// Says what it met, which must be something.
    pub(super) fn tell(&self) {
        let (changes, resumed) = (self.changes, self.resumed);
        println!("{changes} changes were followed, {resumed} times on from a position");
        assert!(resumed > 0 && changes > 0);
    }

    /// Follows until the server is gone.
    pub(super) async fn follow(mut self, target: Target) -> Self {
        self.follow_until(target, |_| false).await;
        self
    }

    /// Follows until the copy is this.
    pub(super) async fn catch_up(&mut self, target: Target, wanted: &Counted) {
        let caught_up = self.follow_until(target, |rows| rows == wanted);
        let outcome = tokio::time::timeout(PATIENCE, caught_up).await;
        assert!(outcome.is_ok(), "{:?} is not {wanted:?}", self.rows);
        assert_eq!(self.rows, *wanted);
    }

    async fn follow_until(&mut self, target: Target, is_enough: impl Fn(&Counted) -> bool) {
        let Some(mut response) = target.changes("counted", self.position.as_deref()).await else {
            return;
        };
        self.resumed += usize::from(self.position.is_some());
        let mut text = String::new();
        while !is_enough(&self.rows) {
            let Ok(Some(bytes)) = response.chunk().await else {
                return;
            };
            text.push_str(std::str::from_utf8(&bytes).unwrap());
            while let Some(end) = text.find("\n\n") {
                self.take(&text[..end]);
                text.drain(..end + 2);
            }
        }
    }

    /// An event of the feed.
    fn take(&mut self, block: &str) {
        for line in block.lines() {
            if let Some(position) = line.strip_prefix("id: ") {
                self.position = Some(position.to_owned());
            }
            if let Some(data) = line.strip_prefix("data: ") {
                self.change(&serde_json::from_str(data).unwrap());
            }
        }
    }

    /// Nothing that it was told is ever taken back.
    fn change(&mut self, change: &serde_json::Value) {
        assert_eq!(change["op"], "upsert", "nobody removes events: {change}");
        let number = |name: &str| change["after"][name].as_u64().unwrap();
        let (writer, new) = (number("writer"), (number("events"), number("numbers")));
        let old = self.rows.insert(writer, new).unwrap_or_default();
        assert!(old <= new, "writer {writer}: {new:?} after {old:?}");
        self.changes += 1;
    }
}
