//! `run`: the daemon, from reading the configuration to the last connection.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::Poll;

use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::check::judge;
use super::{BUILT_IN, Error, Options, certificate, finish, metrics, status as table};
use crate::config::Loaded;
use crate::control::{Answer, Control, Examination, Request, Status};
use crate::daemon::{Daemon, INTERVAL};
use crate::doctor::home;
use crate::worker::Report;
use crate::{logger, paths, sandbox};

/// Runs until SIGTERM or SIGINT; SIGHUP reads the configuration again.
pub fn run(options: &Options) -> ExitCode {
    logger::init();
    // Before there is a second thread, or anything from outside.
    sandbox::enter();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    let result = match runtime {
        Ok(runtime) => runtime.block_on(serve(options)),
        Err(error) => Err(Error::Runtime(error)),
    };
    finish(result)
}

async fn serve(options: &Options) -> Result<(), Error> {
    // Before anything else: a signal that comes early must not end the process.
    let mut hangup = signal(SignalKind::hangup()).map_err(Error::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;

    let (Loaded { config, warnings }, file) = options.load()?;
    logger::set_level(config.log_level);
    for warning in &warnings {
        log::warn!("{warning}");
    }
    if file.is_none() {
        log::info!(target: logger::START, "no {}: running with {BUILT_IN}", paths::CONFIGURATION);
    }
    let control = Control::bind(&options.control()?)?;
    let daemon = Daemon::start(config, file.map(Path::to_owned), options.state_dir()?)?;
    let daemon = Rc::new(RefCell::new(daemon));

    let answering = Rc::clone(&daemon);
    let examination = Rc::default();
    let answers = tokio::task::spawn_local(async move {
        // One task for both: its code is larger than what it runs.
        let mut samples = pin!(sample(&answering));
        let mut served =
            pin!(control.serve(async |request| answer(&answering, &examination, request).await));
        poll_fn(|cx| {
            let Poll::Pending = samples.as_mut().poll(cx);
            served.as_mut().poll(cx)
        })
        .await
    });
    let reloading = Rc::clone(&daemon);
    let reloads = tokio::task::spawn_local(async move {
        while hangup.recv().await.is_some() {
            reloading.borrow_mut().reload();
        }
    });

    either(&mut terminate, &mut interrupt).await;
    reloads.abort();
    let drained = daemon.borrow_mut().drain();
    // Whoever asks twice does not want to wait.
    let mut again = pin!(either(&mut terminate, &mut interrupt));
    let mut drained = pin!(drained);
    poll_fn(|cx| match drained.as_mut().poll(cx) {
        Poll::Pending => again.as_mut().poll(cx),
        Poll::Ready(()) => Poll::Ready(()),
    })
    .await;
    if let Ok(reports) = reports(&daemon).await {
        daemon.borrow_mut().save(&reports);
    }
    let unmapped = daemon.borrow_mut().unmap_ports();
    unmapped.await;
    // Takes the socket away.
    answers.abort();
    let _ = answers.await;
    Ok(())
}

/// There is none where no TLS ends.
const NO_CERTIFICATE: &str = "no certificate is in use: no listener has option tls '1'";

/// What the control socket answers.
async fn answer(
    daemon: &RefCell<Daemon>,
    examination: &Rc<RefCell<Examination>>,
    request: Request,
) -> Result<Answer, String> {
    Ok(match request {
        Request::Check { text } => Answer::Check {
            check: judge(&text),
        },
        Request::Days => {
            let reports = reports(daemon).await?;
            let days = daemon.borrow().days(&reports);
            Answer::Days { days }
        }
        Request::Doctor { begin } => {
            if let Some(facts) = begin {
                let status = status(daemon).await?;
                if !examination.borrow().running {
                    *examination.borrow_mut() = Examination {
                        running: true,
                        steps: Vec::new(),
                    };
                    tokio::task::spawn_local(examine(status, facts, Rc::clone(examination)));
                }
            }
            Answer::Doctor {
                doctor: examination.borrow().clone(),
            }
        }
        Request::History => Answer::History {
            history: daemon.borrow().history(),
        },
        Request::NewCertificate => Answer::Certificate {
            certificate: daemon.borrow_mut().renew_certificate()?,
        },
        Request::Share { host } => Answer::Share {
            share: daemon.borrow().share(host.as_deref())?,
        },
        Request::Certificate | Request::Metrics | Request::Status | Request::StatusText => {
            let status = status(daemon).await?;
            let text = match request {
                Request::Certificate => match &status.certificate {
                    Some(certificate) => certificate::render(certificate),
                    None => return Err(NO_CERTIFICATE.into()),
                },
                Request::Metrics => metrics::render(&status),
                Request::StatusText => table::render(&status),
                _ => return Ok(Answer::Status(Box::new(status))),
            };
            Answer::Text { text }
        }
    })
}

/// Looks at the daemon, which fares as `status` says, on a router of which root said these `facts`, and
/// keeps what is found.
async fn examine(status: Status, facts: String, examination: Rc<RefCell<Examination>>) {
    let keep = |step| examination.borrow_mut().steps.push(step);
    home::examine(&status, &facts, keep).await;
    examination.borrow_mut().running = false;
}

/// How the daemon fares.
async fn status(daemon: &RefCell<Daemon>) -> Result<Status, String> {
    let reports = reports(daemon).await?;
    Ok(daemon.borrow().status(&reports))
}

/// Has the daemon keep what its history is made of, for ever.
async fn sample(daemon: &RefCell<Daemon>) -> Infallible {
    loop {
        sleep(INTERVAL).await;
        if let Ok(reports) = reports(daemon).await {
            daemon.borrow_mut().sample(&reports);
        }
    }
}

/// What the workers have counted.
async fn reports(daemon: &RefCell<Daemon>) -> Result<Vec<Report>, String> {
    let receivers = daemon.borrow().reports();
    let mut reports = Vec::new();
    for receiver in receivers {
        reports.push(receiver.await.map_err(|_| "a worker is gone")?);
    }
    Ok(reports)
}

/// Waits for either signal.
async fn either(one: &mut Signal, other: &mut Signal) {
    poll_fn(|cx| {
        let came = one.poll_recv(cx).is_ready() || other.poll_recv(cx).is_ready();
        if came { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
