//! Black-box tests: a real daemon, real clients, stand-ins for WhatsApp's hosts on loopback.
//!
//! Run them with `tests/run`, which brings the tools that they need. Some need root.

// In a test an `unwrap` is an assertion, and nothing outside can reach anything in here.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod support;

mod address;
mod admission;
mod budget;
mod bulk;
mod cable;
mod certificate;
mod clock;
mod commands;
mod config;
mod control;
mod counters;
mod decoy;
mod descriptors;
mod disk;
mod dns;
mod doctor;
mod firewall;
mod floods;
mod garbage;
mod gate;
mod haproxy;
mod home;
mod impact;
mod init_script;
mod instance;
mod media;
mod memory;
mod memory_limit;
mod metrics_format;
mod one_port;
mod outside;
mod package;
mod port_mapping;
mod pressure;
mod privacy;
mod proxy_header;
mod redirect;
mod relay;
mod reload;
mod renewal;
mod sandbox;
mod secrets;
mod share_qr;
mod shortage;
mod slow_reader;
mod soak;
mod stages;
mod stop;
mod storm;
mod testssl;
mod timeouts;
mod tls;
mod tls_attacks;
mod tls_changes;
mod tls_conversations;
mod two_wans;
mod uci_agreement;
mod upstream;
mod workers;
