//! The HTTP server of every fake, on a free port: it answers by a function, refuses connections and comes back.

use super::platform::Call;
use super::platform::connection::{Reply, serve};
use socket2::{Domain, Socket, Type};
use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

type Answer = Arc<dyn Fn(&Call) -> Reply + Send + Sync>;
type Streams = Arc<Mutex<HashMap<u64, TcpStream>>>;

/// The server; it stops when dropped.
pub struct Endpoint {
    address: SocketAddr,
    socket: Socket,
    answer: Answer,
    open: Streams,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Endpoint {
    /// Starts one; every call is answered in a thread of its connection, so that an answer may take its time.
    pub fn start(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let (socket, address) = bound_socket();
        let endpoint = Self {
            address,
            socket,
            answer: Arc::new(answer),
            open: Arc::default(),
            accepting: Mutex::default(),
        };
        endpoint.up();
        endpoint
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses new connections and breaks open ones.
    pub fn down(&self) {
        let Some(accepting) = self.accepting.lock().unwrap().take() else {
            return;
        };
        // On Linux this ends a blocked accept and stops listening, but keeps the port for `up`.
        self.socket.shutdown(Shutdown::Both).unwrap();
        accepting.join().unwrap();
        for stream in self.open.lock().unwrap().values() {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Listens again on the same port.
    pub fn up(&self) {
        let mut accepting = self.accepting.lock().unwrap();
        if accepting.is_none() {
            self.socket.listen(256).unwrap();
            let listener = TcpListener::from(self.socket.try_clone().unwrap());
            let (answer, open) = (self.answer.clone(), self.open.clone());
            *accepting = Some(std::thread::spawn(move || {
                accept(&listener, &answer, &open)
            }));
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.down();
    }
}

/// A socket bound to a free port. It is bound a second time by number, because a socket keeps its port after listening
/// only if it was bound by number; the first socket reserves the port until then. Another program can listen on it.
pub fn bound_socket() -> (Socket, SocketAddr) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let free = socket_at(any);
    let address = free.local_addr().unwrap().as_socket().unwrap();
    (socket_at(address), address)
}

/// Two sockets may share an address while neither listens.
fn socket_at(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

fn accept(listener: &TcpListener, answer: &Answer, open: &Streams) {
    for number in 0.. {
        let Ok((stream, _)) = listener.accept() else {
            break;
        };
        open.lock()
            .unwrap()
            .insert(number, stream.try_clone().unwrap());
        let (answer, open) = (answer.clone(), open.clone());
        std::thread::spawn(move || {
            serve(stream, |call| answer(call));
            open.lock().unwrap().remove(&number);
        });
    }
}
