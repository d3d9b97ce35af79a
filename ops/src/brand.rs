//! `ops brand`: the SMS brand from which a verification is prefilled.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clients::telnyx::BrandId;
use domain::kyb::{Brand, Field};
use domain::{OrganizationId, is_blank};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Set the brand, whole: what is not said is empty
    Set {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        #[command(flatten)]
        source: Box<Source>,
    },
    /// Show the brand
    Show {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
    },
    /// Take the brand over as the carrier has registered it
    Fetch {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        /// The carrier's id of the brand; the sandbox knows BSANDBOX
        #[arg(value_name = "BRAND_ID", value_parser = BrandId::parse)]
        brand: BrandId,
    },
}

/// Either a file or flags.
#[derive(Args)]
pub(crate) struct Source {
    /// A JSON object with these fields in camelCase, such as `show --json` prints
    #[arg(
        long, value_name = "FILE", conflicts_with_all = Fields::NAMES, required_unless_present_any = Fields::NAMES
    )]
    file: Option<PathBuf>,
    #[command(flatten)]
    fields: Fields,
}

macro_rules! brand_fields {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// The fields of a brand, from flags or from a file.
        #[derive(Args, Default, Deserialize)]
        #[serde(rename_all = "camelCase", default, deny_unknown_fields)]
        pub(crate) struct Fields {
            $($(#[$doc])* #[arg(long, value_name = "TEXT")] $field: Option<String>,)*
        }

        impl Fields {
            const NAMES: [&str; 14] = [$(stringify!($field)),*];

            /// The brand that these fields make.
            fn brand(self) -> Result<Brand, Failure> {
                Ok(Brand { $($field: field(stringify!($field), self.$field.as_deref())?,)* })
            }
        }

        fn shown(brand: &Brand) -> Value {
            let mut shown = Map::new();
            $(shown.insert(camel(stringify!($field)), brand.$field.as_str().into());)*
            shown.into()
        }
    };
}

brand_fields! {
    /// The company's legal name
    company_name,
    /// The name that customers know
    display_name,
    /// The kind of company, in the registry's words
    entity_type,
    /// The employer identification number
    ein,
    website,
    street,
    city,
    state,
    postal_code,
    /// Two letters, such as US
    country,
    /// The representative's first name
    first_name,
    /// The representative's last name
    last_name,
    email,
    /// Such as +14155550100
    phone,
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match command {
        Command::Set { organization, source } => {
            let brand = match source.file {
                None => source.fields.brand()?,
                Some(file) => read(&file)?,
            };
            store(session, &organization, &brand).await
        }
        Command::Show { organization } => {
            session.organization(&organization).await?;
            let brand = session.table.verification(&organization).await?.brand;
            let brand = brand.ok_or_else(|| Failure::new(format!("Organization '{organization}' has no brand.")))?;
            Ok(Output::thing(shown(&brand)))
        }
        Command::Fetch { organization, brand } => {
            let found = session.connection.carrier()?.brand(&brand).await?;
            let found = found.ok_or_else(|| Failure::new("The carrier knows no such brand."))?;
            store(session, &organization, &found).await
        }
    }
}

async fn store(session: &mut Session<'_, '_>, organization: &OrganizationId, brand: &Brand) -> Result<Output, Failure> {
    session.organization(organization).await?;
    let deed = format!("make '{}' the brand of '{organization}'", brand.company_name);
    if let Some(would) = session.before(&deed, Undo::Possible)? {
        return Ok(would);
    }
    session.table.set_brand(organization, brand).await?;
    let message = format!("The brand of '{organization}' is set; it prefills the next verification.");
    Ok(Output::changed(true, message, shown(brand)))
}

fn read(file: &std::path::Path) -> Result<Brand, Failure> {
    let name = file.display();
    let text = std::fs::read(file).map_err(|error| Failure::new(format!("{name} cannot be read: {error}.")))?;
    // By way of a map, because a list of 14 texts would be taken for the fields in their order.
    let fields: Fields = serde_json::from_slice::<Map<String, Value>>(&text)
        .and_then(|fields| serde_json::from_value(fields.into()))
        .map_err(|error| Failure::new(format!("{name} is not a JSON object with a brand's fields: {error}.")))?;
    fields.brand()
}

/// A field of the brand, by the rule of the form's field that it prefills. Blank is empty.
fn field(name: &str, text: Option<&str>) -> Result<String, Failure> {
    let prefills = match name {
        "company_name" => Field::LegalName,
        "display_name" => Field::DisplayName,
        "entity_type" => Field::EntityType,
        "ein" => Field::RegistrationId,
        "website" => Field::Website,
        "street" => Field::Street,
        "city" => Field::City,
        "state" => Field::State,
        "postal_code" => Field::PostalCode,
        "country" => Field::Country,
        "email" => Field::Email,
        "phone" => Field::Phone,
        // First and last name.
        _ => Field::Representative,
    };
    match text.filter(|text| !is_blank(text)) {
        None => Ok(String::new()),
        Some(text) => prefills.normalized(text).map_err(|reason| Failure::new(format!("{} {reason}.", camel(name)))),
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        name + &letters.next().map(|letter| letter.to_ascii_uppercase().to_string()).unwrap_or_default()
            + letters.as_str()
    })
}
