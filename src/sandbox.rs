//! What the daemon gives up as soon as it starts, for good and for every thread that it will have:
//! core dumps, a look into its memory from outside, new privileges, and all system calls that it
//! does not make itself. Whoever takes it over gets no further than it. Never a reason not to start.

#[cfg_attr(
    not(any(
        target_arch = "aarch64",
        target_arch = "arm",
        target_arch = "mips",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "riscv64",
        target_arch = "x86",
        target_arch = "x86_64",
    )),
    path = "sandbox/unknown_cpu.rs"
)]
mod seccomp;

use std::fmt::Display;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::set_no_new_privs;

/// Gives all of it up. Wants to be called before there is a second thread. A kernel may not have
/// everything; the log says what is missing.
pub fn enter() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    note("core dumps stay on", setrlimit(Resource::Core, none));
    // Also for one that the kernel hands to a program, and for who has our user and would attach to
    // us: there is a private key in here, and who talks to whom.
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    note("other processes may look into this one", dumpable);
    note("new privileges are possible", set_no_new_privs(true));
    note("any system call is possible", seccomp::restrict());
}

/// Says what could not be given up.
fn note<E: Display>(what: &str, result: Result<(), E>) {
    if let Err(error) = result {
        log::warn!("the sandbox has a gap: {what} ({error})");
    }
}
