//! Fixed amounts of work through one relay, and what they cost it. Where relay and load run, how
//! often and in which order is not known here.

pub mod bulk;
pub mod connections;
pub mod flood;
pub mod memory;
pub mod round_trips;
