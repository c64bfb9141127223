//! Which system calls are ours. One that is neither ours nor hostile fails as if this kernel did not
//! have it: a C library that is newer than these lists then does without, and the proxy goes on.

// A hundred names and more, which say themselves what they are.
#![allow(clippy::wildcard_imports)]

use libc::*;

/// What becomes of a call.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    /// It happens.
    Allow,
    /// The process ends with SIGSYS.
    Kill,
    /// It fails with ENOSYS.
    Refuse,
}

/// A call of which not all is ours.
pub(super) struct Rule {
    pub(super) call: c_long,
    /// Any of these, of which each wants all of its tests passed.
    pub(super) when: &'static [&'static [Test]],
    pub(super) then: Verdict,
    pub(super) otherwise: Verdict,
}

/// Whether an argument, under a mask, is one of these. Only its lower 32 bits are looked at, and the
/// kernel looks at no more of those tested here.
pub(super) struct Test {
    pub(super) argument: u8,
    pub(super) mask: u32,
    pub(super) values: &'static [u32],
}

/// What carrying bytes is made of, most frequent first: a call is compared with all before its own.
pub(super) const OFTEN: &[c_long] = &[
    SYS_epoll_pwait,
    SYS_recvfrom,
    SYS_sendto,
    SYS_splice,
    #[cfg(target_pointer_width = "32")]
    CLOCK_GETTIME64,
    SYS_clock_gettime,
    SYS_write,
    SYS_read,
    // Where rustix makes its calls itself.
    #[cfg(target_arch = "arm")]
    SYS_recv,
    #[cfg(target_arch = "arm")]
    SYS_send,
    SYS_epoll_ctl,
    #[cfg(target_pointer_width = "32")]
    FUTEX_TIME64,
    SYS_futex,
    SYS_writev,
    SYS_setsockopt,
    SYS_getsockopt,
    SYS_close,
    SYS_shutdown,
    SYS_accept4,
    SYS_connect,
    SYS_getsockname,
    SYS_getpeername,
];

/// Ours in part.
pub(super) const PARTLY: &[Rule] = &[
    // Where rustix makes its calls itself: all that is done with sockets, but to open one, which goes
    // through the C library and is a call of its own.
    #[cfg(target_arch = "x86")]
    Rule {
        call: SYS_socketcall,
        when: &[&[is(0, &[1])]],
        then: Verdict::Refuse,
        otherwise: Verdict::Allow,
    },
    // Nothing raw, and none of the many protocols that a kernel has and hardly anybody looks at.
    Rule {
        call: SYS_socket,
        when: &[
            &[
                is(0, &[bits(AF_INET), bits(AF_INET6)]),
                masked(1, 0xf, &[bits(SOCK_STREAM), bits(SOCK_DGRAM)]),
                is(2, &[0, bits(IPPROTO_TCP), bits(IPPROTO_UDP)]),
            ],
            &[is(0, &[bits(AF_UNIX)])],
            // Which addresses are this machine's.
            &[is(0, &[bits(AF_NETLINK)]), is(2, &[bits(NETLINK_ROUTE)])],
        ],
        then: Verdict::Allow,
        otherwise: Verdict::Refuse,
    },
    // Threads and no processes. The newer call has its flags in memory, out of sight, and is refused:
    // C libraries then make this one.
    Rule {
        call: SYS_clone,
        when: &[&[masked(0, !bits(CLONE_DETACHED), &[bits(THREAD)])]],
        then: Verdict::Allow,
        otherwise: Verdict::Kill,
    },
    // No new code, which only glibc loads, to look up names.
    #[cfg(not(target_env = "gnu"))]
    Rule {
        call: MMAP,
        when: &[&[masked(2, bits(PROT_EXEC), &[0])]],
        then: Verdict::Allow,
        otherwise: Verdict::Kill,
    },
    #[cfg(not(target_env = "gnu"))]
    Rule {
        call: SYS_mprotect,
        when: &[&[masked(2, bits(PROT_EXEC), &[0])]],
        then: Verdict::Allow,
        otherwise: Verdict::Kill,
    },
    // Not of terminals, into which one could type.
    Rule {
        call: SYS_ioctl,
        when: &[&[is(1, IOCTLS)]],
        then: Verdict::Allow,
        otherwise: Verdict::Refuse,
    },
    // The name of a thread.
    Rule {
        call: SYS_prctl,
        when: &[&[is(0, &[bits(PR_SET_NAME)])]],
        then: Verdict::Allow,
        otherwise: Verdict::Refuse,
    },
    // How many files this process may have open, and how much memory; nothing of any other.
    Rule {
        call: SYS_prlimit64,
        when: &[&[is(0, &[0]), is(1, LIMITS)]],
        then: Verdict::Allow,
        otherwise: Verdict::Refuse,
    },
    // How a panic ends.
    Rule {
        call: SYS_tgkill,
        when: &[&[is(2, &[bits(SIGABRT)])]],
        then: Verdict::Allow,
        otherwise: Verdict::Kill,
    },
    Rule {
        call: SYS_tkill,
        when: &[&[is(1, &[bits(SIGABRT)])]],
        then: Verdict::Allow,
        otherwise: Verdict::Kill,
    },
];

