//! How long an entry holds, for the commands that set it.

use anyhow::Result;
use jiff::Timestamp;

use crate::when;

/// From when on an entry is not found any more.
#[derive(Debug, clap::Args)]
pub(crate) struct ExpiryArgs {
    /// Not to be found any more after so long, such as 30d or 12h.
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
    /// Not to be found any more from then on, such as 2030-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in")]
    expires_at: Option<String>,
}

impl ExpiryArgs {
    pub(crate) fn resolve(&self) -> Result<Option<Timestamp>> {
        let given = self.expires_in.as_deref().or(self.expires_at.as_deref());
        given.map(|text| when::ahead("the time of expiry", text)).transpose()
    }
}
