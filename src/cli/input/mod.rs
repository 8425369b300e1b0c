//! The input of a command: its arguments, the files and openids they name, and the owner's consent.

mod arguments;
pub mod attachment;
pub mod bulk;
pub mod confirm;
pub mod json;
mod moment;
mod named;

pub use arguments::{Hidden, Limit, NotBlank, Openid, Suggested, Yes, limit, one_of, whole_number};
pub use moment::{moment, since};
pub use named::{find_named, none_configured};
