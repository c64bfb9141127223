//! Sections in, a [`RawConfig`] out: every option under its name, its values still text. Names
//! that nobody knows become warnings here, for this is where the known ones are listed.

use serde::Deserialize;
use serde::de::value::{Error, MapDeserializer};
use serde::de::{Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::problem::did_you_mean;
use super::report::{Noted, Report, label};
use super::uci::Section;

/// The values of an option or a list. Empty where the file has none.
pub(super) type Values = Vec<String>;

/// A file by the types of its sections.
#[derive(Default)]
pub(super) struct RawConfig {
    pub(super) main: RawMain,
    pub(super) budget: RawBudget,
    pub(super) listeners: Vec<Named<RawListener>>,
    pub(super) upstreams: Vec<Named<RawUpstream>>,
}

/// The options of a section, with its name.
pub(super) struct Named<T> {
    pub(super) name: String,
    pub(super) options: T,
}

/// `config waproxy`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawMain {
    pub(super) enabled: Values,
    pub(super) workers: Values,
    pub(super) max_connections: Values,
    pub(super) max_connections_per_client: Values,
    pub(super) connect_timeout: Values,
    pub(super) handshake_timeout: Values,
    pub(super) idle_timeout: Values,
    pub(super) half_close_timeout: Values,
    pub(super) drain_timeout: Values,
    pub(super) max_rate_per_client: Values,
    pub(super) max_handshakes: Values,
    pub(super) firewall: Values,
    pub(super) src_zone: Values,
    pub(super) port_mapping: Values,
    pub(super) upstream_interface: Values,
    pub(super) log_level: Values,
    pub(super) keep_history: Values,
    pub(super) host: Values,
    pub(super) cert: Values,
    pub(super) key: Values,
    pub(super) media_name: Values,
    pub(super) trusted_proxy: Values,
}

/// `config budget`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawBudget {
    pub(super) bytes: Values,
    pub(super) period: Values,
    pub(super) reset_day: Values,
    pub(super) rate: Values,
    pub(super) family_first: Values,
    pub(super) hours: Values,
    pub(super) weekday: Values,
}

/// `config listener`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawListener {
    pub(super) enabled: Values,
    pub(super) port: Values,
    pub(super) service: Values,
    pub(super) tls: Values,
    pub(super) accept_proxy: Values,
    pub(super) bind_port: Values,
    pub(super) bind_address: Values,
    pub(super) gate: Values,
    pub(super) decoy: Values,
}

/// `config upstream`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawUpstream {
    pub(super) address: Values,
    pub(super) proxy_header: Values,
    pub(super) allow_private: Values,
}

impl RawConfig {
    /// Sorts the sections of a file.
    pub(super) fn new(sections: &[Section], report: &mut Report) -> Self {
        let mut raw = Self::default();
        for section in sections {
            match section.kind.as_str() {
                "waproxy" if section.name == "main" => {
                    raw.main = options(section, report).unwrap_or_default();
                }
                "budget" if section.name == "budget" => {
                    raw.budget = options(section, report).unwrap_or_default();
                }
                kind @ ("waproxy" | "budget") => {
                    let name = if kind == "budget" { kind } else { "main" };
                    let message = format!("the one section of this type is called '{name}'");
                    report.problem(&label(kind, &section.name), None, &[], &message);
                }
                "listener" => raw.listeners.extend(named(section, report)),
                "upstream" => raw.upstreams.extend(named(section, report)),
                kind => {
                    let near = did_you_mean(kind, ["waproxy", "budget", "listener", "upstream"]);
                    let message = format!("this type of section is unknown{near}");
                    report.warning(&label(kind, &section.name), None, &[], &message);
                }
            }
        }
        raw
    }
}

fn named<'a, T: Deserialize<'a>>(section: &'a Section, report: &mut Report) -> Option<Named<T>> {
    let options = options(section, report).ok()?;
    let name = section.name.clone();
    Some(Named { name, options })
}

fn options<'a, T: Deserialize<'a>>(section: &'a Section, report: &mut Report) -> Result<T, Noted> {
    T::deserialize(Options { section, report }).map_err(|error| {
        let label = label(&section.kind, &section.name);
        report.problem(&label, None, &[], &error.to_string())
    })
}

/// The options of a section as serde sees them.
struct Options<'a, 'r> {
    section: &'a Section,
    report: &'r mut Report,
}

impl<'de> Deserializer<'de> for Options<'de, '_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        for (name, values) in &self.section.options {
            if !known.contains(&name.as_str()) {
                let near = did_you_mean(name, known.iter().copied());
                let message = format!("this option is unknown{near}");
                let label = label(&self.section.kind, &self.section.name);
                self.report.warning(&label, Some(name), values, &message);
            }
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let options = self
            .section
            .options
            .iter()
            .map(|(name, v)| (name.as_str(), v.clone()));
        visitor.visit_map(MapDeserializer::new(options))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
