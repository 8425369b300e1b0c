//! Follow, QR code, location (the platform's page "Receiving event pushes").

use serde::{Deserialize, Serialize};

/// `subscribe` and `SCAN`; the scene is [`super::Event::scene`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct QrScan {
    /// Names the QR code's picture, if there was a code.
    pub ticket: Option<String>,
}

/// `LOCATION`, sent when the conversation is opened or every 5 seconds while it is; not to be
/// confused with the message `location`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LocationReport {
    /// Degrees, decimal text as received.
    pub latitude: String,
    /// Degrees, decimal text as received.
    pub longitude: String,
    /// Metres, decimal text as received.
    pub precision: String,
}
