//! All figures there are, in the order of the tables.

use crate::figure::{Column, Figure, Reach, Target, Work};
use crate::relay::Kind;
use crate::work::bulk::Way;
use crate::work::flood::Attack;

const fn column(title: &'static str, digits: usize) -> Column {
    Column { title, digits }
}

const fn target(column: usize, reach: Reach) -> Target {
    Target { column, reach }
}

const BULK: &[Column] = &[column("CPU s/GB", 3), column("Gbit/s", 1)];
const CONNECTIONS: &[Column] = &[
    column("CPU µs each", 1),
    column("a second", 0),
    column("p50 µs", 0),
    column("p99 µs", 0),
    column("p99.9 µs", 0),
    column("relay's core busy %", 0),
];
const ROUND_TRIPS: &[Column] = &[
    column("CPU µs each", 2),
    column("p50 µs", 1),
    column("p99 µs", 1),
];
/// Of several connections at once a time says nothing.
const TOGETHER: &[Column] = &[column("CPU µs each", 2)];
const FLOOD: &[Column] = &[column("kept %", 0), column("attacks a second", 0)];
const RATE: &[Column] = &[column("of it %", 1)];
const START: &[Column] = &[column("PSS KiB", 0), column("private dirty KiB", 0)];
const HELD: &[Column] = &[
    column("KiB each", 2),
    column("left after all closed, KiB", 0),
    column("kernel slab, KiB each", 1),
];
const STALLED: &[Column] = &[
    column("KiB each", 1),
    column("taken from the sender, KiB", 0),
];

const PLAIN_BULK: &[Target] = &[
    target(0, Reach::Times(1.15, Kind::Pump)),
    target(0, Reach::BelowPeers),
];
const NOT_ABOVE_NGINX: &[Target] = &[
    target(0, Reach::Times(1.0, Kind::Nginx)),
    target(1, Reach::Times(1.0, Kind::Nginx)),
    target(2, Reach::Times(1.0, Kind::Nginx)),
];
const HELD_PLAIN: &[Target] = &[
    target(0, Reach::Value(1.5)),
    target(1, Reach::Value(1024.0)),
];
const HELD_TLS: &[Target] = &[
    target(0, Reach::Value(5.0)),
    target(1, Reach::Value(1024.0)),
];
const HALF: &[Target] = &[target(0, Reach::AtLeast(50.0))];
/// Within five per cent.
const HELD_RATE: &[Target] = &[
    target(0, Reach::AtLeast(95.0)),
    target(0, Reach::Value(105.0)),
];
const SLOW: &[Target] = &[target(0, Reach::Value(64.0))];

const PLAIN: &str = "Bytes, plain";
const TLS: &str = "Bytes, TLS 1.3 with AES-128-GCM";
const MEMORY: &str = "Memory of connections that are held";
const FLOODS: &str = "Speed of 200 steady transfers, beside a flood";
const RATES: &str = "Bytes at a limited rate of 400 Mbit/s";
const TOGETHER_32: &str = "Round trips of 1 KB, 32 connections at once";
const SLOW_READERS: &str = "Memory of connections on which one side does not read";

const fn figure(
    name: &'static str,
    (table, label): (&'static str, &'static str),
    columns: &'static [Column],
    work: Work,
    targets: &'static [Target],
) -> Figure {
    Figure {
        name,
        table,
        label,
        columns,
        work,
        targets,
    }
}

const fn bytes(tls: bool, way: Way) -> Work {
    Work::Bulk { tls, way }
}

const fn shake(resumed: bool, tls13: bool) -> Work {
    Work::Shake { resumed, tls13 }
}

const fn trip(tls: bool, size: usize, connections: usize) -> Work {
    Work::RoundTrip {
        tls,
        size,
        connections,
    }
}

const fn slow(tls: bool, way: Way) -> Work {
    Work::Stalled { tls, way }
}

const fn flood(name: &'static str, label: &'static str, attack: Attack) -> Figure {
    figure(name, (FLOODS, label), FLOOD, Work::Flood(attack), HALF)
}

