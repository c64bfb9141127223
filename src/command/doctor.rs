//! `waproxy doctor`: whether people can use a proxy, and if not, why.

use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use tokio::runtime;

use super::table::wrap;
use super::{Error, Options, finish, print};
use crate::control;
use crate::doctor::{Step, Verdict, examine, works};
use crate::one_line::OneLine;
use crate::share::Form;

/// Which proxy, and how it is to be told.
#[derive(clap::Args)]
pub struct Arguments {
    /// The proxy's name or IPv4 address, or the link that sets WhatsApp up for it; without, the proxy
    /// that runs on this machine looks at itself
    host: Option<String>,
    /// The port for chat [default: the link's, or 443]
    #[arg(long, value_name = "PORT", requires = "host")]
    chat_port: Option<NonZeroU16>,
    /// The port for media [default: the link's, or 587]
    #[arg(long, value_name = "PORT", requires = "host")]
    media_port: Option<NonZeroU16>,
    /// Chat goes without TLS
    #[arg(long, requires = "host")]
    plain: bool,
    /// What root sees of this router, as `service waproxy doctor` has it looked at
    #[arg(long, value_name = "FILE", conflicts_with = "host")]
    router: Option<PathBuf>,
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
pub fn run(options: &Options, arguments: &Arguments) -> ExitCode {
    let looked = match &arguments.host {
        Some(host) => look(form(host, arguments), arguments.json),
        None => look_within(options, arguments),
    };
    match looked {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => finish(Err(error)),
    }
}

fn look(form: Result<Form, Error>, json: bool) -> Result<bool, Error> {
    let form = form?;
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

/// Has the proxy of this machine look at itself.
fn look_within(options: &Options, arguments: &Arguments) -> Result<bool, Error> {
    let control = options.control()?;
    let mut shown = 0;
    let mut begin = Some(seen(arguments.router.as_deref())?);
    loop {
        let (line, found) = control::examination(&control, begin.take())?;
        if !arguments.json {
            for step in found.steps.iter().skip(shown) {
                print(&lines(step))?;
            }
            shown = found.steps.len();
        }
        if !found.running {
            let works = works(&found.steps);
            print(match (arguments.json, works) {
                (true, _) => &line,
                (false, true) => {
                    "\nAll is well within. From outside only another place can tell.\n"
                }
                (false, false) => "\nPeople cannot use this proxy as it is.\n",
            })?;
            if !arguments.json && arguments.router.is_none() && Path::new(LOOK_AT_ROUTER).exists() {
                print("Of the firewall `service waproxy doctor` tells too.\n")?;
            }
            return Ok(works);
        }
        thread::sleep(LOOK);
    }
}

/// What root sees of this router, where a file says it.
fn seen(router: Option<&Path>) -> Result<String, Error> {
    let Some(file) = router else {
        return Ok(String::new());
    };
    fs::read_to_string(file).map_err(|source| Error::Unreadable {
        file: file.to_owned(),
        source,
    })
}

/// The part of the package that says it. The service has it run: to run it from here would take
/// 26 KB of a program for MIPS.
const LOOK_AT_ROUTER: &str = "/usr/share/waproxy/look.sh";

/// Between two questions of what was found.
const LOOK: Duration = Duration::from_millis(200);

/// What is looked at: the link's, where it is one, but for what is said beside it.
fn form(host: &str, arguments: &Arguments) -> Result<Form, Error> {
    let mut form = if host.contains("://") {
        Form::from_link(host)?
    } else {
        Form::new(host.to_owned())
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
    let mut text = format!("{word:8} {:13}", step.name);
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
