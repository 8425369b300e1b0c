//! Requests and responses as the handlers see them, and the threads that run the handlers. The only folder that names `tiny_http`.

pub mod client;
pub mod headers;
pub mod lanes;
pub mod outbox;
pub mod peer;
pub mod pool;
pub mod reply;
pub mod request;
pub mod response;
pub mod workers;
