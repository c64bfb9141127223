//! Tries the sandbox on this kernel and CPU: each trial enters it in a process of its own and makes
//! one call, and what became of that is compared with what should have.
//!
//!     trial               all of them, each with its verdict; fails where one is wrong
//!     trial --one NAME    that one
//!
//! Wants a kernel with seccomp. As root it says the most: then nothing but the sandbox forbids these
//! calls, whose arguments lead nowhere.

// System calls as numbers, which no crate makes for us.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::wildcard_imports)]
#![allow(clippy::cast_possible_wrap, clippy::cast_lossless)]

#[cfg(target_arch = "x86_64")]
use std::arch::asm;
use std::fmt::{self, Display};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;
use std::{env, process, thread};

use libc::*;

/// What becomes of a trial.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Verdict {
    /// SIGABRT ended the process, as a panic does.
    Aborted,
    /// It did what it does without a sandbox.
    Allowed,
    /// SIGSYS ended the process.
    Killed,
    /// ENOSYS.
    Refused,
    /// Another end, such as another error.
    Other(ExitStatus),
}

/// What ends a trial that was refused, beside its success.
const REFUSED: i32 = 3;
const OTHER: i32 = 4;

/// Set where a trial is made, which must not make all of them in its turn.
const INSIDE: &str = "WAPROXY_INSIDE_A_TRIAL";

struct Trial {
    name: &'static str,
    should: Verdict,
    call: fn() -> io::Result<()>,
}

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    // Other words are what `cargo test` is to look for.
    if let (Some("--one"), Some(name)) = (words.next().as_deref(), words.next()) {
        let trial = TRIALS.iter().find(|trial| trial.name == name);
        let trial = trial.unwrap_or_else(|| panic!("no trial has the name {name}"));
        waproxy::sandbox::enter();
        process::exit(match (trial.call)() {
            Ok(()) => 0,
            Err(error) if error.raw_os_error() == Some(ENOSYS) => REFUSED,
            Err(error) => {
                eprintln!("{name}: {error}");
                OTHER
            }
        });
    }
    assert!(env::var_os(INSIDE).is_none(), "a trial made all of them");
    let wrong = TRIALS.iter().filter(|trial| !passes(trial)).count();
    println!("{} trials, {wrong} of them wrong", TRIALS.len());
    if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Tries it in a process of its own and tells what became of it.
fn passes(trial: &Trial) -> bool {
    let mut command = Command::new(env::current_exe().unwrap());
    let ended = command
        .args(["--one", trial.name])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let verdict = match (ended.status.code(), ended.status.signal()) {
        (Some(0), _) => Verdict::Allowed,
        (Some(REFUSED), _) => Verdict::Refused,
        (_, Some(SIGABRT)) => Verdict::Aborted,
        (_, Some(SIGSYS)) => Verdict::Killed,
        _ => Verdict::Other(ended.status),
    };
    let right = verdict == trial.should;
    println!(
        "{}: {verdict}{}",
        trial.name,
        if right { "" } else { ", WRONG" }
    );
    if !right {
        print!("{}", String::from_utf8_lossy(&ended.stderr));
    }
    right
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("aborted"),
            Self::Allowed => f.write_str("allowed"),
            Self::Killed => f.write_str("killed"),
            Self::Refused => f.write_str("refused"),
            Self::Other(status) => Display::fmt(status, f),
        }
    }
}

