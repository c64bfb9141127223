//! What `waproxy status --json` says.

use serde_json::Value;

#[derive(Debug)]
pub struct Status(pub Value);

impl Status {
    /// Connections open now, of all listeners.
    pub fn open(&self) -> u64 {
        number(&self.0["connections"]["now"])
    }

    /// The most that were open at once.
    pub fn peak(&self) -> u64 {
        number(&self.0["connections"]["peak"])
    }

    pub fn cap(&self) -> u64 {
        number(&self.0["connections"]["cap"])
    }

    pub fn workers(&self) -> u64 {
        self.0["workers"].as_u64().unwrap()
    }

    pub fn memory_bytes(&self) -> u64 {
        number(&self.0["memory_bytes"])
    }

    pub fn configuration_errors(&self) -> &[Value] {
        self.0["configuration_errors"]
            .as_array()
            .expect("configuration_errors is a list")
    }

    /// The listener of this name, if it is there.
    pub fn find(&self, listener: &str) -> Option<&Value> {
        let listeners = self.0["listeners"].as_array().expect("listeners is a list");
        listeners.iter().find(|entry| entry["name"] == listener)
    }

    pub fn listener(&self, listener: &str) -> &Value {
        self.find(listener)
            .unwrap_or_else(|| panic!("no listener {listener} in {}", self.0))
    }

    pub fn upstream(&self, upstream: &str) -> &Value {
        let upstreams = self.0["upstreams"].as_array().expect("upstreams is a list");
        upstreams
            .iter()
            .find(|entry| entry["name"] == upstream)
            .expect("the upstream is in the status")
    }

    /// Connections that came to a listener, whatever became of them.
    pub fn accepted(&self, listener: &str) -> u64 {
        number(&self.listener(listener)["accepted"])
    }

    /// Connections of a listener that were refused for a reason.
    pub fn refused(&self, listener: &str, reason: &str) -> u64 {
        self.listener(listener)["refused"]
            .get(reason)
            .map_or(0, number)
    }

    /// Connections of a listener that ended for a reason.
    pub fn ended(&self, listener: &str, reason: &str) -> u64 {
        self.listener(listener)["ended"]
            .get(reason)
            .map_or(0, number)
    }

    /// Errors of accepting, whatever they were.
    pub fn accept_errors(&self, listener: &str) -> u64 {
        let errors = self.listener(listener)["accept_errors"]
            .as_object()
            .expect("accept_errors is an object");
        errors.values().map(number).sum()
    }
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("a number is missing in the status: {value}"))
}
