//! The options of one section, read one by one. What is wrong goes into the [`Report`] and reads
//! as `None`, so that whoever reads goes on to the end and then gives up with `?`.

use super::problem::{Report, label};
use super::raw::Values;

/// A section being read.
pub(super) struct Reader<'r> {
    label: String,
    report: &'r mut Report,
}

impl<'r> Reader<'r> {
    pub(super) fn new(kind: &str, name: &str, report: &'r mut Report) -> Self {
        Self {
            label: label(kind, name),
            report,
        }
    }

    /// An option that must be there.
    pub(super) fn required<T>(
        &mut self,
        option: &str,
        values: &Values,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if values.is_empty() {
            self.refuse(option, values, "this option is missing".to_owned());
        }
        self.optional(option, values, parse).flatten()
    }

    /// An option that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        option: &str,
        values: &Values,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match values.as_slice() {
            [] => Some(None),
            [value] => parse(value)
                .map_err(|allowed| self.refuse(option, values, allowed))
                .ok()
                .map(Some),
            _ => {
                self.refuse(
                    option,
                    values,
                    "one value is allowed, not a list".to_owned(),
                );
                None
            }
        }
    }

    /// A list. An option in its place is split at blanks, as OpenWrt's scripts do it.
    pub(super) fn list<T>(
        &mut self,
        option: &str,
        values: &Values,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let mut list = Some(Vec::new());
        for value in values.iter().flat_map(|value| value.split_whitespace()) {
            match parse(value) {
                Ok(value) => list.as_mut().map_or((), |list| list.push(value)),
                Err(allowed) => {
                    self.refuse(option, &[value.to_owned()], allowed);
                    list = None;
                }
            }
        }
        list
    }

    /// Puts an option of this section into the report.
    pub(super) fn refuse(&mut self, option: &str, values: &[String], allowed: String) {
        self.report
            .problem(&self.label, Some(option), values, allowed);
    }
}
