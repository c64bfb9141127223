//! The running proxy: a valid configuration in, workers and upstreams kept to it. Changes all of
//! it or nothing when the configuration changes, and tells how it fares.

mod address;
mod budget;
mod days;
mod handed;
mod history;
mod kept;
mod status;
mod terminator;
mod today;
mod zone;

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

pub use self::history::INTERVAL;

use self::budget::{Keeper, Look};
use self::days::Days;
use self::history::History;
use self::kept::Kept;
use self::terminator::Terminator;
use self::today::Today;
use crate::admission::{self, Admission, Bound, Cap};
use crate::config::{self, Auto, Config, Listener, Problems};
use crate::control::CertificateStatus;
use crate::decoy::{self, Decoy};
use crate::listener::{self, Place};
use crate::logger;
use crate::port_mapping::PortMapping;
use crate::side::MOST_PIPES;
use crate::stats::Carried;
use crate::timestamp::Timestamp;
use crate::tls::identity;
use crate::upstream::Upstream;
use crate::worker::{Plan, Report, Worker};

/// How often to look whether the last connection has ended, once no more are taken.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// Why the daemon cannot start, or cannot take a new configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] Problems),
    /// The page for browsers cannot be read.
    #[error("{file}: {source}", file = .file.display())]
    Decoy {
        /// The configuration.
        file: PathBuf,
        /// What is wrong with the page.
        source: decoy::Error,
    },
    /// `main.enabled` is off.
    #[error("{file}: waproxy 'main', option enabled '0': set it to '1' to run", file = .0.display())]
    Disabled(PathBuf),
    /// There is no certificate of our own to show.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// A port cannot be listened on.
    #[error(transparent)]
    Listener(#[from] listener::Error),
    /// There is no certificate of the operator's to show.
    #[error("{file}: waproxy 'main', options cert and key: {source}", file = .file.display())]
    Pair {
        /// The configuration.
        file: PathBuf,
        /// What is wrong with the pair.
        source: Box<identity::Error>,
    },
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A thread cannot be started.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
}

/// The running proxy.
#[derive(Debug)]
pub struct Daemon {
    started: Instant,
    /// Where the configuration comes from; `None` is the embedded default.
    file: Option<PathBuf>,
    state_dir: PathBuf,
    config: Arc<Config>,
    /// What was wrong with the file at the last reload.
    errors: Vec<String>,
    draining: bool,
    cap: Cap,
    admission: Arc<Admission>,
    workers: Vec<Worker>,
    /// Where the workers listen.
    places: HashSet<Place>,
    /// Every port that was ever ours.
    ports: HashSet<NonZeroU16>,
    upstreams: Vec<Kept>,
    terminator: Option<Terminator>,
    /// What browsers find, of each listener.
    decoys: Vec<Option<Decoy>>,
    port_mapping: Option<PortMapping>,
    /// This machine's address at the last look.
    own: Option<Ipv4Addr>,
    history: History,
    today: Today,
    days: Days,
    budget: Keeper,
    /// What had been carried at the last sample.
    carried: Carried,
}

// === impl Daemon ===

impl Daemon {
    /// Listens as `config` says. `file` is where later configurations are read from. Wants a
    /// tokio `LocalRuntime` around it, on a thread that is no worker.
    pub fn start(config: Config, file: Option<PathBuf>, state_dir: PathBuf) -> Result<Self, Error> {
        let admission = Admission::new(0);
        let workers = start_workers(worker_count(config.workers), &admission)?;
        let mut daemon = Self {
            started: Instant::now(),
            file,
            state_dir,
            config: Arc::new(config.clone()),
            errors: Vec::new(),
            draining: false,
            cap: Cap {
                connections: 0,
                bound: Bound::Option,
            },
            admission,
            workers,
            places: HashSet::new(),
            ports: HashSet::new(),
            upstreams: Vec::new(),
            terminator: None,
            decoys: Vec::new(),
            port_mapping: None,
            own: None,
            history: History::new(),
            today: Today::new(),
            days: Days::new(),
            budget: Keeper::new(),
            carried: Carried::default(),
        };
        daemon.today.follow_zone(daemon.file.as_deref());
        daemon.look_at_clock(Carried::default());
        daemon.apply(config)?;
        for listener in &daemon.config.listeners {
            log::info!(target: logger::START, "{}", describe(listener));
        }
        Ok(daemon)
    }

