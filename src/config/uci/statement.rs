//! One line of UCI text in, its statement out: the words after quotes, escapes and comments.

use std::iter::Peekable;
use std::str::Chars;

use super::Fault;

/// What a line says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Statement {
    pub(super) keyword: Keyword,
    /// A type after `config`, otherwise the name of an option or package. Never empty.
    pub(super) name: String,
    /// A section's name after `config`, otherwise a value. Absent is empty.
    pub(super) value: String,
}

/// How a line begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Keyword {
    Config,
    List,
    Option,
    Package,
}

impl Statement {
    /// `None` for a line that says nothing.
    pub(super) fn new(line: &str) -> Result<Option<Self>, Fault> {
        let line = line.trim_start_matches(is_blank);
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        // `uci` ends its keywords, and only these, at nothing but a blank or a tab.
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let (keyword, full) = match word {
            "c" | "config" => (Keyword::Config, "config"),
            "l" | "list" => (Keyword::List, "list"),
            "o" | "option" => (Keyword::Option, "option"),
            "p" | "package" => (Keyword::Package, "package"),
            _ => return Err(Fault::Keyword(word.to_owned())),
        };
        let mut words = Words(rest.chars().peekable());
        let name = words
            .next()?
            .filter(|name| !name.is_empty())
            .ok_or(Fault::Nameless(full))?;
        let value = words.next()?.unwrap_or_default();
        if words.next()?.is_some() {
            return Err(Fault::Several);
        }
        Ok(Some(Self {
            keyword,
            name,
            value,
        }))
    }
}

/// What C calls white space.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

/// The words of a line, made of quoted and bare pieces as in a shell.
struct Words<'a>(Peekable<Chars<'a>>);

impl Words<'_> {
    /// `None` at the end of the line or at a comment.
    fn next(&mut self) -> Result<Option<String>, Fault> {
        while self.0.next_if(|c| is_blank(*c)).is_some() {}
        let mut word = None;
        while let Some(c) = self.0.next_if(|c| !is_blank(*c)) {
            if c == '#' {
                self.0 = "".chars().peekable();
                break;
            }
            let word = word.get_or_insert_with(String::new);
            match c {
                '\'' => self.single_quoted(word)?,
                '"' => self.double_quoted(word)?,
                '\\' => word.push(self.escaped()?),
                ';' => return Err(Fault::Several),
                _ => word.push(c),
            }
        }
        Ok(word)
    }

    fn single_quoted(&mut self, word: &mut String) -> Result<(), Fault> {
        loop {
            match self.0.next() {
                None => return Err(Fault::Open('\'')),
                Some('\'') => return Ok(()),
                Some(c) => word.push(c),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut String) -> Result<(), Fault> {
        loop {
            match self.0.next() {
                None => return Err(Fault::Open('"')),
                Some('"') => return Ok(()),
                Some('\\') => word.push(self.escaped()?),
                Some(c) => word.push(c),
            }
        }
    }

    /// The character after a backslash, which stands for itself.
    fn escaped(&mut self) -> Result<char, Fault> {
        match self.0.next() {
            None | Some('\r') => Err(Fault::Continued),
            Some(c) => Ok(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Result<String, Fault> {
        Statement::new(line).map(|statement| statement.unwrap().value)
    }

    #[test]
    fn quotes_and_escapes_make_one_word() {
        for (line, expected) in [
            ("option x it", "it"),
            ("\toption x 'it'", "it"),
            ("option x \"it\"\r", "it"),
            (r"option x 'it'\''s'", "it's"),
            (r#"option x 'a'"b"c\ d"#, "abc d"),
            (r#"option x "a\"b""#, "a\"b"),
            (r"option x 'a\b'", r"a\b"),
            ("option x 'a b' # why", "a b"),
            ("option x a#b", "a"),
            ("option x 'a;b'", "a;b"),
            ("option x", ""),
            ("option x ''", ""),
            ("o x y", "y"),
        ] {
            assert_eq!(value(line), Ok(expected.to_owned()), "{line}");
        }
    }

    #[test]
    fn blank_lines_and_comments_say_nothing() {
        for line in ["", " \t", "\r", "# config x", "\t#"] {
            assert_eq!(Statement::new(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (line, fault) in [
            ("option x 'a", Fault::Open('\'')),
            ("option x \"a'", Fault::Open('"')),
            ("option x a\\", Fault::Continued),
            ("option x \"a\\\r", Fault::Continued),
            ("option x a b", Fault::Several),
            ("option x a ''", Fault::Several),
            ("option x a; option y b", Fault::Several),
            ("option", Fault::Nameless("option")),
            ("config ''", Fault::Nameless("config")),
            ("l # x", Fault::Nameless("list")),
            ("options x y", Fault::Keyword("options".to_owned())),
            ("option'x' y", Fault::Keyword("option'x'".to_owned())),
            ("option\rx y", Fault::Keyword("option\rx".to_owned())),
            (
                "\u{feff}config x",
                Fault::Keyword("\u{feff}config".to_owned()),
            ),
        ] {
            assert_eq!(Statement::new(line), Err(fault), "{line}");
        }
    }
}
