//! Freed memory, back to the system.

/// What is smaller is soon used again.
const LARGE_BYTES: usize = 1 << 20;

/// Returns freed pages to the system when it is dropped: the last field of what holds something large.
///
/// The C library raises its threshold for memory of its own pages with each large block that is freed, up to 32 MiB, so
/// that without this two to three times the weights of a 54 MB model stayed resident after it was unloaded. Takes milliseconds:
/// for threads that load and unload, not for those that answer.
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

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    // SAFETY: the function has no preconditions, and locks what it touches.
    unsafe { malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}
