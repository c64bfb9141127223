//! UCI text in, its sections out, and a [`Fault`] for each line that cannot be read. Knows nothing
//! of what the sections mean.
//!
//! `uci_rs` parses. But on some input it never returns, and some it reads otherwise than `uci`
//! does. So each line is first taken apart by the grammar of `uci` and then handed on in a form
//! that both read alike. What has no such form is refused in plain words: these are the faults
//! for which [`Fault::is_ours`] holds.

mod fault;
mod statement;

use std::collections::{BTreeMap, BTreeSet};

use uci_rs::{UciCommand, parse_raw_to_uci};

pub use self::fault::Fault;
use self::statement::{Keyword, Statement};

/// Bounds on what `uci_rs` gets, for its time grows with the cube of the sections and with the
/// statements times the bytes. The shipped file has 12 sections, 69 statements and 2 KiB.
const MAX_SECTIONS: usize = 128;
const MAX_STATEMENTS: usize = 1024;
const MAX_BYTES: usize = 64 * 1024;
/// What a log should have to take.
const MAX_FAULTS: usize = 100;

/// A section of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Section {
    /// Its type: `listener`.
    pub kind: String,
    /// Its name, or `@listener[2]` where it has none, counted over all sections of its type.
    pub name: String,
    /// Names and values in the order of the file. No option is without a value, and no value is
    /// empty. A list and an option differ in nothing but how many values they may have; a value
    /// that a list repeats counts once.
    pub options: Vec<(String, Vec<String>)>,
}

/// What a text holds.
#[derive(Debug)]
pub struct Content {
    /// What could be read.
    pub sections: Vec<Section>,
    /// What could not, with its line counted from one.
    pub faults: Vec<(usize, Fault)>,
}

/// Reads a text, in bounded time whatever it holds.
pub fn read(text: &str) -> Content {
    let mut guard = Guard::default();
    let mut faults = Vec::new();
    for (line, number) in text.split('\n').zip(1..) {
        let Err(fault) = guard.pass(line) else {
            continue;
        };
        let end = fault == Fault::Much;
        faults.push((number, fault));
        if end {
            break;
        }
        if faults.len() == MAX_FAULTS {
            faults.push((number, Fault::Much));
            break;
        }
    }
    let sections = sections(guard.text).unwrap_or_else(|message| {
        faults.push((1, Fault::Parser(message)));
        Vec::new()
    });
    Content { sections, faults }
}

fn sections(safe: String) -> Result<Vec<Section>, String> {
    let uci = parse_raw_to_uci("waproxy", safe).map_err(|e| e.message)?;
    let mut seen = BTreeMap::<String, usize>::new();
    let mut sections = Vec::new();
    for (kind, handle) in uci.get_all_sections() {
        let options = uci.get_all_options(&handle).map_err(|e| e.message)?;
        let options = options
            .into_iter()
            .map(|(name, values)| (name, full(values)));
        let options = options.filter(|(_, values)| !values.is_empty()).collect();
        // The number in an anonymous handle is not used: two equal sections have the same.
        let index = seen.entry(kind.clone()).or_default();
        let name = if handle.starts_with('@') {
            format!("@{kind}[{index}]")
        } else {
            handle
        };
        *index = index.saturating_add(1);
        sections.push(Section {
            kind,
            name,
            options,
        });
    }
    Ok(sections)
}

/// Those that are not empty.
fn full(values: &[String]) -> Vec<String> {
    let full = values.iter().filter(|value| !value.is_empty());
    full.cloned().collect()
}

/// Lets pass what `uci_rs` reads as `uci` does.
#[derive(Default)]
struct Guard {
    /// What has passed, in the form that is safe.
    text: String,
    statements: usize,
    sections: usize,
    names: BTreeSet<String>,
    home: Home,
    /// Whether each option of the section is a list.
    lists: BTreeMap<String, bool>,
}

/// Where an option belongs.
#[derive(Default)]
enum Home {
    /// Nowhere yet.
    #[default]
    None,
    /// To a section whose own line was refused; so are its options, without a word.
    Refused,
    /// To the last section.
    Section,
}

