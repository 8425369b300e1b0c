//! Requests and responses as the handlers see them, and the threads that run the handlers. The only folder that names `tiny_http`.

pub(super) mod client;
pub(super) mod exchange;
pub(super) mod lanes;
pub(super) mod workers;
