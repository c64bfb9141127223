//! The policy as a program of the kernel's packet filter, which judges system calls. The compiler
//! makes all of it.

// Numbers of the kernel's, none of which is larger than where it goes, or negative.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
// A mistake ends the compiler.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::mem::offset_of;

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, ENOSYS,
    SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, c_long, seccomp_data,
    sock_filter,
};

use super::policy::{HOSTILE, OFTEN, OLD, PARTLY, Rule, SELDOM, Test, Verdict};

/// The program.
pub(super) static PROGRAM: [sock_filter; ASSEMBLY.length] = {
    let mut program = [NOTHING; ASSEMBLY.length];
    let mut index = 0;
    while index < program.len() {
        program[index] = ASSEMBLY.steps[index];
        index += 1;
    }
    program
};

const ASSEMBLY: Assembly = Assembly::new()
    .right_machine()
    .calls(OFTEN, Verdict::Allow)
    .rules(PARTLY)
    .calls(SELDOM, Verdict::Allow)
    .calls(OLD, Verdict::Allow)
    .calls(HOSTILE, Verdict::Kill)
    .end(Verdict::Refuse);

/// A program in the making.
struct Assembly {
    steps: [sock_filter; 512],
    length: usize,
}

const NOTHING: sock_filter = step(0, 0);

impl Assembly {
    const fn new() -> Self {
        Self {
            steps: [NOTHING; 512],
            length: 0,
        }
    }

    /// Loads the number of the call. Numbers of another kind of program, which some CPUs run too,
    /// mean other calls.
    const fn right_machine(self) -> Self {
        let machine = self
            .load(offset_of!(seccomp_data, arch))
            .jump(BPF_JEQ, ARCH, 1, 0)
            .end(Verdict::Kill)
            .load(offset_of!(seccomp_data, nr));
        if cfg!(target_arch = "x86_64") {
            // x32, from this number on, passes as the same machine.
            machine.jump(BPF_JGE, 0x4000_0000, 0, 1).end(Verdict::Kill)
        } else {
            machine
        }
    }

    /// What becomes of the calls of a list. Others are left to what follows.
    const fn calls(mut self, calls: &[c_long], verdict: Verdict) -> Self {
        let mut left = calls.len();
        while left > 0 {
            let call = calls[calls.len() - left];
            left -= 1;
            // To the verdict after the last; past it if that was none either.
            self = self.jump(BPF_JEQ, number(call), left, (left == 0) as usize);
        }
        if calls.is_empty() {
            self
        } else {
            self.end(verdict)
        }
    }

    const fn rules(mut self, rules: &[Rule]) -> Self {
        let mut index = 0;
        while index < rules.len() {
            self = self.rule(&rules[index]);
            index += 1;
        }
        self
    }

    /// What becomes of one call.
    const fn rule(self, rule: &Rule) -> Self {
        let begin = self.length;
        // How long it is, is known once it is made.
        let mut made = self.jump(BPF_JEQ, number(rule.call), 0, 0);
        let mut index = 0;
        while index < rule.when.len() {
            made = made.all(rule.when[index], rule.then);
            index += 1;
        }
        made = made.end(rule.otherwise);
        made.steps[begin].jf = distance(made.length - begin - 1);
        made
    }

    /// A verdict where all tests are passed.
    const fn all(mut self, tests: &[Test], verdict: Verdict) -> Self {
        let mut length = 1;
        let mut index = 0;
        while index < tests.len() {
            length += 2 + tests[index].values.len();
            index += 1;
        }
        let end = self.length + length;
        let mut index = 0;
        while index < tests.len() {
            self = self.test(&tests[index], end);
            index += 1;
        }
        self.end(verdict)
    }

    /// Goes on where it is passed, and to `end` where not.
    const fn test(mut self, test: &Test, end: usize) -> Self {
        // The lower half of 64 bits.
        let half = if cfg!(target_endian = "big") { 4 } else { 0 };
        self = self
            .load(offset_of!(seccomp_data, args) + 8 * test.argument as usize + half)
            .push(step(BPF_ALU | BPF_AND | BPF_K, test.mask));
        let mut left = test.values.len();
        while left > 0 {
            let value = test.values[test.values.len() - left];
            left -= 1;
            let failed = if left == 0 { end - self.length - 1 } else { 0 };
            self = self.jump(BPF_JEQ, value, left, failed);
        }
        self
    }

    const fn load(self, offset: usize) -> Self {
        self.push(step(BPF_LD | BPF_W | BPF_ABS, offset as u32))
    }

    /// Skips so many steps where the comparison holds, and so many where not.
    const fn jump(self, comparison: u32, value: u32, holds: usize, fails: usize) -> Self {
        let mut jump = step(BPF_JMP | comparison | BPF_K, value);
        jump.jt = distance(holds);
        jump.jf = distance(fails);
        self.push(jump)
    }

    const fn end(self, verdict: Verdict) -> Self {
        let action = match verdict {
            Verdict::Allow => SECCOMP_RET_ALLOW,
            Verdict::Kill => SECCOMP_RET_KILL_PROCESS,
            Verdict::Refuse => SECCOMP_RET_ERRNO | ENOSYS.cast_unsigned(),
        };
        self.push(step(BPF_RET | BPF_K, action))
    }

    const fn push(mut self, step: sock_filter) -> Self {
        self.steps[self.length] = step;
        self.length += 1;
        self
    }
}

const fn step(code: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// A jump reaches no further than this.
const fn distance(steps: usize) -> u8 {
    assert!(steps <= u8::MAX as usize, "a jump that is too far");
    steps as u8
}

const fn number(call: c_long) -> u32 {
    call as u32
}

/// What the kernel calls programs of our kind (`AUDIT_ARCH` in its headers): the machine of their ELF
/// header, word size and byte order.
const ARCH: u32 = MACHINE as u32 | WIDTH | ORDER;
const MACHINE: u16 = if cfg!(target_arch = "aarch64") {
    libc::EM_AARCH64
} else if cfg!(target_arch = "arm") {
    libc::EM_ARM
} else if cfg!(target_arch = "mips") {
    libc::EM_MIPS
} else if cfg!(target_arch = "powerpc") {
    libc::EM_PPC
} else if cfg!(target_arch = "powerpc64") {
    libc::EM_PPC64
} else if cfg!(target_arch = "riscv64") {
    libc::EM_RISCV
} else if cfg!(target_arch = "x86") {
    libc::EM_386
} else {
    libc::EM_X86_64
};
const WIDTH: u32 = if cfg!(target_pointer_width = "64") {
    1 << 31
} else {
    0
};
const ORDER: u32 = if cfg!(target_endian = "little") {
    1 << 30
} else {
    0
};
