//! Scheduling of media threads: ahead of ordinary threads, where the system lets us.
//!
//! An ordinary thread that wakes waits for the slice of whoever runs, 3 ms and more on a busy core. Measured with 400 legs beside four compilers on two cores: 103 of 350
//! ticks began more than 5 ms late as an ordinary thread, none of 300 as a real-time one. It takes `CAP_SYS_NICE` or a limit `rtprio`
//! (`LimitRTPRIO=` of systemd) of at least [`PRIORITY`]; without, media threads are ordinary ones.

/// Low among the real-time priorities (1 to 99): ahead of what computes, behind what drives hardware.
pub const PRIORITY: i32 = 10;

/// Makes the calling thread a real-time one (round robin; threads that it starts are ordinary); false where that is not permitted.
pub fn raise() -> bool {
    #[cfg(target_env = "gnu")]
    return schedule(libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, PRIORITY);
    #[cfg(not(target_env = "gnu"))]
    return false;
}

/// Makes the calling thread an ordinary one again: one that cannot keep up must not starve the rest of the machine.
pub fn lower() {
    #[cfg(target_env = "gnu")]
    schedule(libc::SCHED_OTHER, 0);
}

#[cfg(target_env = "gnu")]
#[expect(
    unsafe_code,
    reason = "neither std nor nix wraps this call; it reads one structure, which lives through it, and changes the calling thread only"
)]
fn schedule(policy: i32, sched_priority: i32) -> bool {
    let parameters = libc::sched_param { sched_priority };
    // SAFETY: the pointer is to a whole, initialised structure on this stack, which the kernel copies before the call returns.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) == 0 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_thread_is_raised_where_permitted_and_lowered_again() {
        let policy = |status: &str| -> i32 {
            // Field 41 of /proc/thread-self/stat; the name in field 2 holds no blanks here.
            status.split(' ').nth(40).and_then(|field| field.parse().ok()).unwrap()
        };
        let read = move || policy(&std::fs::read_to_string("/proc/thread-self/stat").unwrap());
        std::thread::Builder::new()
            .name("test".to_owned())
            .spawn(move || {
                let raised = super::raise();
                assert_eq!(read() == libc::SCHED_RR, raised);
                super::lower();
                assert_eq!(read(), libc::SCHED_OTHER);
            })
            .unwrap()
            .join()
            .unwrap();
    }
}
