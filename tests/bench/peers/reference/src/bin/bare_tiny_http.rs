//! `bare_tiny_http PORT TOKEN`: tiny_http alone, four threads, the answer in one write.

use std::io::Write;
use std::sync::Arc;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().expect("a port");
    let token = arguments.next().expect("a token");
    let server = Arc::new(tiny_http::Server::http(format!("127.0.0.1:{port}")).expect("listening"));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (server, token) = (Arc::clone(&server), token.clone());
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    handle(request, &token);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread that runs for ever");
    }
}

fn handle(mut request: tiny_http::Request, token: &str) {
    let mut body = Vec::new();
    if request.as_reader().read_to_end(&mut body).is_err() {
        return;
    }
    let query = request.url().split_once('?').map_or("", |(_, query)| query);
    let (status, text) = match reference::answer(query, token, &body) {
        Some(text) => ("200 OK", text),
        None => ("403 Forbidden", String::new()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    let mut writer = request.into_writer();
    writer.write_all(answer.as_bytes()).ok();
    writer.flush().ok();
}
