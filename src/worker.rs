//! One thread with a tokio runtime of its own. It gets listening sockets with what to do with
//! their connections, and each connection lives and dies on the worker that accepted it.

mod acceptor;

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use self::acceptor::Acceptor;
use crate::admission::Admission;
use crate::allowance::LINE;
use crate::config::{Config, Listener};
use crate::deadline;
use crate::decoy::Decoy;
use crate::listener::Place;
use crate::session::Settings;
use crate::stats::{Counters, Totals};
use crate::upstream::Upstream;

/// A running worker. Dropped, it ends with all its connections.
#[derive(Debug)]
pub struct Worker {
    orders: mpsc::UnboundedSender<Order>,
}

/// What to do with the connections of one listener.
#[derive(Debug)]
pub struct Plan {
    /// The listener.
    pub listener: Listener,
    /// Where it leads.
    pub upstream: Arc<Upstream>,
    /// Where media leads that comes to a listener for everything.
    pub media: Option<Arc<Upstream>>,
    /// How TLS is terminated, where it is.
    pub tls: Option<Arc<ServerConfig>>,
    /// What browsers find.
    pub decoy: Option<Decoy>,
    /// A new socket, unless one of the same [`Place`] is listening already.
    pub socket: Option<TcpListener>,
}

/// The counters of the listeners that a worker ever had, by name.
pub type Report = HashMap<String, Totals>;

enum Order {
    /// Listen to exactly these.
    Listen(Arc<Config>, Vec<Plan>),
    /// Tell what was counted.
    Report(oneshot::Sender<Report>),
}

// === impl Worker ===

impl Worker {
    /// Starts worker number `index`, which listens to nothing yet. Wants a tokio runtime around it,
    /// which is not the worker's.
    pub fn start(index: usize, admission: Arc<Admission>) -> io::Result<Self> {
        let (orders, received) = mpsc::unbounded_channel();
        // One is enough: ticks that a worker could not take are none that it has to catch up.
        let (ticks, ticked) = mpsc::channel(1);
        let (started, start) = std::sync::mpsc::channel();
        // The runtime stays on the thread that makes it.
        let run = move || {
            let options = LocalOptions::default();
            match Builder::new_current_thread()
                .enable_all()
                .build_local(options)
            {
                Ok(runtime) => {
                    let _ = started.send(Ok(()));
                    runtime.block_on(State::new(admission).obey(received, ticked));
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        };
        thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(run)?;
        start.recv().map_err(io::Error::other)??;
        tokio::spawn(tick(ticks));
        Ok(Self { orders })
    }

    /// Listens to exactly the listeners of `plans` from now on. Sockets of others are closed
    /// once the connections that wait in them are accepted.
    pub fn listen(&self, config: &Arc<Config>, plans: Vec<Plan>) {
        self.order(Order::Listen(Arc::clone(config), plans));
    }

    /// Asks for what was counted; the answer comes through the receiver.
    pub fn report(&self) -> oneshot::Receiver<Report> {
        let (reply, report) = oneshot::channel();
        self.order(Order::Report(reply));
        report
    }

    fn order(&self, order: Order) {
        // A worker ends only with the process.
        let _ = self.orders.send(order);
    }
}

/// Tells a worker every second that one has passed. A timer of its own would have the kernel set an
/// alarm at each wait for events and take it back after, and that costs as much as to read a message.
async fn tick(worker: mpsc::Sender<()>) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !matches!(worker.try_send(()), Err(TrySendError::Closed(()))) {
        seconds.tick().await;
    }
}

/// What a worker knows, on its own thread.
struct State {
    admission: Arc<Admission>,
    acceptors: Vec<(Place, Rc<Acceptor>)>,
    /// Of every listener that there ever was: its counters outlive a reload that drops it, and
    /// sessions outlive it too.
    counters: HashMap<String, Rc<Counters>>,
}

// === impl State ===

impl State {
    fn new(admission: Arc<Admission>) -> Self {
        Self {
            admission,
            acceptors: Vec::new(),
            counters: HashMap::new(),
        }
    }

    async fn obey(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut ticked: mpsc::Receiver<()>,
    ) {
        tokio::task::spawn_local(async move {
            while ticked.recv().await.is_some() {
                deadline::tick();
                if LINE.pause().is_some() {
                    // Idle ones too must end.
                    deadline::wake_all();
                }
            }
        });
        while let Some(order) = orders.recv().await {
            match order {
                Order::Listen(config, plans) => self.listen(&config, plans),
                Order::Report(reply) => {
                    let now = deadline::now();
                    let totals = self
                        .counters
                        .iter()
                        .map(|(name, counters)| (name.clone(), counters.totals(now)));
                    // Who asked may have gone.
                    let _ = reply.send(totals.collect());
                }
            }
        }
    }

    fn listen(&mut self, config: &Arc<Config>, plans: Vec<Plan>) {
        let mut before = std::mem::take(&mut self.acceptors);
        for plan in plans {
            let place = Place::from(&plan.listener);
            let counters = self.counters.entry(plan.listener.name.clone()).or_default();
            let settings = Rc::new(Settings {
                config: Arc::clone(config),
                listener: plan.listener,
                upstream: plan.upstream,
                media: plan.media,
                tls: plan.tls,
                decoy: plan.decoy,
                counters: Rc::clone(counters),
            });
            let stays = before.iter().position(|(other, _)| *other == place);
            let acceptor = match (stays, plan.socket) {
                (Some(index), _) => {
                    let (_, acceptor) = before.swap_remove(index);
                    acceptor.change(settings);
                    acceptor
                }
                (None, Some(socket)) => match Acceptor::start(socket, settings, &self.admission) {
                    Ok(acceptor) => acceptor,
                    Err(error) => {
                        log::error!("a worker cannot listen: {error}");
                        continue;
                    }
                },
                (None, None) => {
                    log::error!("a worker has no socket for {place:?}");
                    continue;
                }
            };
            self.acceptors.push((place, acceptor));
        }
        for (_, acceptor) in before {
            acceptor.stop();
        }
    }
}
