//! Memory of the whole program: mimalloc, told to keep what is free for a while.
//!
//! Batches are large, live shortly and die in another thread than they were made in. glibc's
//! allocator, and mimalloc after 10 ms, give their pages back to the system, which clears them anew
//! for the next batch: a fifth of all processor time under load.

use std::ffi::{c_int, c_long};

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc 2 and 3: its place in their `mi_option_e`.
const PURGE_DELAY: c_int = 15;

/// How long free memory is kept, in milliseconds.
const KEPT_MILLIS: c_long = 2_000;

/// Keeps free memory for two seconds before the system gets it back. To be called first.
pub(crate) fn keep_free_memory() {
    #[expect(unsafe_code, reason = "mimalloc takes its options by a foreign call")]
    // SAFETY: it stores a number in an option that exists in the versions named above, and may be
    // called at any time and from any thread.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT_MILLIS);
    }
}
