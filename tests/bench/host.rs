//! The bench on this machine: relays prove themselves, then are measured in turn. Progress goes to
//! stderr and tables to stdout.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process;

use clap::ValueEnum;

use crate::certificate::Certificate;
use crate::cores::Cores;
use crate::faulty::Fault;
use crate::figure::Figure;
use crate::figures::FIGURES;
use crate::port;
use crate::proof::prove;
use crate::relay::{Kind, Parts, Relay};
use crate::results::Results;
use crate::rounds::Rounds;
use crate::seat::Seat;
use crate::site::{Amounts, Site};
use crate::table;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// The waproxy to measure.
    #[arg(long)]
    program: PathBuf,
    /// The relay realm, which is left out without this.
    #[arg(long)]
    realm: Option<PathBuf>,
    /// Figures to measure, by their names or the beginnings of them.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Relays to measure.
    #[arg(long, value_delimiter = ',')]
    relays: Vec<Kind>,
    /// Rounds, of which tables show medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Does little of everything, once.
    #[arg(long)]
    quick: bool,
}

/// Whether this project's relay is right and holds in floods; no other figure decides.
pub fn run(options: &Options) -> io::Result<bool> {
    let figures = chosen_figures(&options.only)?;
    let kinds = chosen_kinds(options);
    let cores = Cores::claim()?;
    let folder = Folder::new()?;
    let needs_rsa = kinds.contains(&Kind::HaproxyRsa);
    let parts = Parts {
        folder: folder.0.clone(),
        upstream: port::fresh(),
        ecdsa: Certificate::ecdsa(&folder.0)?,
        rsa: if needs_rsa {
            Some(Certificate::rsa(&folder.0)?)
        } else {
            None
        },
        waproxy: fs::canonicalize(&options.program)?,
        haproxy: program("haproxy"),
        nginx: program("nginx"),
        realm: options.realm.clone().unwrap_or_default(),
    };
    let amounts = if options.quick {
        Amounts::QUICK
    } else {
        Amounts::FULL
    };
    let site = Site::new(parts, amounts, cores)?;
    prove_the_proof(&site)?;

    let mut results = Results::default();
    let mut seats: Vec<_> = kinds.iter().copied().map(Seat::new).collect();
    for seat in &mut seats {
        prove_relay(&site, seat, &mut results);
    }
    let count = if options.quick { 1 } else { options.rounds };
    Rounds::new(&site, count)?.run(&figures, &mut seats, &mut results)?;
    print!("{}", table::markdown(&figures, &kinds, &results));
    // One short round says nothing of a shared machine.
    let holds = options.quick || results.holds_in_floods(&figures);
    Ok(holds && !results.is_refused(Kind::Waproxy))
}

fn chosen_figures(only: &[String]) -> io::Result<Vec<&'static Figure>> {
    let is_chosen = |figure: &&Figure| {
        only.is_empty()
            || only
                .iter()
                .any(|start| figure.name.starts_with(start.as_str()))
    };
    let figures: Vec<_> = FIGURES.iter().filter(is_chosen).collect();
    if figures.is_empty() {
        let names: Vec<_> = FIGURES.iter().map(|figure| figure.name).collect();
        let message = format!("no such figure; there are {}", names.join(" "));
        return Err(io::Error::other(message));
    }
    Ok(figures)
}

fn chosen_kinds(options: &Options) -> Vec<Kind> {
    let is_chosen = |kind: &Kind| {
        (options.relays.is_empty() || options.relays.contains(kind))
            && (*kind != Kind::Realm || options.realm.is_some())
    };
    let kinds = Kind::value_variants().iter().copied();
    kinds.filter(is_chosen).collect()
}

/// Debian keeps some outside the paths of those who are not root.
fn program(name: &str) -> PathBuf {
    let paths = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&paths).chain(["/usr/sbin".into()]);
    places
        .map(|place| place.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| name.into())
}

/// Relays that are wrong must be refused, or the proof is none.
fn prove_the_proof(site: &Site) -> io::Result<()> {
    for fault in Fault::ALL {
        let relay = site
            .cores
            .on_relay_core(|| Relay::faulty(fault, &site.parts))?;
        match prove(&relay, &site.upstream, None, site.amounts.proof_bytes) {
            Ok(()) => {
                let message = format!("a relay that is wrong is not refused: {fault:?}");
                return Err(io::Error::other(message));
            }
            Err(error) => eprintln!("refused, as it should be: {fault:?}: {error}"),
        }
    }
    Ok(())
}

fn prove_relay(site: &Site, seat: &mut Seat, results: &mut Results) {
    let kind = seat.kind;
    for tls in [false, true] {
        if kind == Kind::Direct || tls && !kind.has_tls() {
            continue;
        }
        let config = tls.then_some(&site.full);
        let bytes = site.amounts.proof_bytes;
        let proven = seat
            .relay(site)
            .and_then(|relay| prove(relay, &site.upstream, config, bytes));
        let title = kind.title();
        let way = if tls { "TLS" } else { "plain" };
        match proven {
            Ok(()) => eprintln!("proven: {title}, {way}"),
            Err(error) => {
                eprintln!("refused: {title}, {way}: {error}; {}", seat.obituary());
                results.refuse(kind, tls, &error);
                // What comes next is not its fault.
                seat.vacate();
            }
        }
    }
}

/// A folder for what a run writes.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("waproxy-bench-{}", process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
