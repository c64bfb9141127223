//! A redirect lies between the phone and us, as on a router. Needs root.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use crate::support::client::{PATIENCE, connect_from};
use crate::support::daemon::Daemon;
use crate::support::namespace::Namespace;
use crate::support::setup::{Setup, listener_on, upstream};
use crate::support::stand_in::{Accepted, StandIn};

#[test]
fn the_upstream_is_told_the_port_that_the_phone_used() {
    let (router, phone) = (Namespace::new(), Namespace::new());
    router.join_phone(&phone);
    router.tool(&["nft", "add table inet proxy"]);
    router.tool(&[
        "nft",
        "add chain inet proxy incoming { type nat hook prerouting priority dstnat; }",
    ]);
    router.tool(&[
        "nft",
        "add rule inet proxy incoming iifname wan tcp dport 443 redirect to :10443",
    ]);

    let (stand_in, accepted) = router.inside(StandIn::handing_over);
    let setup = Setup::new()
        .with(listener_on(443, "chat_in", "chat"))
        .with(upstream("chat", stand_in.address(), "v1"));
    let _daemon = Daemon::start_under(&router.prefix(), &setup);

    for (family, source, target) in [
        ("TCP4", "192.0.2.66", "192.0.2.1"),
        ("TCP6", "2001:db8::66", "2001:db8::1"),
    ] {
        for (port, why) in [(443, "behind the redirect"), (10443, "without it")] {
            let (source, target): (IpAddr, IpAddr) =
                (source.parse().unwrap(), target.parse().unwrap());
            let mut client =
                phone.inside(|| connect_from(source, SocketAddr::new(target, port)).unwrap());
            client.write_all(b"hello").unwrap();
            let Accepted { header, .. } = accepted.recv_timeout(PATIENCE).unwrap();
            let source_port = client.local_addr().unwrap().port();
            assert_eq!(
                header,
                format!("PROXY {family} {source} {target} {source_port} {port}"),
                "{why}"
            );
        }
    }
}
