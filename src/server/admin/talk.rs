//! The conversation with one person, and what can be done there.

use super::Answer;
use super::inbox::ids;
use super::people;
use super::visit::Visit;
use crate::api::{ApiError, Client};
use crate::app::{ForgetError, MediaFolder, forget as forget_person};
use crate::inbox::sending::{NoMessage, SendFailure, Sending, parts};
use crate::inbox::window::{LONGEST, Window, window};
use crate::page::failure::Failure;
use crate::page::person::is_end_of;
use crate::page::talk::{self, Talk, Told};
use crate::percent;
use crate::random;
use crate::server::http::response::Response;
use crate::store::{
    Before, Conversation, FetchedMedia, Mark, MessageRow, Reader, Said, StoreError,
};

/// What was said that one page shows.
const PAGE: usize = 50;

/// `GET /people/OPENID`
pub fn page(visit: &Visit<'_>) -> Answer {
    let told = match visit.asked.query("told").as_str() {
        "blocked" => Some(Told::Blocked),
        "unblocked" => Some(Told::Unblocked),
        _ => None,
    };
    shown(visit, 200, told, String::new())
}

/// The page with something to say and an answer that was not sent.
fn shown(visit: &Visit<'_>, status: u16, told: Option<Told>, draft: String) -> Answer {
    let asked = visit.asked;
    let Some(openid) = person(visit) else {
        return Ok(visit.failed(404, Failure::NotFound));
    };
    let before = before(&asked.query("before"));
    let app = &asked.admin.app;
    // Without a number the form does nothing.
    let once = random::hex().unwrap_or_default();
    let talk = app.store.read(|reader| {
        let follower = reader.follower(&openid)?;
        let conversation = reader.conversation(&openid, before.unwrap_or(Before::END), PAGE)?;
        let is_known = follower.is_some() || !conversation.said.is_empty();
        if !is_known && reader.follow_log(&openid)?.is_empty() {
            return Ok(None);
        }
        let has = |id: &i64| {
            let own = follower.as_ref().and_then(|row| row.tagid_list.as_ref());
            let own = own.and_then(|list| list.as_array());
            own.is_some_and(|list| list.iter().any(|tag| tag.as_i64() == Some(*id)))
        };
        let (tags, other_tags) = reader.tags()?.into_iter().partition(|(id, _)| has(id));
        let (pictures, files) = media(reader, &conversation)?;
        Ok(Some(Talk {
            name: people::name(reader, &openid)?,
            tags,
            other_tags,
            pictures,
            files,
            window: window_of(reader, &openid, visit.now)?,
            follower,
            conversation,
            is_newest: before.is_none(),
            can_send: app.api.is_some(),
            once,
            now: visit.now,
            told,
            draft,
            openid,
        }))
    })?;
    Ok(match talk {
        Some(talk) => asked.html(status, talk::page(&visit.frame(), &talk)),
        None => visit.failed(404, Failure::NotFound),
    })
}

/// The messages whose pictures there are, and those whose other files there are.
fn media(reader: &Reader, conversation: &Conversation) -> Result<(Vec<i64>, Vec<i64>), StoreError> {
    let (mut pictures, mut files) = (Vec::new(), Vec::new());
    for said in &conversation.said {
        let Said::Came(MessageRow {
            id,
            media_id: Some(_),
            ..
        }) = said
        else {
            continue;
        };
        match reader.media_file(*id)?.map(|file| is_picture(&file)) {
            Some(true) => pictures.push(*id),
            Some(false) => files.push(*id),
            None => {}
        }
    }
    Ok((pictures, files))
}

/// Whether browsers show it.
fn is_picture(file: &FetchedMedia) -> bool {
    picture_type(&file.media_type).is_some()
}

/// The media type of a picture; `None`: it is something else, which is downloaded.
fn picture_type(media_type: &str) -> Option<&'static str> {
    let pictures = ["image/png", "image/jpeg", "image/gif", "image/bmp"];
    pictures.into_iter().find(|known| *known == media_type)
}

/// `GET /media/ID`: what came with a message.
pub fn file(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked;
    let gone = || Ok(visit.failed(404, Failure::NotFound));
    let (Ok(id), Some(path)) = (
        asked.last_part().parse(),
        asked.live.config.store.media.as_deref(),
    ) else {
        return gone();
    };
    let found = asked.admin.app.store.read(|reader| {
        let file = reader.media_file(id)?;
        Ok(file.zip(MediaFolder::if_taken(path, reader)?))
    })?;
    let Some((FetchedMedia { file, media_type }, folder)) = found else {
        return gone();
    };
    let Ok(bytes) = folder.read(&file) else {
        return gone();
    };
    Ok(match picture_type(&media_type) {
        Some(picture) => Response::bytes(picture, bytes),
        None => Response::bytes("application/octet-stream", bytes).with(
            "Content-Disposition",
            format!("attachment; filename=\"{file}\""),
        ),
    })
}

