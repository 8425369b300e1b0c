//! Recording a push: its message and its effect on followers and jobs, in one commit.

use super::daily_counts::Uncounted;
use super::error::{ErrorKind, StoreError};
use super::forwards::{self, Begins, Forwarded, NewForward, ShowsKept};
use super::log_ins::{self, LogInStep};
use super::open::Store;
use super::outbox::NewHookEvent;
use super::process::NodeId;
#[cfg(feature = "mysql")]
use super::rows::ahead::Ahead;
use super::rows::{self, Inserted, NewRow, Place};
use super::sql::{self, Sql, ToValue, Value, values};
use super::statement::statements;
use super::used::{Signature, UsedSignature, claim, use_up};
use super::writer::{AfterCommit, Work};
use super::{erase, followers, jobs, sessions};
use crate::wechat::Effect;

/// A parsed and answered push, ready to be stored. The fields are the columns of `messages`.
#[derive(Debug, Clone)]
pub struct Record {
    /// The same for every delivery of one push.
    pub dedup_key: String,
    /// The `short_digest` of `dedup_key`.
    pub digest: i64,
    /// The signature of the request that brought it.
    pub signature: Signature,
    /// The sender.
    pub openid: String,
    /// `MsgType` as received.
    pub msg_type: String,
    /// `Event` as received.
    pub event: Option<String>,
    /// `EventKey` as received.
    pub event_key: Option<String>,
    /// `MsgId`, or the `MsgID` of an event.
    pub msg_id: Option<String>,
    /// The subject: what rules look at.
    pub content: Option<String>,
    /// The push as received, decrypted.
    pub xml: Option<String>,
    /// `CreateTime`, Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub received_at: i64,
    /// The rule that answered.
    pub rule: Option<String>,
    /// The answer as plain XML; `None`: `success`.
    pub reply: Option<String>,
    /// Whether somebody should look at it, by the rule.
    pub todo: bool,
    /// How to fetch the picture, recording or video that was sent.
    pub media_id: Option<String>,
    /// Whether that is to be fetched to the folder of media.
    pub fetches_media: bool,
    /// What the push means for the followers.
    pub effect: Effect,
    /// What it does to a log-in that has a row.
    pub log_in: Option<LogInStep>,
    /// What is recorded of it as a forwarded push; `None`: it is not.
    pub forward: Option<NewForward>,
    /// Whether an answer that was kept for the sender may be shown with it.
    pub shows_kept: ShowsKept,
    /// `ToUserName`: the account's original ID.
    pub account: String,
    /// Events for the hooks. Empty without hooks; no table of theirs is touched then.
    pub hook_events: Vec<NewHookEvent>,
}

/// The most text of one push for a server, in bytes: it takes statements of 16 MiB unless it is told otherwise, in which
/// half of the characters may have a backslash before them.
const MOST_SENT: usize = 7 << 20;

impl Record {
    /// The bytes of its texts that may be long.
    fn length(&self) -> usize {
        let Record {
            dedup_key,
            openid,
            event_key,
            content,
            xml,
            reply,
            ..
        } = self;
        let others = [event_key, content, xml, reply];
        let others = others.into_iter().flatten().map(String::len);
        dedup_key.len() + openid.len() + others.sum::<usize>()
    }

    /// What its signature is used for.
    fn used(&self) -> UsedSignature {
        UsedSignature {
            signature: self.signature,
            received_at: self.received_at,
            push: Some(self.digest),
        }
    }
}

/// The result of recording a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is new, and stored with its answer.
    New {
        /// An answer that was kept for the sender and is shown with it, as plain XML; `None`: the reply of the record is
        /// its answer.
        shown: Option<String>,
        /// If it was forwarded.
        forwarded: Option<Forwarded>,
    },
    /// It is new, and stored without an answer: its service is to be asked.
    Pending(Forwarded),
    /// It was delivered before, and has an answer.
    Again {
        /// The answer as plain XML; `None`: `success`.
        reply: Option<String>,
        /// If it was forwarded.
        forwarded: Option<Forwarded>,
    },
    /// It was delivered before, and has no answer yet: its service was asked.
    PendingAgain(Forwarded),
    /// Its message was removed, for example because the person was forgotten: nothing is recorded.
    Removed,
    /// Its signature brought something else at another node: nothing is recorded.
    Replayed {
        /// The `short_digest` of the dedup key of that push; `None`: it was not a push.
        push: Option<i64>,
    },
}

