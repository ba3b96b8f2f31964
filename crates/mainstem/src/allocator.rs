//! Memory of the whole program: mimalloc, told to keep what is free for a while, in small pages.
//!
//! Batches are large, live shortly and die in another thread than they were made in. glibc's
//! allocator, and mimalloc after 10 ms, give their pages back to the system, which clears them anew
//! for the next batch: a fifth of all processor time under load.
//!
//! mimalloc also asks for huge pages, and the system clears 2 MiB where a few KiB are used. Without them
//! `bench streaming --only q1` took 1.3 times as many events per core, in each of four turns.

use std::ffi::{c_int, c_long};

use mainstem_kernel::ByteSize;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc 2 and 3: its place in their `mi_option_e`.
const PURGE_DELAY: c_int = 15;

/// How long free memory is kept, in milliseconds, with a budget that leaves room for it.
const KEPT_MILLIS: u64 = 2_000;
/// With less, free memory is kept for a shorter time: of a half for a quarter of it. With
/// 512 MiB that is 8 ms; 125 ms were 65 MiB more.
const ROOMY: ByteSize = ByteSize::gib(8);

/// Keeps free memory for two seconds before the system gets it back, and takes it in small pages. To
/// be called first.
pub(crate) fn set_up() {
    keep_for(KEPT_MILLIS);
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "the system takes this by a foreign call")]
    // SAFETY: it sets a flag of this process, and may be called at any time and from any thread. A
    // kernel that knows no huge pages refuses, and has nothing to forbid.
    unsafe {
        libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0);
    }
}

/// Keeps free memory for less time if the process is to have little.
pub(crate) fn fit(budget: ByteSize) {
    let mib = |size: ByteSize| size.0 >> 20;
    let (has, roomy) = (mib(budget.min(ROOMY)), mib(ROOMY));
    keep_for(KEPT_MILLIS * has * has / (roomy * roomy));
}

fn keep_for(millis: u64) {
    let millis = c_long::try_from(millis).unwrap_or(c_long::MAX);
    #[expect(unsafe_code, reason = "mimalloc takes options by foreign calls")]
    // SAFETY: it stores a number in an option that exists in the versions named above, which the
    // allocator reads whenever it frees; it may be called at any time and from any thread.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, millis);
    }
}
