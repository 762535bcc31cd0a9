//! What the service may do otherwise, as no document says it: each is off unless a test turns it on.

/// Switches of what only a check looks at.
#[derive(Debug, Default)]
pub struct Oddities {
    /// Letters beyond Latin-1 come back as question marks.
    pub names_lose_letters: bool,
    /// No answer names the organizations that a PAT reaches, as for one that reaches all.
    pub target_accounts_withheld: bool,
    /// How many requests for one PAT by its id find nothing yet.
    pub gets_before_found: u32,
    /// The refusal of an organization that is not there names no tenant at all.
    pub missing_organization_untold: bool,
}
