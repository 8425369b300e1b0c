//! What an owner does with messages: when followers can be answered, sending, and what no rule answers. Knows no HTTP and
//! no SQL.

pub mod described;
pub mod sending;
pub mod unanswered;
pub mod window;
