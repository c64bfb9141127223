//! What a file leaves out is as the packages ship it.

use super::DEFAULT;
use super::uci::{self, Section};

/// Adds the shipped options of `main`, of `budget` and of the shipped upstreams where the sections lack them,
/// so that a file of listeners is enough. Listeners are never added.
pub(super) fn complete(sections: &mut Vec<Section>) {
    for shipped in uci::read(DEFAULT).sections {
        if shipped.kind == "listener" {
            continue;
        }
        let same = |s: &&mut Section| s.kind == shipped.kind && s.name == shipped.name;
        let Some(section) = sections.iter_mut().find(same) else {
            sections.push(shipped);
            continue;
        };
        for option in shipped.options {
            if section.options.iter().all(|(name, _)| *name != option.0) {
                section.options.push(option);
            }
        }
    }
}
