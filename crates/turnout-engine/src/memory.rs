//! What pages large blocks have, and freed memory, back to the system.

use std::mem::MaybeUninit;

/// Of x86-64, and of aarch64 with small pages of 4 KiB.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// What is smaller is soon used again.
const LARGE_BYTES: usize = 1 << 20;
/// The most that a thread's heap keeps at its end. There are as many heaps as there were ever threads at one time.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: i32 = 1 << 20;
/// The smallest block that has pages of its own.
#[cfg(target_env = "gnu")]
const OWN_PAGES_BYTES: i32 = 8 << 20;

/// More heaps than there are threads. By default eight a core, which further threads share: an event loop then waits for a
/// heap's lock that a thread of low priority holds, and that thread for its turn (2 to 20 ms seen).
#[cfg(target_env = "gnu")]
const HEAPS: i32 = 1 << 16;

/// Bounds what glibc keeps of freed memory, and gives each thread a heap of its own. Process-wide: for processes that are
/// ours, not for a guest in a notebook.
///
/// Left alone, glibc raises its thresholds with each large block that is freed, to 32 and 64 MiB, and keeps that much at
/// the end of each thread's heap, where nothing but this can reach it. Measured with a model of 54 MB, unloaded: 108 MB
/// stayed resident, 27 when heaps were trimmed, less than 0.1 with this too. The price is that buffers above 8 MiB are
/// fresh pages each time.
pub fn bound_retention() {
    #[cfg(target_env = "gnu")]
    for (parameter, bytes) in [
        (glibc::M_TRIM_THRESHOLD, KEPT_BYTES),
        (glibc::M_MMAP_THRESHOLD, OWN_PAGES_BYTES),
        (glibc::M_ARENA_MAX, HEAPS),
    ] {
        // SAFETY: the function takes any values, and ignores those that it does not know.
        unsafe { glibc::mallopt(parameter, bytes) };
    }
}

/// Asks for pages of 2 MiB below a block that is about to be filled. Where there are none, nothing changes.
///
/// A fresh page costs a fault and its clearing, and on a virtual machine often a second fault in the host: 54 MB took
/// 90 ms in pages of 4 KiB and 35 in large ones, 6 when the pages were there already.
pub(crate) fn prefer_huge_pages(block: &mut [MaybeUninit<u8>]) {
    let skipped = block.as_ptr().align_offset(HUGE_PAGE_BYTES);
    let Some(pages) = block.get_mut(skipped..) else {
        return;
    };
    let whole_bytes = pages.len() / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    // SAFETY: the pages lie within the block, and the advice changes no byte of them. What is returned says only whether
    // it was taken.
    unsafe { libc::madvise(pages.as_mut_ptr().cast(), whole_bytes, libc::MADV_HUGEPAGE) };
}

/// Returns freed pages to the system when it is dropped: the last field of what holds something large.
///
/// Takes milliseconds: for threads that load and unload, not for those that answer.
#[derive(Debug)]
pub(crate) struct GiveBack {
    large: bool,
}

impl GiveBack {
    pub(crate) fn after(bytes: usize) -> Self {
        Self {
            large: bytes >= LARGE_BYTES,
        }
    }
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        if self.large {
            trim();
        }
    }
}

/// Returns what is free between blocks that are in use, in all threads' heaps.
fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the function has no preconditions, and locks what it touches.
    unsafe {
        glibc::malloc_trim(0);
    }
}

#[cfg(target_env = "gnu")]
mod glibc {
    use std::ffi::c_int;

    pub(super) const M_TRIM_THRESHOLD: c_int = -1;
    pub(super) const M_MMAP_THRESHOLD: c_int = -3;
    pub(super) const M_ARENA_MAX: c_int = -8;

    unsafe extern "C" {
        pub(super) fn mallopt(parameter: c_int, value: c_int) -> c_int;
        pub(super) fn malloc_trim(pad: usize) -> c_int;
    }
}