/// Ours, but seldom.
pub(super) const SELDOM: &[c_long] = &[
    // Sockets, pipes, and waiting for them.
    SYS_bind,
    SYS_epoll_create1,
    SYS_eventfd2,
    SYS_fcntl,
    #[cfg(target_pointer_width = "32")]
    SYS_fcntl64,
    SYS_listen,
    SYS_pipe2,
    SYS_ppoll,
    #[cfg(target_pointer_width = "32")]
    PPOLL_TIME64,
    SYS_readv,
    SYS_recvmsg,
    SYS_sendmsg,
    #[cfg(target_env = "gnu")]
    SYS_sendmmsg,
    SYS_socketpair,
    // Files.
    SYS_fchmodat,
    SYS_flock,
    SYS_fstat,
    SYS_fsync,
    SYS_getdents64,
    SYS_lseek,
    #[cfg(target_pointer_width = "32")]
    SYS__llseek,
    SYS_mkdirat,
    #[cfg(target_pointer_width = "64")]
    SYS_newfstatat,
    SYS_openat,
    #[cfg(all(target_env = "gnu", target_pointer_width = "64"))]
    SYS_pread64,
    SYS_readlinkat,
    #[cfg(not(target_arch = "riscv64"))]
    SYS_renameat,
    SYS_renameat2,
    SYS_statx,
    SYS_unlinkat,
    // Memory.
    SYS_brk,
    SYS_madvise,
    #[cfg(target_env = "gnu")]
    MMAP,
    #[cfg(target_env = "gnu")]
    SYS_mprotect,
    SYS_mremap,
    SYS_munmap,
    // Threads, signals and sleep.
    SYS_clock_nanosleep,
    #[cfg(target_pointer_width = "32")]
    CLOCK_NANOSLEEP_TIME64,
    SYS_exit,
    SYS_exit_group,
    SYS_membarrier,
    SYS_nanosleep,
    SYS_restart_syscall,
    #[cfg(target_pointer_width = "64")]
    SYS_rseq,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sched_getaffinity,
    SYS_sched_yield,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_sigaltstack,
    #[cfg(target_pointer_width = "32")]
    SYS_sigreturn,
    // Who and where we are.
    SYS_getegid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getuid,
    #[cfg(any(target_arch = "arm", target_arch = "x86"))]
    SYS_getegid32,
    #[cfg(any(target_arch = "arm", target_arch = "x86"))]
    SYS_geteuid32,
    #[cfg(any(target_arch = "arm", target_arch = "x86"))]
    SYS_getgid32,
    #[cfg(any(target_arch = "arm", target_arch = "x86"))]
    SYS_getuid32,
    SYS_getpid,
    SYS_getrandom,
    SYS_gettid,
    SYS_sysinfo,
    SYS_uname,
];

