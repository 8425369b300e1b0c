//! The input of a command: its arguments, the files and openids they name, and the owner's consent.

mod arguments;
pub mod attachment;
pub mod bulk;
pub mod confirm;
mod foreign;
pub mod json;
mod moment;

pub use arguments::{Hidden, Limit, NotBlank, Openid, Suggested, Yes, limit, one_of, whole_number};
pub use moment::{moment, since};
