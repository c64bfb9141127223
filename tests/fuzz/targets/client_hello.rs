//! What a client says to a TLS listener in, in two pieces that its first byte cuts: the first bytes of
//! a stranger. None of it shakes hands, as nobody guesses a key; so all of it ends with an error, at once.

use std::env;
use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};

use rustls::ServerConfig;
use tokio::runtime::{Builder, Runtime};
use waproxy::gate;
use waproxy::side::Plain;
use waproxy::tls::{Tls, acceptor::acceptor, identity::Identity};

struct Stage {
    runtime: Runtime,
    listener: TcpListener,
    config: Arc<ServerConfig>,
}

thread_local! {
    static STAGE: LazyLock<Stage> = const { LazyLock::new(Stage::new) };
}

/// More than a handshake has, and less than a socket holds.
const MOST: usize = 64 * 1024;

impl Stage {
    fn new() -> Self {
        let folder = env::temp_dir().join(format!("waproxy-hello-{}", std::process::id()));
        let identity = Identity::make(&folder).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            config: acceptor(&identity).unwrap(),
        }
    }
}

pub fn run(data: &[u8]) {
    let Some((cut, said)) = data.split_first() else {
        return;
    };
    if said.len() > MOST {
        return;
    }
    let (first, second) = said.split_at(said.len() * usize::from(*cut) / 256);
    let judged = gate::hello(first);
    assert!(judged.is_none() || judged == gate::hello(said));
    STAGE.with(|stage| {
        let mut client = TcpStream::connect(stage.listener.local_addr().unwrap()).unwrap();
        let (server, _) = stage.listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        stage.runtime.block_on(async {
            let server = tokio::net::TcpStream::from_std(server).unwrap();
            let mut tls = Tls::new(Plain::new(server), Arc::clone(&stage.config)).unwrap();
            client.write_all(first).unwrap();
            let mut shaking = std::pin::pin!(tls.shake_hands());
            tokio::select! {
                biased;
                ended = &mut shaking => return assert!(ended.is_err()),
                () = tokio::task::yield_now() => {}
            }
            // He may have been turned away meanwhile.
            let _ = client.write_all(second);
            let _ = client.shutdown(Shutdown::Write);
            assert!(shaking.await.is_err(), "shook hands");
        });
    });
}
