//! What is wrong with a configuration, said so that its owner can mend it: where it stands, what
//! stands there and what is allowed instead.

use std::fmt::{self, Display, Formatter, Write};

use crate::one_line::OneLine;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file, as the operator called it.
    pub file: String,
    /// The line, counted from one, of what could not be read at all.
    pub line: Option<usize>,
    /// The section: `listener 'chat_tls'`, or `@listener[2]` where it has no name.
    pub section: Option<String>,
    /// The option.
    pub option: Option<String>,
    /// What the file says there.
    pub value: Option<String>,
    /// What is allowed, in plain words.
    pub message: String,
}

impl Problem {
    pub(super) fn new(file: &str, message: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            section: None,
            option: None,
            value: None,
            message: message.to_owned(),
        }
    }

    /// Says where in the file it is.
    pub(super) fn at(self, section: &str, option: Option<&str>, values: &[String]) -> Self {
        Self {
            section: Some(section.to_owned()),
            option: option.map(str::to_owned),
            value: (!values.is_empty()).then(|| values.join(" ")),
            ..self
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(section) = &self.section {
            write!(f, "{}", Plain(section))?;
            if let Some(option) = &self.option {
                write!(f, ", option {}", Plain(option))?;
            }
            if let Some(value) = &self.value {
                write!(f, " '{}'", Plain(value))?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", Plain(&self.message))
    }
}

/// Every problem of a file; at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Of at least one.
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        debug_assert!(!problems.is_empty());
        Self(problems)
    }

    /// In the order of the file, but lines that cannot be read first.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl Display for Problems {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_char('\n')?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Problems {}

/// Of `known`, the word that `word` was probably meant to be, as the end of a message.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 4).saturating_add(1).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map_or_else(String::new, |(_, near)| format!("; did you mean '{near}'?"))
}

/// Text of a file, fit for one line of a log or a terminal: as much of it as tells what it is.
struct Plain<'a>(&'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 200;
        let end = self.0.char_indices().nth(LONGEST);
        match end.and_then(|(end, _)| self.0.get(..end)) {
            None => write!(f, "{}", OneLine(self.0)),
            Some(start) => write!(f, "{}…", OneLine(start)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        Problem {
            file: "/etc/config/waproxy".to_owned(),
            line: None,
            section: Some("listener 'chat_tls'".to_owned()),
            option: Some("port".to_owned()),
            value: Some("70000".to_owned()),
            message: "a port from 1 to 65535 is allowed".to_owned(),
        }
    }

    #[test]
    fn a_problem_says_where_it_stands_and_what_is_allowed() {
        assert_eq!(
            problem().to_string(),
            "/etc/config/waproxy: listener 'chat_tls', option port '70000': \
             a port from 1 to 65535 is allowed"
        );
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let shown = Problem {
            value: Some("\u{1b}[2J\n".to_owned()),
            ..problem()
        }
        .to_string();
        assert!(shown.contains(r"'\u{1b}[2J\n'"), "{shown}");
    }

    #[test]
    fn a_long_value_is_cut() {
        let shown = Problem {
            value: Some("x".repeat(5000)),
            ..problem()
        }
        .to_string();
        assert!(shown.contains("xxx…'") && shown.len() < 400, "{shown}");
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let known = ["port", "tls", "accept_proxy"];
        assert_eq!(did_you_mean("prot", known), "; did you mean 'port'?");
        assert_eq!(
            did_you_mean("acept_proxi", known),
            "; did you mean 'accept_proxy'?"
        );
        assert_eq!(did_you_mean("colour", known), "");
    }
}