impl Store {
    /// Queues a push for the writer and returns at once; `done` runs after the commit, on the writer's thread.
    ///
    /// Copies of one push that arrive at the same time are resolved here: the writer handles one after the other,
    /// records the first and gives its answer to the others.
    pub fn record(
        &self,
        record: Record,
        done: impl FnOnce(Result<Recorded, StoreError>, &mut AfterCommit) + Send + 'static,
    ) {
        let length = record.length();
        if self.is_shared() && length > MOST_SENT {
            let why = format!(
                "store: write: a push with {length} bytes of text, and {MOST_SENT} are sent to a server at most"
            );
            let refused = StoreError::new(ErrorKind::TooLong, why);
            return done(Err(refused), &mut AfterCommit::default());
        }
        self.writer.submit(Box::new(RecordWork {
            record,
            node: self.node,
            place: Place::Unknown,
            recorded: Recorded::Removed,
            done,
        }));
    }
}

struct RecordWork<D> {
    record: Record,
    /// This server.
    node: NodeId,
    /// What became of its row before its turn.
    place: Place,
    recorded: Recorded,
    done: D,
}

impl<D: FnOnce(Result<Recorded, StoreError>, &mut AfterCommit) + Send> Work for RecordWork<D> {
    fn run(&mut self, sql: &mut dyn Sql, uncounted: &mut Uncounted) -> sql::Result<()> {
        self.recorded = write(sql, &self.record, self.node, self.place, uncounted)?;
        Ok(())
    }

    #[cfg(feature = "mysql")]
    fn ahead(&mut self) -> Option<Ahead<'_>> {
        Some(Ahead {
            row: row(&self.record),
            place: &mut self.place,
            // Messages are removed, perhaps those of pushes before it, but of none behind it.
            is_last: matches!(self.record.effect, Effect::AccountClosed { .. }),
        })
    }

    fn hook_events(&self) -> &[NewHookEvent] {
        match self.recorded {
            Recorded::New { .. } | Recorded::Pending(_) => &self.record.hook_events,
            Recorded::Again { .. }
            | Recorded::PendingAgain(_)
            | Recorded::Removed
            | Recorded::Replayed { .. } => &[],
        }
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, after: &mut AfterCommit) {
        let RecordWork { recorded, done, .. } = *self;
        done(outcome.map(|()| recorded), after);
    }

    fn is_awaited(&self) -> bool {
        false
    }
}

statements! {
    FETCH_MEDIA = "INSERT INTO media_files (message_id, next_at) VALUES (?1, ?2)";
    // `?2` is the signature of this delivery.
    KEPT = {
        sqlite: "SELECT id, reply, pending IS 1, signature IS ?2 FROM messages WHERE dedup_key = ?1",
        mysql: "SELECT id, reply, pending <=> 1, signature <=> ?2 FROM messages WHERE dedup = unhex(sha2(?1, 256))",
    };
    // It may have been answered at the same time; by now it stays as it is, because the row of its service is locked.
    ANSWERED = { sqlite: "", mysql: "SELECT reply FROM messages WHERE id = ?1 AND NOT pending <=> 1" };
}

/// Whether it waits for the answer of its service.
fn is_pending(record: &Record) -> bool {
    record
        .forward
        .as_ref()
        .is_some_and(|forward| forward.begins == Begins::Pending)
}