impl Guard {
    fn pass(&mut self, line: &str) -> Result<(), Fault> {
        if line.contains('\0') {
            return Err(Fault::Zero);
        }
        let statement = Statement::new(line).inspect_err(|_| {
            if line.trim_start().starts_with('c') {
                self.home = Home::Refused;
            }
        });
        let Some(Statement {
            keyword,
            name,
            value,
        }) = statement?
        else {
            return Ok(());
        };
        match keyword {
            Keyword::Config => self.config(&name, &value)?,
            Keyword::List => self.option(&name, &value, true)?,
            Keyword::Option => self.option(&name, &value, false)?,
            Keyword::Package => package(&name, &value)?,
        }
        self.statements = self.statements.saturating_add(1);
        if self.sections > MAX_SECTIONS
            || self.statements > MAX_STATEMENTS
            || self.text.len() > MAX_BYTES
        {
            return Err(Fault::Much);
        }
        Ok(())
    }

    fn config(&mut self, kind: &str, name: &str) -> Result<(), Fault> {
        self.home = Home::Refused;
        if !is_word(kind, "_-") {
            return Err(Fault::Kind(kind.to_owned()));
        }
        if name.is_empty() {
            self.text.extend(["config ", kind, "\n"]);
        } else if !is_word(name, "_") {
            return Err(Fault::Name(name.to_owned()));
        } else if !self.names.insert(name.to_owned()) {
            return Err(Fault::Twice(name.to_owned()));
        } else {
            self.text.extend(["config ", kind, " '", name, "'\n"]);
        }
        self.sections = self.sections.saturating_add(1);
        self.lists.clear();
        self.home = Home::Section;
        Ok(())
    }

    fn option(&mut self, name: &str, value: &str, list: bool) -> Result<(), Fault> {
        match self.home {
            Home::None => return Err(Fault::Homeless),
            Home::Refused => return Ok(()),
            Home::Section => {}
        }
        if !is_word(name, "_") {
            return Err(Fault::Name(name.to_owned()));
        }
        if value.is_empty() && !list {
            return Ok(()); // So does `uci`: what the option was before, it stays.
        }
        if *self.lists.entry(name.to_owned()).or_insert(list) != list {
            return Err(Fault::Mixed(name.to_owned()));
        }
        let quote = match (
            value.contains('\\'),
            value.contains('\''),
            value.contains('"'),
        ) {
            (false, false, _) => "'",
            (false, true, false) => "\"",
            _ => return Err(Fault::Unquotable),
        };
        let keyword = if list { "list " } else { "option " };
        self.text
            .extend([keyword, name, " ", quote, value, quote, "\n"]);
        Ok(())
    }
}

/// Says whose the file is. `uci` looks at the name, and then goes by that of the file.
fn package(name: &str, more: &str) -> Result<(), Fault> {
    if !more.is_empty() {
        Err(Fault::Several)
    } else if !is_word(name, "_-") {
        Err(Fault::Name(name.to_owned()))
    } else {
        Ok(())
    }
}

