//! `waproxy doctor`: whether people can use a proxy, and if not, why.

use std::fmt::Write as _;
use std::num::NonZeroU16;
use std::process::ExitCode;

use serde::Serialize;
use tokio::runtime;

use super::table::wrap;
use super::{Error, finish, print};
use crate::doctor::{Step, Verdict, examine, works};
use crate::one_line::OneLine;
use crate::share::Form;

/// Which proxy, and how it is to be told.
#[derive(clap::Args)]
pub struct Arguments {
    /// The proxy's name or IPv4 address, or the link that sets WhatsApp up for it
    host: String,
    /// The port for chat [default: the link's, or 443]
    #[arg(long, value_name = "PORT")]
    chat_port: Option<NonZeroU16>,
    /// The port for media [default: the link's, or 587]
    #[arg(long, value_name = "PORT")]
    media_port: Option<NonZeroU16>,
    /// Chat goes without TLS
    #[arg(long)]
    plain: bool,
    /// Print JSON, once all is known
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    host: &'a str,
    chat_port: NonZeroU16,
    chat_tls: bool,
    media_port: NonZeroU16,
    works: bool,
    steps: &'a [Step],
}

/// Looks at a proxy from here and prints what each step found. Fails where people cannot use it.
pub fn run(arguments: Arguments) -> ExitCode {
    match look(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => finish(Err(error)),
    }
}

fn look(arguments: Arguments) -> Result<bool, Error> {
    let json = arguments.json;
    let form = form(arguments)?;
    let mut steps = Vec::new();
    let mut printed = Ok(());
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(Error::Runtime)?
        .block_on(examine(&form, |step| {
            if !json && printed.is_ok() {
                printed = print(&lines(&step));
            }
            steps.push(step);
        }));
    printed?;
    let works = works(&steps);
    if json {
        let report = Report {
            host: &form.host,
            chat_port: form.chat_port,
            chat_tls: form.chat_tls,
            media_port: form.media_port,
            works,
            steps: &steps,
        };
        let mut text =
            serde_json::to_string(&report).map_err(|error| Error::Output(error.into()))?;
        text.push('\n');
        print(&text)?;
    } else {
        print(verdict(&steps))?;
    }
    Ok(works)
}

/// What is looked at: the link's, where it is one, but for what is said beside it.
fn form(arguments: Arguments) -> Result<Form, Error> {
    let mut form = if arguments.host.contains("://") {
        Form::from_link(&arguments.host)?
    } else {
        Form::new(arguments.host)
    };
    form.chat_port = arguments.chat_port.unwrap_or(form.chat_port);
    form.media_port = arguments.media_port.unwrap_or(form.media_port);
    form.chat_tls &= !arguments.plain;
    Ok(form)
}

/// A line for a terminal of 80 columns, and its cause below.
fn lines(step: &Step) -> String {
    let word = match step.result {
        Verdict::Failed => "failed",
        Verdict::Ok => "ok",
        Verdict::Skipped => "skipped",
        Verdict::Warning => "warning",
    };
    let mut text = format!("{word:8} {:10}", step.name);
    // Writing to a string does not fail, here and below.
    if step.result != Verdict::Skipped {
        let what = OneLine(&step.what);
        let _ = write!(text, " {:5} ms  {what}", step.milliseconds);
    }
    let mut text = text.trim_end().to_owned();
    text.push('\n');
    for line in step.cause.iter().flat_map(|cause| wrap(cause, WIDTH)) {
        let _ = writeln!(text, "{:INDENT$}{line}", "");
    }
    text
}

/// Where a cause stands.
const INDENT: usize = 9;
const WIDTH: usize = 80 - INDENT;

/// The last line.
fn verdict(steps: &[Step]) -> &'static str {
    let chats = |step: &Step| !step.name.starts_with("media_");
    let chat: Vec<_> = steps.iter().filter(|step| chats(step)).cloned().collect();
    if !works(&chat) {
        "\nPeople cannot use this proxy.\n"
    } else if !works(steps) {
        "\nPeople can write through this proxy, but send no pictures and voice messages.\n"
    } else if steps.iter().any(|step| step.result == Verdict::Warning) {
        "\nThis proxy works, but mind the warnings.\n"
    } else {
        "\nPeople can use this proxy.\n"
    }
}