fn window_of(reader: &Reader, openid: &str, now: i64) -> Result<Window, StoreError> {
    let contact = reader.contact(openid, now.saturating_sub(LONGEST))?;
    Ok(window(&contact, now))
}

/// The openid in the path.
fn person(visit: &Visit<'_>) -> Option<String> {
    let (path, _) = visit.asked.request.path_and_query();
    let below = visit.asked.admin.below(path)?;
    let part = below.strip_prefix("/people/")?.split('/').next()?;
    // In a path a plus sign is itself.
    let openid = percent::decode(&part.replace('+', "%2B"))?.into_owned();
    (!openid.is_empty()).then_some(openid)
}

/// `MESSAGE.SENT`, as pages link to what is before.
fn before(text: &str) -> Option<Before> {
    let (message, sent) = text.split_once('.')?;
    Some(Before {
        message: message.parse().ok()?,
        sent: sent.parse().ok()?,
    })
}

/// Back to the conversation.
fn back(visit: &Visit<'_>, openid: &str, then: &str) -> Response {
    let path = format!("/people/{}{then}", percent::encode(openid));
    visit.asked.go_to(&path)
}

/// `POST /people/OPENID/send`
pub fn send(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked;
    let app = &asked.admin.app;
    let text = asked.field("content").replace("\r\n", "\n");
    let once = asked.field("once");
    let (Some(openid), Some(api)) = (person(visit), &app.api) else {
        return shown(visit, 422, Some(Told::Shut), text);
    };
    let messages = match parts(&text) {
        Ok(parts) => parts.len(),
        Err(NoMessage::Empty) => return shown(visit, 422, Some(Told::Empty), text),
        Err(NoMessage::LongLink) => return shown(visit, 422, Some(Told::LongLink), text),
    };
    // In this order: what was begun meanwhile shuts the window, too.
    let (window, was_begun) = app.store.read(|reader| {
        Ok((
            window_of(reader, &openid, visit.now)?,
            reader.was_begun(&once)?,
        ))
    })?;
    if was_begun {
        return Ok(back(visit, &openid, "#answer"));
    }
    match window {
        Window::Shut(_) => return shown(visit, 422, Some(Told::Shut), text),
        Window::Open { left, .. } if messages > usize::from(left) => {
            return shown(visit, 422, Some(Told::TooMany(messages, left)), text);
        }
        Window::Open { .. } => {}
    }
    if once.is_empty() {
        return Ok(visit.failed(403, Failure::OldForm));
    }
    let sending = Sending {
        store: &app.store,
        api,
        openid: &openid,
        by: &visit.session.name,
    };
    let sent = match sending.send_text(&text, Some(&once)) {
        Ok(sent) => sent,
        Err(NoMessage::Empty | NoMessage::LongLink) => {
            return shown(visit, 422, Some(Told::Empty), text);
        }
    };
    match sent.failure {
        None => {
            // It was sent: what fails now must not look as if it was not.
            if let Err(error) = answered(visit, &openid) {
                log::warn!(
                    "operator page: an answer was sent, and what it is for not marked as done: {error}"
                );
            }
            Ok(back(visit, &openid, "#answer"))
        }
        Some(SendFailure::Again(_)) => Ok(back(visit, &openid, "#answer")),
        Some(SendFailure::Call(error)) if error.may_be_done() => {
            let told = Told::Unknown(error.to_string());
            shown(visit, 504, Some(told), String::new())
        }
        Some(SendFailure::Store(error)) => {
            not_sent(visit, 503, (sent.sent, sent.of), error.to_string(), text)
        }
        Some(SendFailure::Call(error)) => {
            not_sent(visit, 502, (sent.sent, sent.of), error.to_string(), text)
        }
    }
}

/// The page with an answer of which only some of its messages were sent, or none.
fn not_sent(
    visit: &Visit<'_>,
    status: u16,
    (sent, of): (usize, usize),
    why: String,
    text: String,
) -> Answer {
    // Of a long answer, what is left to send is not known any more.
    let draft = if sent == 0 { text } else { String::new() };
    shown(visit, status, Some(Told::Failed(sent, of, why)), draft)
}

