//! Trouble: what is wrong now and since when ([`registry`]), of which kinds ([`kind`]), and who is told of it when
//! ([`notices`]); and when figures are trouble ([`rules`]). Knows no SQL and no HTTP.

mod kind;
mod notices;
mod registry;
mod rules;

pub use kind::{Kind, Subject};
pub use notices::{Notice, Notices, Told};
pub use registry::{Change, Trouble, Troubles};
pub use rules::{GAPS_OF, LEAST_SILENCE, Signing, WrongSignatures, patience};
