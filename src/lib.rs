//! A WhatsApp proxy for home routers.
//!
//! A connection flows through the stages from left to right and never back:
//!
//! ```text
//! config ─► listener ─► worker ─► session ─► admission      may it come in?
//!                                         ─► proxy_header   who is it, where did it want to go?
//!                                         ─► gate           chat or media, by the first bytes?
//!                                         ─► tls            terminate, where the listener says so
//!                                         ─► upstream       dial WhatsApp
//!                                         ─► relay          bytes, both ways
//!                                         ─► stats          what happened
//! ```
//!
//! Only [`session`] knows the order; the stages do not know one another. [`control`] and
//! [`command`] look in from outside: a running daemon answers on a Unix socket, and every
//! command but `run`, `check` and `doctor` asks it there. [`doctor`] looks at any proxy as a phone
//! would, by its public ports alone.

// What comes from outside must not be able to end the daemon: there is nobody to catch a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::get_unwrap,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::panic_in_result_fn,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_in_result,
        clippy::unwrap_used,
    )
)]

mod address;
pub mod admission;
pub mod allowance;
mod aside;
pub mod command;
pub mod config;
pub mod control;
pub mod daemon;
pub mod deadline;
pub mod decoy;
pub mod doctor;
pub mod gate;
pub mod listener;
pub mod logger;
pub mod memory;
mod one_line;
pub mod paths;
pub mod port_mapping;
pub mod proxy_header;
pub mod relay;
mod routes;
pub mod sandbox;
pub mod seldom;
pub mod session;
pub mod share;
pub mod shortage;
pub mod side;
pub mod socket;
mod state_file;
pub mod stats;
pub mod timestamp;
pub mod tls;
pub mod upstream;
pub mod worker;
