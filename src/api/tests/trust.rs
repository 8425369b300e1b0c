//! Which certificates are accepted, with a real TLS server.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;

use crate::api::ApiError;
use crate::api::call::Call;
use crate::api::http::Http;
use crate::outbound::{NetworkCause, Outbound};

/// A TLS server on a free port that answers `{}`; returns its URL and its certificate as PEM.
fn server(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let pem = made.cert.pem();
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
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            if tls.read(&mut [0; 4096]).is_ok() {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                let _ = tls.write_all(answer).and_then(|()| tls.flush());
            }
        }
    });
    (url, pem)
}

fn call(url: &str, cert_file: Option<&Path>) -> Result<(), ApiError> {
    let cert_file = cert_file.map(Path::as_os_str);
    let http = Http::new(url, Duration::from_secs(10), Outbound::trusting(cert_file)?)?;
    http.send(&Call::read("/cgi-bin/x"), None)?.json().map(drop)
}

#[test]
fn a_certificate_in_ssl_cert_file_is_trusted_and_no_other_is() {
    let folder = tempfile::tempdir().unwrap();
    let (url, pem) = server("localhost");
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, pem).unwrap();
    call(&url, Some(&roots)).unwrap();
    let (other, _) = server("localhost");
    for (url, roots) in [(&other, Some(roots.as_path())), (&url, None)] {
        let error = call(url, roots).unwrap_err();
        assert!(
            matches!(
                error,
                ApiError::Network {
                    cause: NetworkCause::Tls(_),
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (url, pem) = server("api.example.com");
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, pem).unwrap();
    let error = call(&url, Some(&roots)).unwrap_err();
    assert!(
        matches!(
            error,
            ApiError::Network {
                cause: NetworkCause::Tls(_),
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_file_of_roots_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    for (path, cause) in [
        (folder.path().join("missing.pem"), "No such file"),
        (file("empty.pem", ""), "it holds no certificate"),
        (file("broken.pem", broken), "it is no PEM file"),
    ] {
        let text = call("https://localhost:1", Some(&path))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(&path.display().to_string()) && text.contains(cause),
            "{text}"
        );
    }
}

#[test]
fn an_invalid_base_url_is_refused() {
    for url in [
        "",
        "api.weixin.qq.com",
        "ftp://api.weixin.qq.com",
        "https://",
        "http://a b",
    ] {
        assert!(
            matches!(call(url, None), Err(ApiError::Request { .. })),
            "{url}"
        );
    }
}
