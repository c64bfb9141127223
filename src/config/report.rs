//! Collects what is wrong with a file while it is read to its end.

use super::problem::{Problem, Problems};
use super::{Config, Loaded};

/// What is found out about a file while it is read.
pub(super) struct Report {
    file: String,
    /// What makes it unusable.
    problems: Vec<Problem>,
    /// What is odd, but may be left by a newer version.
    warnings: Vec<Problem>,
}

/// In place of a value: why there is none stands in the [`Report`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted(());

impl Report {
    pub(super) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The end of the reading.
    pub(super) fn close(self, config: Result<Config, Noted>) -> Result<Loaded, Problems> {
        let (mut problems, mut warnings) = (self.problems, self.warnings);
        match config {
            Ok(config) if problems.is_empty() => Ok(Loaded { config, warnings }),
            _ => {
                // Beside lines that cannot be read, only what stands in the others can be judged,
                // not what seems to be missing.
                let whole = problems.iter().all(|problem| problem.line.is_none());
                problems.retain(|p| whole || p.line.is_some() || p.value.is_some());
                // What is missing may well be what is odd: a name that is misspelled.
                problems.append(&mut warnings);
                Err(Problems::new(problems))
            }
        }
    }

    /// Notes a line that cannot be read.
    pub(super) fn line(&mut self, line: usize, message: &str) -> Noted {
        let problem = Problem::new(&self.file, message);
        self.note(Problem {
            line: Some(line),
            ..problem
        })
    }

    /// Notes what is wrong with the file as a whole.
    pub(super) fn whole(&mut self, message: &str) -> Noted {
        self.note(Problem::new(&self.file, message))
    }

    /// Notes what is wrong with a section of this [`label`], and perhaps an option of it.
    pub(super) fn problem(
        &mut self,
        section: &str,
        option: Option<&str>,
        values: &[String],
        message: &str,
    ) -> Noted {
        self.note(Problem::new(&self.file, message).at(section, option, values))
    }

    /// The same, where it does no harm.
    pub(super) fn warning(
        &mut self,
        section: &str,
        option: Option<&str>,
        values: &[String],
        message: &str,
    ) {
        let problem = Problem::new(&self.file, message).at(section, option, values);
        self.warnings.push(problem);
    }

    fn note(&mut self, problem: Problem) -> Noted {
        self.problems.push(problem);
        Noted(())
    }
}

/// How a section is called: `listener 'chat_tls'` or `@listener[2]`.
pub(super) fn label(kind: &str, name: &str) -> String {
    if name.starts_with('@') {
        name.to_owned()
    } else {
        format!("{kind} '{name}'")
    }
}
