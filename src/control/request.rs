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

/// The longest configuration that is judged, in bytes.
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
}

/// The name of a request.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Certificate,
    Check,
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
            Word::Check => {
                let text = line.text.ok_or("missing field `text`")?;
                if text.len() > TEXT_MAX {
                    return Err(format!("the text is longer than {TEXT_MAX} bytes"));
                }
                Self::Check { text }
            }
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
        let (request, host, text) = match request {
            Request::Certificate => (Word::Certificate, None, None),
            Request::Check { text } => (Word::Check, None, Some(text)),
            Request::History => (Word::History, None, None),
            Request::Metrics => (Word::Metrics, None, None),
            Request::NewCertificate => (Word::NewCertificate, None, None),
            Request::Share { host } => (Word::Share, host, None),
            Request::Status => (Word::Status, None, None),
            Request::StatusText => (Word::StatusText, None, None),
        };
        Self {
            request,
            host,
            text,
        }
    }
}
