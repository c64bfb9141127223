//! What the tests are made of: a daemon, its clients, stand-ins for WhatsApp, real tools.

pub mod authority;
pub mod client;
pub mod daemon;
pub mod dnsmasq;
pub mod duplex;
pub mod exchange;
pub mod faketime;
pub mod folder;
pub mod fw4;
pub mod haproxy;
pub mod namespace;
pub mod openssl;
pub mod port;
pub mod privacy;
pub mod process;
pub mod random;
pub mod relayed;
pub mod resolver;
pub mod router;
pub mod setup;
pub mod stand_in;
pub mod status;
pub mod tls;
pub mod transfer;
pub mod uci;
pub mod whatsapp;