const TRIALS: &[Trial] = &[
    // What the daemon does.
    trial("names are looked up", Verdict::Allowed, || {
        // Whether there is such a name is another question.
        let _ = ("localhost", 1).to_socket_addrs();
        Ok(())
    }),
    trial("TCP carries", Verdict::Allowed, || {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        client.write_all(b"bytes")?;
        listener.accept()?.0.read_exact(&mut [0; 5])
    }),
    trial("UDP carries", Verdict::Allowed, || {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.send_to(b"bytes", socket.local_addr()?)?;
        socket.recv(&mut [0; 5]).map(drop)
    }),
    trial("Unix sockets carry", Verdict::Allowed, || {
        let (mut here, mut there) = UnixStream::pair()?;
        here.write_all(b"bytes")?;
        there.read_exact(&mut [0; 5])
    }),
    trial("files are kept", Verdict::Allowed, || {
        let path = env::temp_dir().join(format!("waproxy-trial-{}", process::id()));
        let draft = path.with_extension("draft");
        let mut file = File::create_new(&draft)?;
        file.write_all(b"text")?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        fs::read_to_string(&path)?;
        fs::remove_file(&path)
    }),
    trial("threads run and sleep", Verdict::Allowed, || {
        let sleeper = thread::spawn(|| thread::sleep(Duration::from_millis(2)));
        sleeper.join().map_err(|_| io::Error::other("panicked"))
    }),
    trial("memory grows", Verdict::Allowed, || {
        let mut memory = vec![1_u8; 1 << 20];
        memory.resize(8 << 20, 2);
        black_box(memory);
        Ok(())
    }),
    trial("a panic ends it", Verdict::Aborted, || process::abort()),
    // What it must not do, and would have no reason to try.
    trial("execve", Verdict::Killed, || call(SYS_execve, [0; 3])),
    trial("execveat", Verdict::Killed, || call(SYS_execveat, [0; 5])),
    #[cfg(target_arch = "mips")]
    trial("execve by another call", Verdict::Killed, || {
        call(SYS_syscall, [SYS_execve, 0, 0, 0])
    }),
    #[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
    trial("fork", Verdict::Killed, || call(SYS_fork, [])),
    trial("a process by clone", Verdict::Killed, || {
        call(SYS_clone, [SIGCHLD.into(), 0, 0, 0, 0])
    }),
    trial("a process by clone3", Verdict::Refused, || {
        call(SYS_clone3, [0; 2])
    }),
    trial("new code", NEW_CODE, || {
        let memory = call_for(SYS_MMAP, [0, 4096, RW, PRIVATE, -1, 0])?;
        call(SYS_mprotect, [memory, 4096, PROT_EXEC.into()])
    }),
    trial("new code at once", NEW_CODE, || {
        call(
            SYS_MMAP,
            [0, 4096, RW | c_long::from(PROT_EXEC), PRIVATE, -1, 0],
        )
    }),
    trial("a file of memory", Verdict::Killed, || {
        call(SYS_memfd_create, [0; 2])
    }),
    trial("a signal", Verdict::Killed, || {
        call(SYS_kill, [this_process(), 0])
    }),
    trial("a signal to a thread", Verdict::Killed, || {
        call(SYS_tgkill, [this_process(), 1, SIGKILL.into()])
    }),
    trial("ptrace", Verdict::Killed, || call(SYS_ptrace, [0; 4])),
    trial("memory of another", Verdict::Killed, || {
        call(SYS_process_vm_readv, [1, 0, 0, 0, 0, 0])
    }),
    trial("mount", Verdict::Killed, || call(SYS_mount, [0; 5])),
    trial("chroot", Verdict::Killed, || call(SYS_chroot, [0])),
    trial("unshare", Verdict::Killed, || call(SYS_unshare, [0])),
    trial("setns", Verdict::Killed, || call(SYS_setns, [-1, 0])),
    trial("setuid", Verdict::Killed, || call(SYS_setuid, [0])),
    trial("a module", Verdict::Killed, || {
        call(SYS_init_module, [0; 3])
    }),
    trial("bpf", Verdict::Killed, || call(SYS_bpf, [0; 3])),
    trial("perf", Verdict::Killed, || {
        call(SYS_perf_event_open, [0; 5])
    }),
    trial("keys", Verdict::Killed, || call(SYS_keyctl, [0; 5])),
    trial("io_uring", Verdict::Killed, || {
        call(SYS_io_uring_setup, [0; 2])
    }),
    trial("userfaultfd", Verdict::Killed, || {
        call(SYS_userfaultfd, [0])
    }),
    trial("personality", Verdict::Killed, || {
        call(SYS_personality, [-1])
    }),
    // What it has no use for.
    trial("a raw socket", Verdict::Refused, || {
        socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
    }),
    trial("a socket of packets", Verdict::Refused, || {
        socket(AF_PACKET, SOCK_DGRAM, 0)
    }),
    trial("a socket of SCTP", Verdict::Refused, || {
        socket(AF_INET6, SOCK_STREAM, IPPROTO_SCTP)
    }),
    trial("a socket of the firewall", Verdict::Refused, || {
        socket(AF_NETLINK, SOCK_DGRAM, NETLINK_NETFILTER)
    }),
    trial("typing into the terminal", Verdict::Refused, || {
        call(SYS_ioctl, [0, TIOCSTI as c_long, 0])
    }),
    trial("being looked into again", Verdict::Refused, || {
        call(SYS_prctl, [PR_SET_DUMPABLE.into(), 1, 0, 0, 0])
    }),
    trial("core dumps again", Verdict::Refused, || {
        call(SYS_prlimit64, [0, RLIMIT_CORE as c_long, 0, 0])
    }),
    trial("links", Verdict::Refused, || {
        call(SYS_symlinkat, [0, AT_FDCWD.into(), 0])
    }),
    trial("a call from the future", Verdict::Refused, || {
        call(SYS_clone3 - 435 + 4000 - 1, [])
    }),
    #[cfg(target_arch = "x86_64")]
    trial("a call of x32", Verdict::Killed, || {
        call(0x4000_0000 + SYS_getpid, [])
    }),
    #[cfg(target_arch = "x86_64")]
    trial("a call of 32 bits", Verdict::Killed, || {
        let getpid = 20;
        // SAFETY: it writes to no memory, and to no register but this.
        unsafe { asm!("int 0x80", inout("eax") getpid => _) };
        Ok(())
    }),
];

/// glibc loads code to look up names, and so it may.
const NEW_CODE: Verdict = if cfg!(target_env = "gnu") {
    Verdict::Allowed
} else {
    Verdict::Killed
};

#[cfg(target_pointer_width = "32")]
const SYS_MMAP: c_long = SYS_mmap2;
#[cfg(target_pointer_width = "64")]
const SYS_MMAP: c_long = SYS_mmap;
const RW: c_long = (PROT_READ | PROT_WRITE) as c_long;
const PRIVATE: c_long = (MAP_PRIVATE | MAP_ANONYMOUS) as c_long;

const fn trial(name: &'static str, should: Verdict, call: fn() -> io::Result<()>) -> Trial {
    Trial { name, should, call }
}

fn this_process() -> c_long {
    // No process has a number that is larger.
    process::id() as c_long
}

fn socket(family: c_int, kind: c_int, protocol: c_int) -> io::Result<()> {
    call(SYS_socket, [family.into(), kind.into(), protocol.into()])
}

fn call<const N: usize>(number: c_long, arguments: [c_long; N]) -> io::Result<()> {
    call_for(number, arguments).map(drop)
}

/// Makes a system call.
fn call_for<const N: usize>(number: c_long, arguments: [c_long; N]) -> io::Result<c_long> {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    // SAFETY: no trial points to memory but to what it has just been given.
    let result = unsafe { libc::syscall(number, all[0], all[1], all[2], all[3], all[4], all[5]) };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
