//! The platform as it delivers a push until it is answered, and the phone that shows what came.

use super::http::{Address, Answer, Reply};
use super::push::Push;
use super::{Account, Console, Log, Request, Wire};
use std::time::{Duration, Instant};

/// How often the platform delivers a push, and how long it waits for each answer.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// 2 to 4 in all.
    pub deliveries: usize,
    /// When it drops the connection, after it has opened it.
    pub drop_after: Duration,
}

impl Default for Patience {
    /// What was seen of the real platform.
    fn default() -> Self {
        Self {
            deliveries: 3,
            drop_after: Duration::from_secs(5),
        }
    }
}

/// What came back for one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// A reply, which the phone shows.
    Reply(Reply),
    /// `success`, or nothing with status 200: nothing to show, and no further delivery.
    Success,
    /// No whole answer until the platform dropped the connection.
    Dropped,
    /// The server refused or closed the connection without an answer.
    Closed,
    /// Any other answer, with its status: the phone shows that the account is out of service.
    Fault(u16),
}

/// One delivery.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// When the connection was opened.
    pub began: Instant,
    /// From then to the answer or the end of the connection.
    pub took: Duration,
    /// What came.
    pub came: Came,
}

/// The deliveries of one push, in order.
#[derive(Clone, Debug)]
pub struct Phone(pub Vec<Delivered>);

impl Phone {
    /// The texts of all replies that were shown; at most one may be.
    pub fn shown(&self) -> Vec<&str> {
        let texts = self.0.iter().map(|delivered| match &delivered.came {
            Came::Reply(reply) => Some(reply.content.as_str()),
            Came::Success | Came::Dropped | Came::Closed | Came::Fault(_) => None,
        });
        texts.flatten().collect()
    }

    /// What came for each delivery.
    pub fn came(&self) -> Vec<&Came> {
        self.0.iter().map(|delivered| &delivered.came).collect()
    }
}

impl Account {
    /// Delivers this push until it is answered, signed anew each time.
    #[track_caller]
    pub fn deliver(&self, push: &Push, patience: Patience) -> Phone {
        deliver(self.address(), patience, self.log(), || {
            (push.request("/wechat", &self.token), Answer::clone)
        })
    }
}

impl Console {
    /// The same in the mode of this console, sealed anew each time.
    #[track_caller]
    pub fn deliver_until_answered(
        &self,
        account: &Account,
        push: &Push,
        patience: Patience,
    ) -> Phone {
        deliver(account.address(), patience, account.log(), || {
            let delivery = self.deliver(push);
            (delivery.request(), move |answer: &Answer| {
                self.read(&delivery, answer)
            })
        })
    }
}

/// Delivers until an answer comes. `next` makes each delivery, and what opens its answer.
///
/// The next delivery begins when the connection was dropped; also after a connection that the server refused or closed
/// earlier, as deliveries of the real platform are 5 s apart.
#[track_caller]
pub fn deliver<Open: Fn(&Answer) -> Answer>(
    address: &Address,
    patience: Patience,
    log: &Log,
    mut next: impl FnMut() -> (Request, Open),
) -> Phone {
    let mut phone = Phone(Vec::new());
    for _ in 0..patience.deliveries {
        let (request, open) = next();
        let began = Instant::now();
        let dropped_at = began + patience.drop_after;
        let response = Wire::connect(address).and_then(|mut wire| {
            wire.give_up_at(dropped_at);
            wire.send(&request.bytes())?;
            wire.response().map_err(std::io::Error::other)
        });
        let took = began.elapsed();
        let came = match response {
            Err(_) if took >= patience.drop_after => Came::Dropped,
            Err(_) => Came::Closed,
            Ok(response) => came(&open(&Answer::new(response, &request, log))),
        };
        let answered = !matches!(came, Came::Dropped | Came::Closed);
        phone.0.push(Delivered { began, took, came });
        if answered {
            break;
        }
        std::thread::sleep(dropped_at.saturating_duration_since(Instant::now()));
    }
    phone
}

#[track_caller]
fn came(answer: &Answer) -> Came {
    match (answer.response.status, answer.body().as_str()) {
        (200, "" | "success") => Came::Success,
        (200, _) => Came::Reply(answer.reply()),
        (status, _) => Came::Fault(status),
    }
}

/// Tests of the platform that delivers again.
mod tests {
    use super::super::account::HELP;
    use super::super::receiver::{Receiver, answer, hang, trickle};
    use super::super::{Mode, text, unsubscribe};
    use super::*;
    use std::sync::Mutex;

    const MOMENT: Duration = Duration::from_millis(200);

    fn patience(deliveries: usize) -> Patience {
        Patience {
            deliveries,
            drop_after: MOMENT,
        }
    }

    #[test]
    fn the_platform_delivers_until_it_is_answered_with_a_new_signature_each_time() {
        let slow = Receiver::start();
        let number = Mutex::new(0);
        slow.answers(move |_| {
            let mut number = number.lock().unwrap();
            *number += 1;
            match *number {
                1 => hang(),
                2 => trickle("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
                _ => answer("200 OK", "", "success"),
            }
        });
        let address = slow.url("").replace("http://", "").replace('/', "");
        let address = Address::Tcp(address.parse().unwrap());
        let push = text("hello");
        let phone = deliver(&address, patience(4), &Log::default(), || {
            (push.request("/wechat", "token"), Answer::clone)
        });
        assert_eq!(
            phone.came(),
            [&Came::Dropped, &Came::Dropped, &Came::Success]
        );
        assert!(phone.shown().is_empty());
        for (one, next) in phone.0.iter().zip(&phone.0[1..]) {
            assert!(one.took >= MOMENT && next.began >= one.began + MOMENT);
        }
        let calls = slow.calls();
        assert_eq!(calls[0].body, calls[2].body);
        assert_ne!(calls[0].query["signature"], calls[2].query["signature"]);
        slow.answers(|_| answer("503 Service Unavailable", "", ""));
        let phone = deliver(&address, patience(4), &Log::default(), || {
            (push.request("/wechat", "token"), Answer::clone)
        });
        assert_eq!(phone.came(), [&Came::Fault(503)]);
        slow.down();
        let phone = deliver(&address, patience(2), &Log::default(), || {
            (push.request("/wechat", "token"), Answer::clone)
        });
        assert_eq!(phone.came(), [&Came::Closed; 2]);
    }

    #[test]
    fn the_phone_shows_the_reply_in_every_mode() {
        for mode in Mode::ALL {
            let console = Console::new(mode);
            let account = console.setup().start();
            let patience = Patience::default();
            let phone = console.deliver_until_answered(&account, &text("hello"), patience);
            assert_eq!(phone.shown(), [HELP]);
            let phone = console.deliver_until_answered(&account, &unsubscribe(), patience);
            assert_eq!(phone.came(), [&Came::Success]);
            if mode == Mode::Plain {
                let phone = account.deliver(&text("hello"), patience);
                assert_eq!(phone.shown(), [HELP]);
            }
        }
    }
}
