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
use crate::control::{self, Examination};
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
    /// What root sees of this router, as `service waproxy doctor` has it looked at; of no use with HOST
    #[arg(long, value_name = "FILE")]
    router: Option<PathBuf>,
    /// Print JSON, once all is known
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    /// None, and none of the three below: the proxy of this machine, from within.
    host: Option<&'a str>,
    chat_port: Option<NonZeroU16>,
    chat_tls: Option<bool>,
    media_port: Option<NonZeroU16>,
    works: bool,
    steps: &'a [Step],
}

/// Looks at a proxy and prints what each step found. Fails where people cannot use it.
pub fn run(options: &Options, arguments: &Arguments) -> ExitCode {
    match look(options, arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => finish(Err(error)),
    }
}

fn look(options: &Options, arguments: &Arguments) -> Result<bool, Error> {
    let host = arguments.host.as_deref();
    let form = host.map(|host| form(host, arguments)).transpose()?;
    let form = form.as_ref();
    let steps = match form {
        Some(form) => look_from_here(form, arguments.json)?,
        None => look_within(options, arguments)?,
    };
    let works = works(&steps);
    if arguments.json {
        let report = Report {
            host: form.map(|form| &*form.host),
            chat_port: form.map(|form| form.chat_port),
            chat_tls: form.map(|form| form.chat_tls),
            media_port: form.map(|form| form.media_port),
            works,
            steps: &steps,
        };
        let mut text =
            serde_json::to_string(&report).map_err(|error| Error::Output(error.into()))?;
        text.push('\n');
        print(&text)?;
    } else {
        let within = form.is_none();
        print(verdict(&steps, within))?;
        if within && arguments.router.is_none() && Path::new(LOOK_AT_ROUTER).exists() {
            print("Of the firewall `service waproxy doctor` tells too.\n")?;
        }
    }
    Ok(works)
}

/// Looks at a proxy from where this runs.
fn look_from_here(form: &Form, json: bool) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let mut printed = Ok(());
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(Error::Runtime)?
        .block_on(examine(form, |step| {
            if !json && printed.is_ok() {
                printed = print(&lines(&step));
            }
            steps.push(step);
        }));
    printed?;
    Ok(steps)
}

/// Has the proxy of this machine look at itself.
fn look_within(options: &Options, arguments: &Arguments) -> Result<Vec<Step>, Error> {
    let control = options.control()?;
    let mut shown = 0;
    let mut begin = Some(seen(arguments.router.as_deref())?);
    loop {
        let found = match control::examination(&control, begin.take()) {
            Err(control::Error::NotRunning(_)) if shown == 0 => not_running(options),
            found => found?,
        };
        if !arguments.json {
            for step in found.steps.iter().skip(shown) {
                print(&lines(step))?;
            }
        }
        shown = found.steps.len();
        if !found.running {
            return Ok(found.steps);
        }
        thread::sleep(LOOK);
    }
}

/// What there is to find where no proxy runs that could look at itself.
fn not_running(options: &Options) -> Examination {
    let (what, cause) = match options.load() {
        Err(problems) => (
            problems.to_string().trim_end().replace('\n', "; "),
            "waproxy does not start with it: mend it, and start waproxy",
        ),
        Ok((loaded, _)) if !loaded.config.enabled => (
            "option enabled '0'".into(),
            "waproxy is switched off: set it to '1', and start waproxy",
        ),
        Ok(_) => (
            "in order, but waproxy does not run".into(),
            "start it: `service waproxy start`, or where it is no service `waproxy run`; if it ends, the log \
             says why",
        ),
    };
    let step = Step {
        name: "configuration".into(),
        result: Verdict::Failed,
        milliseconds: 0,
        what,
        cause: Some(cause.into()),
    };
    Examination {
        running: false,
        steps: vec![step],
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
    let host = host.trim_end_matches('/');
    let mut form = if host.contains('/') {
        Form::from_link(host)?
    } else {
        Form::new(host.to_owned())
    };
    form.chat_port = arguments.chat_port.unwrap_or(form.chat_port);
    form.media_port = arguments.media_port.unwrap_or(form.media_port);
    form.chat_tls &= !arguments.plain;
    Ok(form)
}

/// Lines for a terminal of 80 columns: what was found, and its cause below.
fn lines(step: &Step) -> String {
    let word = match step.result {
        Verdict::Failed => "failed",
        Verdict::Ok => "ok",
        Verdict::Skipped => "skipped",
        Verdict::Warning => "warning",
    };
    // What root's terminal obeys is not the daemon's to say.
    let name = OneLine(&step.name).to_string();
    let mut head = format!("{word:8} {name:13}");
    // Writing to a string does not fail, here and below.
    if step.result != Verdict::Skipped {
        let _ = write!(head, " {:5} ms", step.milliseconds);
    }
    let mut text = String::new();
    for line in wrap(&step.what, WIDTH - WHAT) {
        text += format!("{head:WHAT$}{line}").trim_end();
        text.push('\n');
        head.clear();
    }
    for line in step
        .cause
        .iter()
        .flat_map(|cause| wrap(cause, WIDTH - CAUSE))
    {
        let _ = writeln!(text, "{:CAUSE$}{line}", "");
    }
    text
}

const WIDTH: usize = 80;
/// Where a cause stands.
const CAUSE: usize = 9;
/// Where stands what was found.
const WHAT: usize = 33;

/// The last line. `within`, the proxy of this machine has looked at itself.
fn verdict(steps: &[Step], within: bool) -> &'static str {
    let failed = steps.iter().find(|step| !step.is_well());
    let warns = steps.iter().any(|step| step.result == Verdict::Warning);
    match (failed, warns) {
        (Some(_), _) if within => "\nPeople cannot use this proxy as it is.\n",
        (None, true) if within => {
            "\nIt works within, but mind the warnings. From outside another place can tell.\n"
        }
        (None, false) if within => {
            "\nAll is well within. From outside only another place can tell.\n"
        }
        // The last ones.
        (Some(step), _) if step.name.starts_with("media_") => {
            "\nPeople can write through this proxy, but send no pictures and voice messages.\n"
        }
        (Some(_), _) => "\nPeople cannot use this proxy.\n",
        (None, true) => "\nThis proxy works, but mind the warnings.\n",
        (None, false) => "\nPeople can use this proxy.\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_step_moves_the_terminal() {
        let evil = "\u{1b}[2J\n".to_owned();
        let text = lines(&Step {
            name: evil.clone().into(),
            result: Verdict::Warning,
            milliseconds: 0,
            what: evil.clone(),
            cause: Some(evil),
        });
        assert!(
            !text.contains('\u{1b}') && text.lines().count() == 2,
            "{text}"
        );
    }
}