fn row(record: &Record) -> NewRow<'_> {
    let one_if = |is_so| match is_so {
        true => Value::Integer(1),
        false => Value::Null,
    };
    NewRow {
        used: record.used(),
        values: [
            record.dedup_key.value(),
            record.openid.value(),
            record.msg_type.value(),
            record.event.value(),
            record.event_key.value(),
            record.msg_id.value(),
            record.content.value(),
            record.xml.value(),
            record.created_at.value(),
            record.received_at.value(),
            record.rule.value(),
            record.reply.value(),
            record.media_id.value(),
            record.signature.value(),
            one_if(is_pending(record)),
            one_if(record.todo),
        ],
    }
}

fn write(
    sql: &mut dyn Sql,
    record: &Record,
    node: NodeId,
    place: Place,
    uncounted: &mut Uncounted,
) -> sql::Result<Recorded> {
    let id = match rows::insert(sql, &row(record), place)? {
        Inserted::At(id) => id,
        Inserted::NotNew => return not_new(sql, record),
        Inserted::Replayed(push) => return Ok(Recorded::Replayed { push }),
    };
    uncounted.add(id, &record.msg_type, record.received_at);
    if record.fetches_media {
        sql.run(&FETCH_MEDIA, values![id, record.received_at])?;
    }
    let at = record.created_at;
    match &record.effect {
        Effect::None => {}
        Effect::Follow { scene } => followers::follow(sql, &record.openid, at, scene.as_deref())?,
        Effect::Leave => {
            followers::leave(sql, &record.openid, at)?;
            sessions::end_of(sql, &record.openid)?;
        }
        Effect::ProfileChanged { openid } => followers::queue_profile(sql, openid)?,
        Effect::ProfileRevoked { openid } => {
            followers::clear_profile(sql, openid, record.received_at)?;
            sessions::end_of(sql, openid)?;
        }
        Effect::AccountClosed { openid } => {
            // Messages are removed, perhaps this one.
            uncounted.count(sql)?;
            erase::close_account(sql, openid)?;
        }
        Effect::JobFinished(result) => jobs::finish(sql, result, &record.openid, at)?,
    }
    if let Some(step) = &record.log_in {
        log_ins::take(sql, step)?;
    }
    let forwarded = match &record.forward {
        None => None,
        Some(forward) => Some(forwards::add(
            sql,
            forward,
            node,
            id,
            &record.openid,
            record.received_at,
        )?),
    };
    let shown = match &record.shows_kept {
        ShowsKept::No => None,
        shows @ (ShowsKept::Alone | ShowsKept::Before(_)) => forwards::show_kept(
            sql,
            id,
            shows,
            &record.openid,
            &record.account,
            record.received_at,
        )?,
    };
    Ok(match (forwarded, shown) {
        (Some(forwarded), None) if is_pending(record) => Recorded::Pending(forwarded),
        (forwarded, shown) => Recorded::New { shown, forwarded },
    })
}

/// The answer to a push that is already recorded, or must not be. Its signature is used up anyway.
fn not_new(sql: &mut dyn Sql, record: &Record) -> sql::Result<Recorded> {
    let kept = sql.optional(&KEPT, values![record.dedup_key, record.signature], |row| {
        let (id, reply): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
        let same_signature: bool = row.get(3)?;
        Ok((id, reply, row.get(2)?, same_signature))
    })?;
    if !kept
        .as_ref()
        .is_some_and(|(.., same_signature)| *same_signature)
    {
        if let Some(push) = claim(sql, &record.used())? {
            return Ok(Recorded::Replayed { push });
        }
        use_up(sql, &record.used())?;
    }
    let Some((id, reply, is_pending, _)) = kept else {
        return Ok(Recorded::Removed);
    };
    let forwarded = forwards::delivered_again(sql, id)?;
    Ok(match forwarded {
        Some(forwarded) if is_pending => {
            match sql.optional(&ANSWERED, values![id], |row| row.get(0))? {
                None => Recorded::PendingAgain(forwarded),
                Some(reply) => Recorded::Again {
                    reply,
                    forwarded: Some(forwarded),
                },
            }
        }
        forwarded => Recorded::Again { reply, forwarded },
    })
}
