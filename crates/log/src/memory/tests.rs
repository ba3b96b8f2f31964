use std::sync::Arc;

use mainstem_kernel::{Timestamp, clock::ManualClock};

use super::*;
use crate::contract;

#[test]
fn keeps_every_promise() {
    contract::keeps_every_promise(|| {
        let clock = ManualClock::at(Timestamp::from_millis(1_767_225_600_000));
        Arc::new(MemoryLog::new(Arc::new(clock)))
    });
}
