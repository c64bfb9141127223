//! Metrics in, OpenMetrics text out.

use std::fmt::{Display, Write as _};

use crate::command::health_word;
use crate::upstream::Health;

/// A label's name and value.
pub(super) type Label<'a> = (&'static str, &'a dyn Display);

/// The text while it is written. Each family is written whole before the next, as the format
/// demands.
#[derive(Default)]
pub(super) struct OpenMetrics(String);

impl OpenMetrics {
    pub(super) fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", "_total", help)
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", "", help)
    }

    pub(super) fn info(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "info", "_info", help)
    }

    /// A family for [`Family::states`].
    pub(super) fn state_set(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "stateset", "", help)
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.0 + "# EOF\n"
    }

    /// Begins a family. Its unit, where it has one, is the last word of its name.
    fn family(
        &mut self,
        name: &'static str,
        kind: &str,
        suffix: &'static str,
        help: &str,
    ) -> Family<'_> {
        let text = &mut self.0;
        // Writing to a string does not fail, here and below.
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for unit in ["bytes", "seconds"] {
            if name
                .strip_suffix(unit)
                .is_some_and(|name| name.ends_with('_'))
            {
                let _ = writeln!(text, "# UNIT {name} {unit}");
            }
        }
        let _ = writeln!(text, "# HELP {name} {help}");
        Family { text, name, suffix }
    }
}

/// A family while its samples are written.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    suffix: &'static str,
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: &[Label<'_>], value: &dyn Display) {
        let _ = write!(self.text, "{}{}", self.name, self.suffix);
        let mut before = '{';
        for (name, value) in labels {
            let _ = write!(
                self.text,
                "{before}{name}=\"{}\"",
                escape(&value.to_string())
            );
            before = ',';
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// A sample for each state that there is, 1 for `health`.
    pub(super) fn states(&mut self, labels: &[Label<'_>], health: Health) {
        for state in [Health::Unknown, Health::Up, Health::Failing, Health::Down] {
            let word: Label<'_> = (self.name, &health_word(state));
            self.sample(&[labels, &[word]].concat(), &u8::from(state == health));
        }
    }
}

/// `value` as it may stand between quotation marks.
fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
