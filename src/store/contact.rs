//! What came from one person and went to them: what decides about the window, and the conversation.

use super::error::StoreError;
use super::finding::blocks_from;
use super::messages::{MessageFilter, MessageRow};
use super::open::Reader;
use super::sent::{SentRow, SentState};
use super::sql::values;
use super::statement::statements;

/// What decides whether a person can be answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// The last message, which is called `""`, and the last event of each name, in lower case: when they were received,
    /// in Unix seconds.
    pub came: Vec<(String, i64)>,
    /// The last messages that were sent.
    pub sent: Vec<SentMark>,
}

/// One message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMark {
    /// Unix seconds.
    pub at: i64,
    /// How it ended.
    pub state: SentState,
    /// Why the platform refused it.
    pub errcode: Option<i64>,
}

/// As many messages that were sent as decide about anything.
const MOST_SENT: u32 = 200;

/// Something in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A message of the person or an event, with its answer.
    Came(MessageRow),
    /// A message to the person.
    Sent(SentRow),
}

/// A part of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The oldest first. In one second what came stands before what was sent.
    pub said: Vec<Said>,
    /// Where the part before this one ends; `None`: this is the beginning.
    pub older: Option<Before>,
}

/// A place in a conversation: before these rows of `messages` and `sent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// Of `messages`.
    pub message: i64,
    /// Of `sent`.
    pub sent: i64,
}

impl Before {
    /// After everything.
    pub const END: Before = Before {
        message: i64::MAX,
        sent: i64::MAX,
    };
}