    /// Reads the configuration again and follows it; if it cannot be followed, goes on as before
    /// and says so in the log and in its status.
    pub fn reload(&mut self) {
        let Some(file) = self.file.clone() else {
            log::warn!("there is no configuration file to read again");
            return;
        };
        self.today.follow_zone(Some(&file));
        let result = config::load(&file).map_err(Error::from).and_then(|loaded| {
            for warning in &loaded.warnings {
                log::warn!("{warning}");
            }
            self.apply(loaded.config)
        });
        let text = result
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        self.errors = text.lines().map(str::to_owned).collect();
        for error in &self.errors {
            log::error!("{error}");
        }
        if self.errors.is_empty() {
            log::info!("the configuration has been read again");
            if worker_count(self.config.workers) != self.workers.len() {
                log::warn!("option workers differs from what runs: restart to follow it");
            }
        } else {
            log::error!("the configuration from before stays in use");
        }
    }

    /// Makes a new pair of our own and shows it from now on. Nothing that the old one's session
    /// tickets promised holds any more.
    pub fn renew_certificate(&mut self) -> Result<CertificateStatus, String> {
        let Some(terminator) = &mut self.terminator else {
            return Err("no listener has option tls '1'".into());
        };
        terminator.renew(&self.state_dir)?;
        let status = terminator.status();
        if !self.draining {
            self.order(Vec::new());
        }
        Ok(status)
    }

    /// Asks the workers what they have counted.
    pub fn reports(&self) -> Vec<oneshot::Receiver<Report>> {
        self.workers.iter().map(Worker::report).collect()
    }

    /// Takes no more connections, and gives those that are open `drain_timeout` to end.
    pub fn drain(&mut self) -> impl Future<Output = ()> + use<> {
        self.draining = true;
        for worker in &self.workers {
            worker.listen(&self.config, Vec::new());
        }
        let admission = Arc::clone(&self.admission);
        let limit = self.config.timeouts.drain;
        async move {
            let ended = async {
                while admission.now() > 0 {
                    sleep(DRAIN_LOOK).await;
                }
            };
            if timeout(limit, ended).await.is_err() {
                log::info!("{} connections were still open", admission.now());
            }
        }
    }

    /// Closes the ports again that the router in front of this machine has opened.
    pub fn unmap_ports(&mut self) -> impl Future<Output = ()> + use<> {
        let mapping = self.port_mapping.take();
        async move {
            if let Some(mapping) = mapping {
                mapping.end().await;
            }
        }
    }

    /// Has the router in front of this machine open the ports of the configuration, if it says so.
    fn map_ports(&mut self) {
        let wanted = self.wanted_ports();
        match &self.port_mapping {
            _ if !self.config.port_mapping => {
                tokio::task::spawn_local(self.unmap_ports());
            }
            Some(mapping) => mapping.want(wanted),
            None => self.port_mapping = Some(PortMapping::start(wanted)),
        }
    }

    /// Follows `config`, or changes nothing.
    fn apply(&mut self, config: Config) -> Result<(), Error> {
        let file = self.file.clone().unwrap_or_default();
        if !config.enabled {
            return Err(Error::Disabled(file));
        }
        let terminator = Terminator::of(&config, &file, self.terminator.as_ref(), &self.state_dir);
        if let (Err(error), Some(running)) = (&terminator, &mut self.terminator) {
            running.error = Some(error.to_string());
        }
        let terminator = terminator?;
        let decoys = config.listeners.iter().map(Decoy::of);
        let decoys = decoys.collect::<Result<_, _>>();
        let decoys = decoys.map_err(|source| Error::Decoy { file, source })?;
        let mut sockets = Vec::new();
        for listener in &config.listeners {
            sockets.push(self.bind(listener)?);
        }

        self.cap = find_cap(&config, self.workers.len());
        self.admission.set_cap(self.cap.connections);
        self.days.keep(&self.state_dir, config.keep_history);
        logger::set_level(config.log_level);
        self.terminator = terminator;
        self.decoys = decoys;
        self.upstreams = self.keep_upstreams(&config);
        self.places = config.listeners.iter().map(Place::from).collect();
        self.ports
            .extend(config.listeners.iter().map(|listener| listener.bind_port));
        let look = self.look();
        self.budget.follow(config.budget, look, &self.state_dir);
        self.config = Arc::new(config);
        self.order(sockets);
        self.map_ports();
        Ok(())
    }

    /// What the budget goes by.
    fn look(&self) -> Look {
        Look {
            unix: Timestamp::now().0.unix_timestamp(),
            zone: self.today.zone(),
            uptime: self.started.elapsed().as_secs(),
            carried: self.carried,
        }
    }

