//! System calls that are not ours become impossible. The only unsafe code there is: no crate that
//! reaches all our CPUs has the call that this takes.

mod policy;
mod program;

use std::io;

use self::program::PROGRAM;

/// Has the kernel judge every system call of this thread, and of those that it will start. Fails where
/// the kernel cannot, or this process could still gain privileges.
#[allow(unsafe_code)] // The kernel is given a pointer.
pub(super) fn restrict() -> io::Result<()> {
    let program = libc::sock_fprog {
        len: PROGRAM.len().try_into().map_err(io::Error::other)?,
        filter: PROGRAM.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies what `program` points to, which is a static of this length, and
    // writes nothing.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::c_ulong::from(libc::SECCOMP_MODE_FILTER),
            &raw const program,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
