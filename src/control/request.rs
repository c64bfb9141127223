//! What can be asked, and how it stands on its line.

use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// The certificate in use, for people: [`Answer::Text`](super::Answer::Text). An error where
    /// none is.
    Certificate,
    /// What is wrong with a configuration: [`Answer::Check`](super::Answer::Check).
    Check {
        /// UCI text of at most [`TEXT_MAX`] bytes.
        text: String,
    },
    /// What was carried on each of the last thirty days: [`Answer::Days`](super::Answer::Days).
    Days,
    /// Has the daemon look at itself, unless it does already, and tells what was found so far:
    /// [`Answer::Doctor`](super::Answer::Doctor).
    Doctor {
        /// Begins anew, with what root alone can see of the router, in lines of the package's `look.sh`,
        /// of at most [`TEXT_MAX`] bytes; none: only tells.
        begin: Option<String>,
    },
    /// What was carried in the last ten minutes: [`Answer::History`](super::Answer::History).
    History,
    /// How the daemon fares, as OpenMetrics text: [`Answer::Text`](super::Answer::Text).
    Metrics,
    /// Makes a new pair of our own and shows it from now on:
    /// [`Answer::Certificate`](super::Answer::Certificate). An error where the operator's pair is
    /// in use.
    NewCertificate,
    /// The link that sets WhatsApp up: [`Answer::Share`](super::Answer::Share). An error where no
    /// listener runs that phones can use.
    Share {
        /// The name or IPv4 address that people are to enter; none: that of
        /// [`AddressStatus`](super::AddressStatus), and an error where there is none.
        host: Option<String>,
    },
    /// How the daemon fares: [`Answer::Status`](super::Answer::Status).
    Status,
    /// The same for people at a terminal of 80 columns: [`Answer::Text`](super::Answer::Text).
    StatusText,
}

/// The longest text that is taken, in bytes.
pub const TEXT_MAX: usize = 64 * 1024;

impl Request {
    /// Reads the line that a client sends, with or without its end. The error is for the client.
    pub fn from_line(line: &[u8]) -> Result<Self, String> {
        let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        line.try_into()
    }

    /// Writes the line that a client sends, with its end.
    pub fn into_line(self) -> serde_json::Result<String> {
        Ok(serde_json::to_string(&Line::from(self))? + "\n")
    }
}

/// A request as it stands on its line. Not serde's `tag` on the enum, which says the same for
/// 6 KB of code more.
#[derive(Deserialize, Serialize)]
struct Line {
    request: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    begin: Option<bool>,
}

/// The name of a request.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Certificate,
    Check,
    Days,
    Doctor,
    History,
    Metrics,
    NewCertificate,
    Share,
    Status,
    StatusText,
}

impl TryFrom<Line> for Request {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        Ok(match line.request {
            Word::Certificate => Self::Certificate,
            Word::Check => Self::Check {
                text: bounded(line.text.ok_or("missing field `text`")?)?,
            },
            Word::Days => Self::Days,
            Word::Doctor => Self::Doctor {
                begin: match line.begin {
                    Some(true) => Some(bounded(line.text.unwrap_or_default())?),
                    _ => None,
                },
            },
            Word::History => Self::History,
            Word::Metrics => Self::Metrics,
            Word::NewCertificate => Self::NewCertificate,
            Word::Share => Self::Share { host: line.host },
            Word::Status => Self::Status,
            Word::StatusText => Self::StatusText,
        })
    }
}

impl From<Request> for Line {
    fn from(request: Request) -> Self {
        let of = |request| Self {
            request,
            host: None,
            text: None,
            begin: None,
        };
        match request {
            Request::Certificate => of(Word::Certificate),
            Request::Check { text } => Self {
                text: Some(text),
                ..of(Word::Check)
            },
            Request::Days => of(Word::Days),
            Request::Doctor { begin } => Self {
                begin: Some(begin.is_some()),
                text: begin,
                ..of(Word::Doctor)
            },
            Request::History => of(Word::History),
            Request::Metrics => of(Word::Metrics),
            Request::NewCertificate => of(Word::NewCertificate),
            Request::Share { host } => Self {
                host,
                ..of(Word::Share)
            },
            Request::Status => of(Word::Status),
            Request::StatusText => of(Word::StatusText),
        }
    }
}

fn bounded(text: String) -> Result<String, String> {
    if text.len() > TEXT_MAX {
        return Err(format!("the text is longer than {TEXT_MAX} bytes"));
    }
    Ok(text)
}