    /// A socket for each worker; none where they have theirs.
    fn bind(&self, listener: &Listener) -> Result<Vec<TcpListener>, Error> {
        if self.places.contains(&Place::from(listener)) {
            return Ok(Vec::new());
        }
        let ours = self.ports.contains(&listener.bind_port);
        Ok(listener::bind(listener, self.workers.len(), ours)?)
    }

    /// The upstreams of `config`. One that leads where it led keeps what it knows, which may be
    /// all there is while DNS is dead.
    fn keep_upstreams(&mut self, config: &Config) -> Vec<Kept> {
        let mut before = std::mem::take(&mut self.upstreams);
        let keep = |upstream: &Arc<config::Upstream>| {
            let same = before.iter().position(|kept| kept.leads_as(upstream));
            let upstream = match same {
                Some(index) => Arc::clone(&before.swap_remove(index).upstream),
                None => Upstream::new(Arc::clone(upstream)),
            };
            Kept::start(upstream, config.timeouts.connect)
        };
        config.upstreams.iter().map(keep).collect()
    }

    /// Tells the workers what to listen to. `sockets` are the new ones, of each listener.
    fn order(&self, mut sockets: Vec<Vec<TcpListener>>) {
        for worker in &self.workers {
            let plans = self
                .config
                .listeners
                .iter()
                .enumerate()
                .filter_map(|(index, listener)| {
                    let kept = |config: &config::Upstream| {
                        let mut all = self.upstreams.iter();
                        let kept = all.find(|kept| kept.upstream.config().name == config.name)?;
                        Some(Arc::clone(&kept.upstream))
                    };
                    Some(Plan {
                        upstream: kept(&listener.upstream)?,
                        media: listener.media.as_deref().and_then(kept),
                        listener: listener.clone(),
                        tls: self
                            .terminator
                            .as_ref()
                            .filter(|_| listener.tls)
                            .map(Terminator::acceptor),
                        decoy: self.decoys.get(index).cloned().flatten(),
                        socket: sockets.get_mut(index).and_then(Vec::pop),
                    })
                });
            worker.listen(&self.config, plans.collect());
        }
    }
}

/// Starts `count` workers, or as many as the system has threads for.
fn start_workers(count: usize, admission: &Arc<Admission>) -> Result<Vec<Worker>, Error> {
    let mut workers = Vec::new();
    for index in 0..count {
        match Worker::start(index, Arc::clone(admission)) {
            Ok(worker) => workers.push(worker),
            Err(error) if index == 0 => return Err(Error::Worker(error)),
            Err(error) => {
                log::warn!("only {index} of {count} workers: {error}");
                break;
            }
        }
    }
    Ok(workers)
}

/// As many threads as cores, or as the operator wants, but no more than cores.
fn worker_count(option: Auto<NonZeroU32>) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    match option {
        Auto::Auto => cores,
        Auto::Fixed(wanted) => {
            let wanted = usize::try_from(wanted.get()).unwrap_or(usize::MAX);
            if wanted > cores {
                log::warn!("option workers '{wanted}' is lowered to {cores}, the number of cores");
            }
            wanted.min(cores)
        }
    }
}

/// File descriptors that `config` wants to be allowed.
pub fn files(config: &Config) -> u64 {
    let pipe_ends = pipe_ends(worker_count(config.workers));
    admission::wanted_files(config.limits.max_connections, pipe_ends)
}

/// What the pipes of all workers take together.
fn pipe_ends(workers: usize) -> u64 {
    (2 * MOST_PIPES).saturating_mul(workers) as u64
}

fn find_cap(config: &Config, workers: usize) -> Cap {
    let cap = Cap::find(config.limits.max_connections, pipe_ends(workers));
    if let Auto::Fixed(wanted) = config.limits.max_connections
        && cap.bound != Bound::Option
    {
        let (connections, bound) = (cap.connections, cap.bound.name());
        log::warn!(
            "option max_connections '{wanted}' is lowered to {connections}: no more for {bound}"
        );
    }
    cap
}

/// The line about a listener that is logged at start.
fn describe(listener: &Listener) -> String {
    let Listener {
        name,
        port,
        bind_port,
        ..
    } = listener;
    let tls = if listener.tls { " over TLS" } else { "" };
    let public = if port == bind_port {
        String::new()
    } else {
        format!(", to which public port {port} must be redirected")
    };
    format!(
        "listening on port {bind_port}{public}: {name}, {}{tls}",
        listener.service()
    )
}
