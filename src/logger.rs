//! The log: records in, one line an event out, for procd or for a person at a terminal. Never
//! more than one line, and never the reason why the daemon ends.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::one_line::OneLine;
use crate::timestamp::Timestamp;

/// The target of what a start says, which is shown whatever the level: that a daemon listens, and
/// on what, must not depend on `log_level`.
pub const START: &str = "waproxy::start";

/// Makes this the log of the process, at level `warn`.
pub fn init() {
    // Fails only where there is a log already, in a test that calls this twice.
    let _ = log::set_logger(&Logger);
    set_level(LevelFilter::Warn);
}

/// What is logged from now on.
pub fn set_level(level: LevelFilter) {
    LEVEL.store(level as usize, Ordering::Relaxed);
    // The rest is turned away before it is formatted; START must come through.
    log::set_max_level(level.max(LevelFilter::Info));
}

/// A [`LevelFilter`]. A number, since there is no atomic of it.
static LEVEL: AtomicUsize = AtomicUsize::new(LevelFilter::Warn as usize);

/// Errors and warnings to stderr, the rest to stdout. procd adds the time to what it reads from
/// either; a terminal gets it from here.
struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        shows(metadata, LEVEL.load(Ordering::Relaxed))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let urgent = record.level() <= Level::Warn;
        let terminal = if urgent {
            io::stderr().is_terminal()
        } else {
            io::stdout().is_terminal()
        };
        let line = line(record, terminal.then(Timestamp::now));
        // Whoever read the log is gone, perhaps. There is nobody left to tell.
        let _ = if urgent {
            io::stderr().write_all(line.as_bytes())
        } else {
            io::stdout().write_all(line.as_bytes())
        };
    }

    fn flush(&self) {}
}

/// Whether a record is shown at `level`, a [`LevelFilter`].
fn shows(metadata: &Metadata<'_>, level: usize) -> bool {
    metadata.level() as usize <= level || metadata.target() == START
}

/// A record as its line, with the newline.
fn line(record: &Record<'_>, now: Option<Timestamp>) -> String {
    let mut line = now.map(|now| format!("{now} ")).unwrap_or_default();
    line += match record.level() {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        _ => "",
    };
    let message = record.args().to_string();
    // Writing to a string does not fail.
    let _ = writeln!(line, "{}", OneLine(&message));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(level: Level, message: &str, now: Option<Timestamp>) -> String {
        let record = Record::builder();
        let args = format_args!("{message}");
        line(&{ record }.level(level).args(args).build(), now)
    }

    fn shown(level: Level, target: &str, filter: LevelFilter) -> bool {
        let metadata = Metadata::builder().level(level).target(target).build();
        shows(&metadata, filter as usize)
    }

    #[test]
    fn only_errors_and_warnings_say_what_they_are() {
        assert_eq!(said(Level::Error, "a", None), "error: a\n");
        assert_eq!(said(Level::Warn, "b", None), "warning: b\n");
        assert_eq!(said(Level::Info, "c", None), "c\n");
        assert_eq!(said(Level::Trace, "d", None), "d\n");
    }

    #[test]
    fn a_terminal_gets_the_time() {
        let now = Some(Timestamp(time::OffsetDateTime::UNIX_EPOCH));
        let line = said(Level::Warn, "a", now);
        assert_eq!(line, "1970-01-01T00:00:00Z warning: a\n");
    }

    #[test]
    fn no_message_makes_a_second_line() {
        let line = said(Level::Info, "a\nerror: b\r\u{1b}[2J\u{85}é\t\0", None);
        assert_eq!(line, "a\\nerror: b\\r\\u{1b}[2J\\u{85}é\\t\\u{0}\n");
    }

    #[test]
    fn the_level_decides_but_for_a_start() {
        assert!(shown(Level::Warn, "waproxy::tls", LevelFilter::Warn));
        assert!(!shown(Level::Info, "waproxy::tls", LevelFilter::Warn));
        assert!(shown(Level::Trace, "waproxy::tls", LevelFilter::Trace));
        assert!(!shown(Level::Error, "waproxy::tls", LevelFilter::Off));
        assert!(shown(Level::Info, START, LevelFilter::Off));
    }
}