pub const FIGURES: &[Figure] = &[
    figure(
        "plain-up",
        (PLAIN, "up"),
        BULK,
        bytes(false, Way::Up),
        PLAIN_BULK,
    ),
    figure(
        "plain-down",
        (PLAIN, "down"),
        BULK,
        bytes(false, Way::Down),
        PLAIN_BULK,
    ),
    figure(
        "plain-both",
        (PLAIN, "both"),
        BULK,
        bytes(false, Way::Both),
        PLAIN_BULK,
    ),
    figure("tls-up", (TLS, "up"), BULK, bytes(true, Way::Up), &[]),
    figure(
        "tls-down",
        (TLS, "down"),
        BULK,
        bytes(true, Way::Down),
        &[target(0, Reach::Times(0.85, Kind::Nginx))],
    ),
    figure("tls-both", (TLS, "both"), BULK, bytes(true, Way::Both), &[]),
    figure(
        "plain-connect",
        ("New connections, plain", ""),
        CONNECTIONS,
        Work::Connect,
        &[
            target(0, Reach::Times(0.95, Kind::Nginx)),
            target(1, Reach::NotBelow(Kind::Nginx)),
        ],
    ),
    figure(
        "tls13-full",
        ("New connections, TLS 1.3, full handshake", ""),
        CONNECTIONS,
        shake(false, true),
        &[
            target(0, Reach::Times(0.48, Kind::Haproxy)),
            target(0, Reach::Times(1.0, Kind::Realm)),
        ],
    ),
    figure(
        "tls13-resumed",
        ("New connections, TLS 1.3, resumed", ""),
        CONNECTIONS,
        shake(true, true),
        &[
            target(0, Reach::Times(0.5, Kind::Nginx)),
            target(0, Reach::Times(1.0, Kind::Realm)),
        ],
    ),
    figure(
        "tls12-full",
        ("New connections, TLS 1.2, full handshake", ""),
        CONNECTIONS,
        shake(false, false),
        &[],
    ),
    figure(
        "tls12-resumed",
        ("New connections, TLS 1.2, resumed", ""),
        CONNECTIONS,
        shake(true, false),
        &[target(0, Reach::Times(1.0, Kind::Nginx))],
    ),
    figure(
        "plain-64",
        ("Round trips of 64 B, plain", ""),
        ROUND_TRIPS,
        trip(false, 64, 1),
        NOT_ABOVE_NGINX,
    ),
    figure(
        "plain-1k",
        ("Round trips of 1 KB, plain", ""),
        ROUND_TRIPS,
        trip(false, 1000, 1),
        &[],
    ),
    figure(
        "tls-64",
        ("Round trips of 64 B, TLS 1.3", ""),
        ROUND_TRIPS,
        trip(true, 64, 1),
        &[
            target(0, Reach::Times(1.0, Kind::Realm)),
            target(1, Reach::Times(1.0, Kind::Realm)),
            target(2, Reach::Times(1.0, Kind::Realm)),
        ],
    ),
    figure(
        "tls-1k",
        ("Round trips of 1 KB, TLS 1.3", ""),
        ROUND_TRIPS,
        trip(true, 1000, 1),
        &[],
    ),
    figure(
        "plain-1k-32",
        (TOGETHER_32, "plain"),
        TOGETHER,
        trip(false, 1000, 32),
        &[target(0, Reach::Times(1.0, Kind::Nginx))],
    ),
    figure(
        "tls-1k-32",
        (TOGETHER_32, "TLS 1.3"),
        TOGETHER,
        trip(true, 1000, 32),
        &[],
    ),
    figure(
        "rate-plain",
        (RATES, "plain"),
        RATE,
        Work::Rate { tls: false },
        HELD_RATE,
    ),
    figure(
        "rate-tls",
        (RATES, "TLS"),
        RATE,
        Work::Rate { tls: true },
        HELD_RATE,
    ),
    flood("flood-one", "of one address", Attack::One),
    flood("flood-many", "of 10,000", Attack::Many),
    flood("flood-scan", "of scans", Attack::Scan),
    flood("flood-syn", "of SYNs and silence", Attack::Syn),
    flood("flood-tls", "of TLS handshakes", Attack::Shake),
    flood(
        "flood-slow-tls",
        "of slow TLS handshakes",
        Attack::SlowShake,
    ),
    flood(
        "flood-slow-header",
        "of slow PROXY headers",
        Attack::SlowHeader,
    ),
    figure(
        "start",
        ("Memory at start", ""),
        START,
        Work::Start,
        &[
            target(0, Reach::Value(1536.0)),
            target(1, Reach::Value(400.0)),
        ],
    ),
    figure(
        "held-plain",
        (MEMORY, "plain"),
        HELD,
        Work::Held { tls: false },
        HELD_PLAIN,
    ),
    figure(
        "held-tls",
        (MEMORY, "TLS"),
        HELD,
        Work::Held { tls: true },
        HELD_TLS,
    ),
    figure(
        "held-many",
        ("Memory of 8,000 plain connections", ""),
        HELD,
        Work::HeldMany,
        HELD_PLAIN,
    ),
    figure(
        "slow-plain-down",
        (SLOW_READERS, "plain, down"),
        STALLED,
        slow(false, Way::Down),
        SLOW,
    ),
    figure(
        "slow-plain-up",
        (SLOW_READERS, "plain, up"),
        STALLED,
        slow(false, Way::Up),
        SLOW,
    ),
    figure(
        "slow-tls-down",
        (SLOW_READERS, "TLS, down"),
        STALLED,
        slow(true, Way::Down),
        SLOW,
    ),
    figure(
        "slow-tls-up",
        (SLOW_READERS, "TLS, up"),
        STALLED,
        slow(true, Way::Up),
        SLOW,
    ),
];