fn is_word(text: &str, marks: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(kind: &str, name: &str, options: &[(&str, &[&str])]) -> Section {
        let owned = |values: &[&str]| values.iter().map(ToString::to_string).collect();
        Section {
            kind: kind.to_owned(),
            name: name.to_owned(),
            options: options
                .iter()
                .map(|(name, v)| (name.to_string(), owned(v)))
                .collect(),
        }
    }

    fn sections(text: &str) -> Vec<Section> {
        let content = read(text);
        assert_eq!(content.faults, []);
        content.sections
    }

    fn faults(text: &str) -> Vec<(usize, Fault)> {
        read(text).faults
    }

    #[test]
    fn anonymous_sections_are_counted_with_the_named_ones_of_their_type() {
        let text = "config a\nconfig b\nconfig a 'x'\nconfig a\nconfig a\n";
        let names: Vec<_> = sections(text).into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["@a[0]", "@b[0]", "x", "@a[2]", "@a[3]"]);
    }

    #[test]
    fn values_keep_their_characters() {
        assert_eq!(
            sections("config a\noption x 'it'\\''s # 1'\noption y 'a \"b\"'\nlist z 'ü\t'"),
            [section(
                "a",
                "@a[0]",
                &[("x", &["it's # 1"]), ("y", &["a \"b\""]), ("z", &["ü\t"])]
            )]
        );
    }

    #[test]
    fn the_last_value_of_an_option_counts_and_nothing_empty_does() {
        assert_eq!(
            sections(
                "config a\noption x 1\noption x 2\noption x ''\noption y ''\n\
                 list l ''\nlist l b\nlist l a\nlist l b\nlist m ''\n"
            ),
            [section("a", "@a[0]", &[("x", &["2"]), ("l", &["b", "a"])])]
        );
    }

    #[test]
    fn every_line_that_cannot_be_read_is_reported() {
        assert_eq!(
            faults(
                "option x y\nconfig a\noption x\noption y-z 1\nlist y \\\\\nconfig a.b\n\
                 option ? x\nconfig 'a' 'b-c'\npackage a-b\npackage a.b\nnonsense"
            ),
            [
                (1, Fault::Homeless),
                (4, Fault::Name("y-z".to_owned())),
                (5, Fault::Unquotable),
                (6, Fault::Kind("a.b".to_owned())),
                (8, Fault::Name("b-c".to_owned())),
                (10, Fault::Name("a.b".to_owned())),
                (11, Fault::Keyword("nonsense".to_owned())),
            ]
        );
    }

    #[test]
    fn a_name_is_for_one_section_and_one_kind_of_option() {
        assert_eq!(
            faults(
                "config a n\noption x 1\nconfig b n\noption . 1\nconfig a n\n\
                 config b m\nlist x 1\noption x 1\n"
            ),
            [
                (3, Fault::Twice("n".to_owned())),
                (5, Fault::Twice("n".to_owned())),
                (8, Fault::Mixed("x".to_owned())),
            ]
        );
    }

    #[test]
    fn a_broken_section_keeps_its_options_to_itself() {
        let content = read("config a 'n\noption x 1\nconfig a m\n");
        assert_eq!(content.faults, [(1, Fault::Open('\''))]);
        assert_eq!(content.sections, [section("a", "m", &[])]);
    }

    #[test]
    fn what_never_ends_in_the_parser_ends_here() {
        for text in [
            "option x",
            "config",
            "config a",
            "package",
            "package a",
            "config a\nlist b",
        ] {
            read(text);
        }
    }

    #[test]
    fn the_worst_that_passes_takes_no_time() {
        let start = std::time::Instant::now();
        let named = |i| format!("config a n{i}\n");
        let mut text = "config a\n".repeat(MAX_SECTIONS / 2);
        text.extend((0..MAX_SECTIONS / 2).map(named));
        text.extend(["option x '", &"x".repeat(MAX_BYTES / 2), "'\n"]);
        text.push_str(&"option y 1\n".repeat(MAX_STATEMENTS - MAX_SECTIONS - 1));
        assert_eq!(read(&text).faults, []);
        assert!(start.elapsed().as_millis() < 1000, "{:?}", start.elapsed());
        for more in ["option y 1\n", "config a\n"] {
            assert_eq!(
                faults(&format!("{text}{more}")).last().unwrap().1,
                Fault::Much
            );
        }
    }

    #[test]
    fn a_section_too_many_and_a_byte_too_many_are_refused() {
        assert_eq!(faults(&"config a\n".repeat(MAX_SECTIONS)), []);
        let text = "config a\n".repeat(MAX_SECTIONS + 9);
        assert_eq!(faults(&text), [(MAX_SECTIONS + 1, Fault::Much)]);
        let text = format!("config a\noption x '{}'", "x".repeat(MAX_BYTES));
        assert_eq!(faults(&text), [(2, Fault::Much)]);
    }

    #[test]
    fn nonsense_has_an_end() {
        let faults = faults(&"nonsense\n".repeat(10_000));
        assert_eq!(faults.len(), MAX_FAULTS + 1);
        assert_eq!(faults[MAX_FAULTS], (MAX_FAULTS, Fault::Much));
    }
}
