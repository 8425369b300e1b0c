//! A TLS server like that of a reverse proxy: it forwards every request to a server behind it.

use super::http::Address;
use rustls::pki_types::PrivateKeyDer;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A TLS server for `localhost` on a free port; it runs until the test process ends.
pub struct TlsFront {
    port: u16,
    /// Its self-signed certificate as PEM.
    pub certificate: String,
    heard: Arc<AtomicUsize>,
}

impl TlsFront {
    /// Starts it in front of this server; without one it reads and never answers.
    pub fn start(behind: Option<&Address>) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        let behind = match behind {
            Some(Address::Tcp(address)) => Some(*address),
            Some(Address::Unix(_)) => panic!("the server behind it has a port"),
            None => None,
        };
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut tls = rustls::Stream::new(&mut session, &mut stream);
                let mut request = vec![0; 64 * 1024];
                let read = tls.read(&mut request).unwrap_or(0);
                count.fetch_add(read, Ordering::Relaxed);
                if let (Some(behind), 1..) = (behind, read) {
                    hand_on(behind, &request[..read], &mut tls);
                }
            }
        });
        Self {
            port,
            certificate: made.cert.pem(),
            heard,
        }
    }

    /// Its URL without a path.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Decrypted bytes read so far.
    pub fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

/// Reads one whole request by its `Content-Length`, and returns the answer of the server behind.
fn hand_on(behind: std::net::SocketAddr, start: &[u8], tls: &mut (impl Read + Write)) {
    let mut request = start.to_vec();
    let length = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let (head, _) = text.split_once("\r\n\r\n")?;
        let length = head.split("content-length:").nth(1);
        let length = length.and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
        Some(head.len() + 4 + length.unwrap_or(0))
    };
    while length(&request).is_none_or(|whole| request.len() < whole) {
        let mut more = [0; 4096];
        match tls.read(&mut more) {
            Ok(read @ 1..) => request.extend(&more[..read]),
            Ok(0) | Err(_) => return,
        }
    }
    let closing =
        String::from_utf8_lossy(&request).replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
    let mut server = TcpStream::connect(behind).unwrap();
    server.write_all(closing.as_bytes()).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    tls.write_all(&answer).and_then(|()| tls.flush()).ok();
}