/// The same, of CPUs that Linux ran on before it had something better.
#[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
pub(super) const OLD: &[c_long] = &[
    SYS_access,
    SYS_chmod,
    SYS_epoll_wait,
    SYS_lstat,
    SYS_mkdir,
    SYS_open,
    SYS_poll,
    SYS_readlink,
    SYS_rename,
    SYS_stat,
    SYS_unlink,
];
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
pub(super) const OLD: &[c_long] = &[];

/// What we would never do, and who has taken us over would: other programs and processes, the
/// kernel's rarer machinery, other users and other views of the files. Refusing would let him try
/// the next.
pub(super) const HOSTILE: &[c_long] = &[
    // Programs, and code that is in no file.
    SYS_execve,
    SYS_execveat,
    #[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
    SYS_fork,
    SYS_memfd_create,
    // Other processes.
    SYS_kill,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_ptrace,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    // Other files and networks than we were given.
    SYS_chroot,
    SYS_fsopen,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_open_by_handle_at,
    SYS_open_tree,
    SYS_pivot_root,
    SYS_setns,
    SYS_umount2,
    SYS_unshare,
    // Other users.
    SYS_setgid,
    SYS_setgroups,
    SYS_setresgid,
    SYS_setresuid,
    SYS_setuid,
    // Ways into the kernel.
    SYS_add_key,
    SYS_bpf,
    SYS_delete_module,
    SYS_finit_module,
    SYS_init_module,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_uring_setup,
    SYS_kexec_load,
    SYS_keyctl,
    SYS_perf_event_open,
    SYS_personality,
    SYS_request_key,
    SYS_userfaultfd,
];

#[cfg(target_pointer_width = "32")]
const MMAP: c_long = SYS_mmap2;
#[cfg(target_pointer_width = "64")]
const MMAP: c_long = SYS_mmap;

// With seconds of 64 bits. Calls of this age have the same numbers everywhere, after what a CPU's own
// begin with.
#[cfg(target_pointer_width = "32")]
const CLOCK_GETTIME64: c_long = SYS_clone3 - 435 + 403;
#[cfg(target_pointer_width = "32")]
const CLOCK_NANOSLEEP_TIME64: c_long = SYS_clone3 - 435 + 407;
#[cfg(target_pointer_width = "32")]
const PPOLL_TIME64: c_long = SYS_clone3 - 435 + 414;
#[cfg(target_pointer_width = "32")]
const FUTEX_TIME64: c_long = SYS_clone3 - 435 + 422;

/// How C libraries start a thread; musl adds [`CLONE_DETACHED`], which has no meaning any more.
const THREAD: c_int = CLONE_VM
    | CLONE_FS
    | CLONE_FILES
    | CLONE_SIGHAND
    | CLONE_THREAD
    | CLONE_SYSVSEM
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID;

#[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)] // In glibc it is of a type of its own.
const LIMITS: &[u32] = &[RLIMIT_NOFILE as u32, RLIMIT_AS as u32, RLIMIT_DATA as u32];

/// Blocking or not, bytes there to read, and whether it is a terminal, as either C library asks.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Of 32 bits, in various types.
const IOCTLS: &[u32] = &[
    FIONBIO as u32,
    FIONREAD as u32,
    TCGETS as u32,
    TIOCGWINSZ as u32,
];

const fn is(argument: u8, values: &'static [u32]) -> Test {
    masked(argument, u32::MAX, values)
}

const fn masked(argument: u8, mask: u32, values: &'static [u32]) -> Test {
    Test {
        argument,
        mask,
        values,
    }
}

const fn bits(number: c_int) -> u32 {
    number.cast_unsigned()
}
