//! Why a line of UCI text is refused.

use thiserror::Error;

use super::{MAX_BYTES, MAX_FAULTS, MAX_SECTIONS, MAX_STATEMENTS};

/// Why a line cannot be read.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// Ours: a statement that goes on in the next line.
    #[error("a \\ at the end of a line, to go on in the next one, is not taken")]
    Continued,
    /// An option above every section.
    #[error("an option needs a 'config' line above it")]
    Homeless,
    /// No word of UCI.
    #[error("a line begins with config, option or list, not with '{0}'")]
    Keyword(String),
    /// Ours: a type that `uci_rs` has no form for.
    #[error("the section type '{0}' may have letters, digits, - and _ only")]
    Kind(String),
    /// Ours: a name used in two ways.
    #[error("'{0}' is given both as an option and as a list in this section")]
    Mixed(String),
    /// Ours: a file that no person has written.
    #[error(
        "what follows is not read, for there are more than {MAX_SECTIONS} sections, \
         {MAX_STATEMENTS} statements, {MAX_BYTES} bytes of them or {MAX_FAULTS} faults"
    )]
    Much,
    /// A name that a shell would not take.
    #[error("the name '{0}' may have letters, digits and _ only")]
    Name(String),
    /// Nothing, or an empty text, after the keyword.
    #[error("'{0}' needs a name after it")]
    Nameless(&'static str),
    /// Ours: a quote that does not end on its line.
    #[error("the quote {0} must be closed on its line; a value over several lines is not taken")]
    Open(char),
    /// Ours: what the guard lets pass and `uci_rs` refuses, which must not happen.
    #[error("{0}")]
    Parser(String),
    /// Ours: more on a line than one statement.
    #[error("there is more on this line than one statement with one value")]
    Several,
    /// Ours: a section that goes on further down. `uci` takes a second part of the same type,
    /// stumbles over a third, and refuses any of another type.
    #[error("there is a section '{0}' above; a name is for one section, whatever its type")]
    Twice(String),
    /// Ours: a value that `uci_rs` has no form for.
    #[error("a value with a \\ in it, or with both kinds of quotes, is not taken")]
    Unquotable,
    /// Ours: a byte that ends a text in C.
    #[error("there is a zero byte on this line")]
    Zero,
}

impl Fault {
    /// Whether `uci` itself may take such a line.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Continued
            | Self::Kind(_)
            | Self::Mixed(_)
            | Self::Much
            | Self::Open(_)
            | Self::Parser(_)
            | Self::Several
            | Self::Twice(_)
            | Self::Unquotable
            | Self::Zero => true,
            Self::Homeless | Self::Keyword(_) | Self::Name(_) | Self::Nameless(_) => false,
        }
    }
}
