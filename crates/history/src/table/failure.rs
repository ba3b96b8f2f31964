//! What a failure does to a table: it is counted, logged, and the stream rests. Never retries.

use std::time::Duration;

use mainstem_kernel::{Fault, fault::chain, metrics::ReasonLabel};

use super::Inner;
use crate::errors::HistoryError;

/// How long a failed stream rests.
const RETRY: Duration = Duration::from_secs(1);
/// The same where haste does not help.
const RETRY_LATE: Duration = Duration::from_secs(60);

impl Inner {
    /// Notes a failure: it is counted, logged, and the stream rests.
    pub(crate) fn fail(&mut self, error: &HistoryError) {
        self.give_up_open_file();
        let rest = if error.is_passing() {
            RETRY
        } else {
            RETRY_LATE
        };
        self.retry_at = self.shared.clock.monotonic() + rest;
        self.count_failure(error);
    }

    /// The same for upkeep and compaction, which can wait.
    pub(crate) fn note_failure(&mut self, error: &HistoryError) {
        self.upkeep_retry_at = self.shared.clock.monotonic() + RETRY_LATE;
        self.count_failure(error);
    }

    fn count_failure(&self, error: &HistoryError) {
        let code = error.answer().code;
        let label = ReasonLabel {
            reason: code.as_str().to_owned(),
        };
        self.shared
            .metrics
            .history_failures
            .get_or_create(&label)
            .inc();
        let chain = chain(error);
        tracing::warn!(stream = %self.name, %code, error = chain, "history work failed");
    }
}
