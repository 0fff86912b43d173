//! What a process has in its memory: every mapping of it that can be read, searched for bytes. The kernel gives it to whoever may trace the process:
//! its parent, where the scope of ptrace (`/proc/sys/kernel/yama/ptrace_scope`) is 0 or 1, or root.

use std::{fs, os::unix::fs::FileExt as _};

/// Bytes read at a time.
const STEP: usize = 1 << 20;

/// Whether these bytes are among those.
pub fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    found(bytes, &[wanted])[0]
}

/// Which of these are in a process's memory, and how many bytes were searched.
///
/// # Panics
/// The memory may not be read: what is to be shown cannot be shown then, which is not the same as shown.
pub fn search(pid: u32, wanted: &[&[u8]]) -> (Vec<bool>, usize) {
    let refused = |error: std::io::Error| -> ! {
        panic!(
            "NOT SHOWN: the memory of process {pid} may not be read ({error}). This test needs to trace its own children: \
             kernel.yama.ptrace_scope of 0 or 1, and in a container the right to (--cap-add SYS_PTRACE)"
        )
    };
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_else(|error| refused(error));
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap_or_else(|error| refused(error));
    let overlap = wanted.iter().map(|wanted| wanted.len()).max().unwrap_or_default();
    let (mut seen, mut searched, mut buffer) = (vec![false; wanted.len()], 0, vec![0; STEP + overlap]);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().expect("a range"), words.next().expect("rights"));
        // Those of the kernel: its time, its calls.
        if !rights.starts_with('r') || words.next_back().is_some_and(|name| ["[vvar]", "[vvar_vclock]", "[vsyscall]"].contains(&name)) {
            continue;
        }
        let (start, end) = range.split_once('-').expect("a range");
        let number = |text| u64::from_str_radix(text, 16).expect("an address");
        let (mut at, end) = (number(start), number(end));
        while at < end {
            let wants = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
            // A mapping that went meanwhile, or a file that is shorter than its mapping.
            let Ok(read @ 1..) = memory.read_at(&mut buffer[..wants], at) else { break };
            for (seen, now) in seen.iter_mut().zip(found(&buffer[..read], wanted)) {
                *seen |= now;
            }
            searched += read.min(STEP);
            at += read.min(STEP) as u64;
        }
    }
    assert!(searched > 1 << 20, "NOT SHOWN: of the memory of process {pid} only {searched} bytes could be read");
    (seen, searched)
}

/// Which of these are among those bytes.
fn found(bytes: &[u8], wanted: &[&[u8]]) -> Vec<bool> {
    let (mut seen, mut begins) = (vec![false; wanted.len()], [false; 256]);
    for wanted in wanted {
        begins[usize::from(wanted[0])] = true;
    }
    let mut at = 0;
    while at < bytes.len() {
        if begins[usize::from(bytes[at])] {
            for (seen, wanted) in seen.iter_mut().zip(wanted) {
                *seen |= bytes[at..].starts_with(wanted);
            }
        }
        at += 1;
    }
    seen
}
