//! Every function of the bundle, registered here and nowhere else: what this list holds is run, tested and described.

use runtime::settings::SettingsError;
use runtime::{Function, Start};
use utoipa::OpenApi;

/// A package of `functions/`.
pub struct Registered {
    /// Its folder and package.
    pub name: &'static str,
    /// What its `main` starts.
    pub start: fn(&Start) -> Result<Function, SettingsError>,
    /// What customers read of its routes.
    pub describe: Option<fn() -> utoipa::openapi::OpenApi>,
}

pub const FUNCTIONS: &[Registered] = &[
    Registered { name: "numbers", start: numbers::start, describe: Some(numbers::Docs::openapi) },
    Registered { name: "available", start: available::start, describe: Some(available::Docs::openapi) },
    Registered { name: "imports", start: imports::start, describe: Some(imports::Docs::openapi) },
    Registered { name: "kyb", start: kyb::start, describe: Some(kyb::Docs::openapi) },
    Registered { name: "kyb-notifier", start: kyb_notifier::start, describe: None },
    Registered { name: "kyb-review", start: kyb_review::start, describe: None },
    Registered { name: "reconciler", start: reconciler::start, describe: None },
    Registered { name: "renewals", start: renewals::start, describe: None },
    Registered { name: "credits", start: credits::start, describe: Some(credits::Docs::openapi) },
    Registered { name: "webhooks", start: webhooks::start, describe: Some(webhooks::Docs::openapi) },
];

/// The function of this name.
#[must_use]
pub fn registered(name: &str) -> Option<&'static Registered> {
    FUNCTIONS.iter().find(|function| function.name == name)
}
