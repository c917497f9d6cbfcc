//! How willingly the calling thread gives way to others.

use std::io;

/// How long a thread that gives way may keep a core while another one waits for it: the shortest that Linux knows.
const SLICE_NS: u64 = 100_000;

/// Lowers the calling thread's priority to `nice` (0 to 19), and its time slice to the shortest. The threads that it makes
/// inherit both, and without privileges `nice` never rises again.
///
/// The nice value says how much of a busy core a thread gets, not how soon it leaves the core: since Linux 6.6 a thread that
/// has begun a slice, of milliseconds, may end it while one of higher priority waits. Since 6.12 a thread may have slices of
/// its own length; an older kernel, which does not let it end them, ignores the wish.
///
/// # Errors
/// What the kernel says.
pub fn give_way(nice: i32) -> io::Result<()> {
    set_attributes(nice).or_else(|_| set_nice(nice))
}

fn set_attributes(nice: i32) -> io::Result<()> {
    const SIZE: usize = size_of::<libc::sched_attr>();
    let attributes = libc::sched_attr {
        #[expect(clippy::cast_possible_truncation, reason = "a few dozen bytes")]
        size: SIZE as u32,
        sched_policy: libc::SCHED_OTHER.cast_unsigned(),
        sched_flags: 0,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: SLICE_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the attributes are alive, as long as they say, and only read.
    result(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) })
}

/// For a sandbox that refuses the newer call. On Linux it is about the calling thread alone.
fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: the function takes any values.
    result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }.into())
}

fn result(returned: i64) -> io::Result<()> {
    if returned == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nice value of the calling thread.
    fn nice() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux tells");
        let fields = stat.rsplit(')').next().expect("has a name");
        let nice = fields
            .split_ascii_whitespace()
            .nth(16)
            .expect("is long enough");
        nice.parse().expect("is a number")
    }

    #[test]
    fn a_thread_gives_way_alone_and_those_it_makes_do_too() {
        let before = nice();
        let inherited = || std::thread::spawn(nice).join().expect("does not panic");
        let lowered = |set: fn(i32) -> io::Result<()>| {
            std::thread::spawn(move || {
                set(17).expect("is always allowed");
                (nice(), inherited())
            })
        };
        for set in [give_way, set_nice] {
            assert_eq!(lowered(set).join().expect("does not panic"), (17, 17));
        }
        assert_eq!(nice(), before);
    }
}
