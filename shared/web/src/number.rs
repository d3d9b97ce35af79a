//! The phone number in HTTP: its row, its id in a path, and what requests say about its routing.

mod path;
mod row;

use domain::number::{Direction as Calls, DispatchTemplate, Routing};
use domain::{AgentId, Label};

pub use path::NumberPath;
pub use row::{
    Direction, E164, JsonObject, NumberSource, PhoneNumberRow, SetupState, SetupStatusRow, SuspensionReason,
};

use crate::Fields;

impl Fields {
    /// What a new number's fields say about its routing.
    pub fn routing(&mut self) -> Routing {
        Routing {
            direction: self.optional("direction", Calls::parse).unwrap_or_default(),
            template: self.json("dispatchMetadataTemplate", DispatchTemplate::from_compact_json),
            agent: self.optional("agentId", AgentId::parse),
            label: self.optional("label", Label::parse),
        }
    }
}
