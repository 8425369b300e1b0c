//! Encrypted connections to a database: whose certificate is accepted.

use crate::support::cluster::Cluster;
use crate::support::engine::Engine;
use crate::support::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::Path;

/// The certificate of an authority of its own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap()
}

/// Makes a certificate for this address, signed by that authority, and returns the options of a server that has it.
fn certified(folder: &Path, authority: &CertifiedIssuer<'_, KeyPair>) -> [String; 2] {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, authority).unwrap();
    let keep = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    [
        format!("--ssl-cert={}", keep("server.pem", certificate.pem())),
        format!("--ssl-key={}", keep("server.key", key.serialize_pem())),
    ]
}

/// A setup with this value of `store.tls`: a word, or the certificates of a file.
fn with_tls(cluster: &Cluster<'_>, tls: &str) -> Setup {
    let setup = cluster.setup();
    let value = match tls.starts_with("-----BEGIN") {
        false => tls,
        true => {
            std::fs::write(setup.folder().join("ca.pem"), tls).unwrap();
            "ca.pem"
        }
    };
    setup.set("store.tls", &format!("\"{value}\""))
}

#[test]
fn a_certificate_is_accepted_if_the_named_authority_signed_it_for_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    let [certificate, key] = certified(folder.path(), &authority);
    let Some(engine) = Engine::start(&[&certificate, &key]) else {
        return;
    };
    let cluster = Cluster::on(&engine);

    let node = with_tls(&cluster, &authority.pem()).start();
    node.post(&text("hello")).is_status(200);
    let checked = node.command(&["check"]);
    checked.ok().says("TLS_").says_nothing_of("not encrypted");
    drop(node);

    let plain = with_tls(&cluster, "off").start();
    plain.post(&text("hello")).is_status(200);
    plain.command(&["check"]).ok().says("not encrypted");
    drop(plain);

    let stranger = self::authority().pem();
    let unknown = [
        with_tls(&cluster, "required"),
        with_tls(&cluster, &stranger),
    ];
    for setup in unknown {
        let account = setup.stopped();
        for command in ["serve", "check"] {
            let ran = account.command(&[command]);
            ran.is_code(1);
            let told = format!("{}{}", ran.stdout, ran.stderr);
            ran.expect(told.contains("certificate"), "the reason");
            ran.expect(told.contains("in store.tls"), "what to do");
        }
    }

    // It is for another name than this one.
    let url = engine
        .url(&cluster.database)
        .replace("127.0.0.1", "localhost");
    with_tls(&cluster, &authority.pem())
        .set("store.url", &format!("\"{url}\""))
        .stopped()
        .command(&["serve"])
        .is_code(1)
        .complains("names the host of store.url");
}

#[test]
fn a_server_that_encrypts_nothing_is_refused_unless_it_may() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    with_tls(&cluster, "required")
        .stopped()
        .command(&["serve"])
        .is_code(1)
        .complains("have the server take encrypted connections");
}