statements! {
    // `?2` is the smallest id since then.
    CAME = {
        sqlite: concat!(blocks_from!("?2"), "
                 SELECT iif(theirs.msg_type = 'event', lower(coalesce(event, 'event')), ''), max(received_at)
                 FROM block CROSS JOIN messages AS theirs INDEXED BY messages_block
                 WHERE theirs.id / 512 = block.number AND theirs.openid = ?1 AND received_at >= ?3
                 GROUP BY 1"),
        mysql: "SELECT if(msg_type = 'event', lower(convert(coalesce(event, 'event') USING utf8mb4)), '') AS kind, max(received_at)
                FROM messages WHERE openid = ?1 AND id >= ?2 AND received_at >= ?3 GROUP BY kind",
    };
    SENT = "SELECT at, state, errcode FROM sent WHERE openid = ?1 AND at >= ?2 ORDER BY id DESC LIMIT ?3";
}

impl Reader {
    /// What came from a person and went to them since then, in Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn contact(&self, openid: &str, since: i64) -> Result<Contact, StoreError> {
        let filter = MessageFilter {
            since: Some(since),
            ..MessageFilter::default()
        };
        let first = self.first_message_of(&filter)?;
        self.read(|sql| {
            let came = sql.all(&CAME, values![openid, first, since], |row| {
                Ok((row.some_text(0), row.some_number(1)))
            })?;
            let sent = sql.all(&SENT, values![openid, since, MOST_SENT], |row| {
                Ok(SentMark {
                    at: row.some_number(0),
                    state: SentState::read(&row.some_text(1)),
                    errcode: row.number(2),
                })
            })?;
            Ok(Contact { came, sent })
        })
    }

    /// The last `most` things that were said by and to a person before a place.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn conversation(
        &self,
        openid: &str,
        before: Before,
        most: usize,
    ) -> Result<Conversation, StoreError> {
        let and_one = u32::try_from(most).unwrap_or(u32::MAX).saturating_add(1);
        let came = self.messages_of(openid, before.message, and_one)?;
        let sent = self.sent_to(openid, before.sent, and_one)?;
        let (mut came, mut sent) = (came.into_iter().peekable(), sent.into_iter().peekable());
        let (mut said, mut place) = (Vec::new(), before);
        while said.len() < most {
            let next = match (came.peek(), sent.peek()) {
                (Some(message), Some(row)) if message.received_at > row.at => {
                    came.next().map(Said::Came)
                }
                (Some(_), None) => came.next().map(Said::Came),
                (_, Some(_)) => sent.next().map(Said::Sent),
                (None, None) => break,
            };
            match &next {
                Some(Said::Came(message)) => place.message = message.id,
                Some(Said::Sent(row)) => place.sent = row.id,
                None => {}
            }
            said.extend(next);
        }
        said.reverse();
        let is_more = came.peek().is_some() || sent.peek().is_some();
        Ok(Conversation {
            said,
            older: is_more.then_some(place),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::both_engines::on_both_engines;
    use crate::store::followers::tests::{push, record_all};
    use crate::store::{NewSent, Record, SendBegun, Sent, SentMessage, Store};
    use crate::wechat::Effect;

    /// A conversation with oA: a message each ten seconds, an answer in the same second as every third, and what others
    /// wrote in between.
    fn talk(store: &Store) {
        let at = |i| 1_790_000_000 + i * 10;
        let from = |i| if i % 2 == 1 { "oA" } else { "oB" };
        let pushes = (1..=30_u8).map(|i| {
            let push = push(i.into(), from(i), at(i64::from(i)), Effect::None);
            match i {
                5 => Record {
                    event: Some("CLICK".to_owned()),
                    ..push
                },
                _ => Record {
                    msg_type: "text".to_owned(),
                    ..push
                },
            }
        });
        record_all(store, pushes);
        for i in (1..=30_u8).filter(|i| i % 3 == 0) {
            let answer = NewSent {
                openid: from(i).to_owned(),
                at: at(i64::from(i)),
                message: SentMessage {
                    msg_type: "text",
                    content: "hello".to_owned(),
                },
                by: "cli".to_owned(),
                once: None,
            };
            match store.begin_sending(answer).unwrap() {
                SendBegun::New(id) => store.end_of_sending(id, Sent::Yes).unwrap(),
                SendBegun::Again(row) => panic!("{row:?}"),
            }
        }
    }

    /// When, and whether it was sent.
    fn short(said: &[Said]) -> Vec<(i64, bool)> {
        let short = said.iter().map(|said| match said {
            Said::Came(message) => ((message.received_at - 1_790_000_000) / 10, false),
            Said::Sent(row) => ((row.at - 1_790_000_000) / 10, true),
        });
        short.collect()
    }

    #[test]
    fn a_conversation_is_read_back_part_by_part_and_whole() {
        on_both_engines(|store| {
            talk(store);
            let reader = store.reader().unwrap();
            let came = (1..=30).filter(|i| i % 2 == 1);
            let whole: Vec<(i64, bool)> = came
                .flat_map(|i| {
                    [(i, false)]
                        .into_iter()
                        .chain((i % 3 == 0).then_some((i, true)))
                })
                .collect();
            for most in [1, 2, 3, 7, 19, 20, 21, 100] {
                let (mut read, mut before) = (Vec::new(), Before::END);
                loop {
                    let part = reader.conversation("oA", before, most).unwrap();
                    assert!(part.said.len() <= most);
                    let mut said = short(&part.said);
                    said.append(&mut read);
                    read = said;
                    match part.older {
                        Some(older) => before = older,
                        None => break,
                    }
                }
                assert_eq!(read, whole, "{most} at a time");
            }
            let nobody = reader.conversation("oC", Before::END, 10).unwrap();
            assert_eq!((nobody.said.len(), nobody.older), (0, None));
        });
    }

    #[test]
    fn the_contact_is_the_last_of_each_kind_and_what_was_sent() {
        on_both_engines(|store| {
            talk(store);
            let reader = store.reader().unwrap();
            let mut contact = reader.contact("oA", 1_790_000_000).unwrap();
            contact.came.sort();
            assert_eq!(
                contact.came,
                [
                    (String::new(), 1_790_000_290),
                    ("click".to_owned(), 1_790_000_050)
                ]
            );
            let sent: Vec<i64> = contact
                .sent
                .iter()
                .map(|sent| sent.at - 1_790_000_000)
                .collect();
            assert_eq!(sent, [270, 210, 150, 90, 30]);
            let later = reader.contact("oA", 1_790_000_215).unwrap();
            assert_eq!((later.came.len(), later.sent.len()), (1, 1));
            assert_eq!(reader.contact("oC", 0).unwrap(), Contact::default());
        });
    }
}