/// Marks what the answer was for as done, as far as it is from this person.
fn answered(visit: &Visit<'_>, openid: &str) -> Result<(), StoreError> {
    let store = &visit.asked.admin.app.store;
    let asked = ids(&visit.asked.field("done"));
    if asked.is_empty() {
        return Ok(());
    }
    let rows = store.read(|reader| reader.messages_with(&asked))?;
    let theirs = rows
        .into_iter()
        .filter(|row: &MessageRow| row.openid == openid);
    let ids: Vec<i64> = theirs.map(|row| row.id).collect();
    let mark = Mark::Done {
        by: visit.session.name.clone(),
        at: visit.now,
    };
    store.mark(&ids, &mark).map(drop)
}

/// Asks the platform for a change, notes it if it was made, and goes back.
fn change(
    visit: &Visit<'_>,
    then: &str,
    call: impl FnOnce(&Client, &str) -> Result<bool, ApiError>,
    note: impl FnOnce(&str) -> Result<(), StoreError>,
) -> Answer {
    let Some((openid, api)) = person(visit).zip(visit.asked.admin.app.api.as_ref()) else {
        return Ok(visit.failed(404, Failure::NotFound));
    };
    let (status, told) = match call(api, &openid).map(|done| done.then(|| note(&openid))) {
        Ok(Some(Ok(()))) => return Ok(back(visit, &openid, then)),
        Ok(Some(Err(error))) => (503, Told::NotNoted(error.to_string())),
        Ok(None) => (502, Told::NotDone(String::new())),
        Err(error) => (502, Told::NotDone(error.to_string())),
    };
    shown(visit, status, Some(told), String::new())
}

/// `POST /people/OPENID/remark`
pub fn remark(visit: &Visit<'_>) -> Answer {
    let remark = visit.asked.field("remark");
    change(
        visit,
        "",
        |api, openid| api.updateremark(openid, &remark).map(|()| true),
        |openid| visit.asked.admin.app.store.note_remark(openid, &remark),
    )
}

/// `POST /people/OPENID/tag`
pub fn tag(visit: &Visit<'_>) -> Answer {
    change_tag(visit, true)
}

/// `POST /people/OPENID/untag`
pub fn untag(visit: &Visit<'_>) -> Answer {
    change_tag(visit, false)
}

fn change_tag(visit: &Visit<'_>, has_it: bool) -> Answer {
    let Ok(tag) = visit.asked.field("tag").parse() else {
        return Ok(visit.failed(404, Failure::NotFound));
    };
    change(
        visit,
        "",
        |api, openid| {
            match has_it {
                true => api.batchtagging(tag, &[openid]),
                false => api.batchuntagging(tag, &[openid]),
            }
            .map(|left_out| left_out.is_empty())
        },
        |openid| {
            let people = vec![openid.to_owned()];
            visit.asked.admin.app.store.note_tag(people, tag, has_it)
        },
    )
}

/// `POST /people/OPENID/block`
pub fn block(visit: &Visit<'_>) -> Answer {
    let block = |api: &Client, openid: &str| api.batchblacklist(&[openid]).map(|()| true);
    change(visit, "?told=blocked", block, |_| Ok(()))
}

/// `POST /people/OPENID/unblock`
pub fn unblock(visit: &Visit<'_>) -> Answer {
    let unblock = |api: &Client, openid: &str| api.batchunblacklist(&[openid]).map(|()| true);
    change(visit, "?told=unblocked", unblock, |_| Ok(()))
}

/// `POST /people/OPENID/forget`
pub fn forget(visit: &Visit<'_>) -> Answer {
    let Some(openid) = person(visit) else {
        return Ok(visit.failed(404, Failure::NotFound));
    };
    if !is_end_of(&openid, visit.asked.field("last").trim()) {
        return shown(visit, 422, Some(Told::WrongEnd), String::new());
    }
    let app = &visit.asked.admin.app;
    let reader = app.store.reader()?;
    let forgotten = forget_person(&visit.asked.live.config, &app.store, &reader, &openid);
    app.notifiers.hooks.notify();
    match forgotten {
        Ok(_) => {}
        Err(ForgetError::Store(error)) => return Err(error),
        Err(ForgetError::Files(why)) => return Ok(visit.failed(503, Failure::Files(&why))),
    }
    Ok(visit.asked.go_to("/inbox?forgotten=1"))
}
