//! The options of one section, read one by one. What is wrong goes into the [`Report`]; whoever
//! reads keeps the result, goes on to the end and only then gives up with `?`, so that every
//! problem is found.

use super::raw::Values;
use super::report::{Noted, Report, label};

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
    ) -> Result<T, Noted> {
        let value = self.optional(option, values, parse)?;
        value.ok_or_else(|| self.refuse(option, &[], "this option is missing"))
    }

    /// An option that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        option: &str,
        values: &Values,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Noted> {
        match values.as_slice() {
            [] => Ok(None),
            [value] => match parse(value) {
                Ok(value) => Ok(Some(value)),
                Err(allowed) => Err(self.refuse(option, values, &allowed)),
            },
            _ => Err(self.refuse(option, values, "one value is allowed, not a list")),
        }
    }

    /// A list. An option in its place is split at blanks, as OpenWrt's scripts do.
    pub(super) fn list<T>(
        &mut self,
        option: &str,
        values: &Values,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Noted> {
        let mut list = Ok(Vec::new());
        for value in values.iter().flat_map(|value| value.split_whitespace()) {
            match (parse(value), &mut list) {
                (Ok(value), Ok(list)) => list.push(value),
                (Ok(_), Err(_)) => {}
                (Err(allowed), _) => {
                    list = Err(self.refuse(option, &[value.to_owned()], &allowed));
                }
            }
        }
        list
    }

    /// Notes a problem of one option.
    pub(super) fn refuse(&mut self, option: &str, values: &[String], message: &str) -> Noted {
        self.report
            .problem(&self.label, Some(option), values, message)
    }

    /// Notes a problem of the section.
    pub(super) fn refuse_section(&mut self, message: &str) -> Noted {
        self.report.problem(&self.label, None, &[], message)
    }
}
