//! Memory of the whole program: mimalloc, told to keep what is free for a while, in small pages.
//!
//! Batches are large, live shortly and die in another thread than they were made in. glibc's
//! allocator, and mimalloc after 10 ms, give their pages back to the system, which clears them anew
//! for the next batch: a fifth of all processor time under load.
//!
//! mimalloc also asks for huge pages, and the system clears 2 MiB where a few KiB are used. Without them
//! `bench streaming --only q1` took 1.3 times as many events per core, in each of four turns.

use std::ffi::{c_int, c_long};

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc 2 and 3: its place in their `mi_option_e`.
const PURGE_DELAY: c_int = 15;

/// How long free memory is kept, in milliseconds.
const KEPT_MILLIS: c_long = 2_000;

/// Keeps free memory for two seconds before the system gets it back, and takes it in small pages. To
/// be called first.
pub(crate) fn set_up() {
    #[expect(
        unsafe_code,
        reason = "mimalloc and the system take options by foreign calls"
    )]
    // SAFETY: the first stores a number in an option that exists in the versions named above, the
    // second sets a flag of this process; both may be called at any time and from any thread. A
    // kernel that knows no huge pages refuses, and has nothing to forbid.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT_MILLIS);
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0);
    }
}
