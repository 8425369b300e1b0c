//! The rules of the configuration: which pushes they match and what they answer.

mod parser;

use regex::{Regex, RegexBuilder};

use super::fold::{Folding, fold_regex};
use super::local::{Media, MediaFile};
use super::template::Template;
use crate::wechat::message;

pub(super) use parser::parse;

/// The keys of a `[[rule]]` with what each is for, in the order of the documentation.
pub const RULE_KEYS: &[(&str, &str)] = &[
    (
        "name",
        "a name for logs and for the column `messages.rule`; without it the rule is called by its number",
    ),
    (
        "message",
        "what it is about: a MsgType, a list of them, or \"any\"",
    ),
    (
        "event",
        "or: an Event name, a list of them, or \"any\"; upper and lower case are the same",
    ),
    ("equals", "the subject is this text, or one of these"),
    (
        "prefix",
        "the subject begins with this text, or one of these",
    ),
    (
        "contains",
        "the subject has this text in it, or one of these",
    ),
    (
        "regex",
        "the subject matches this regular expression, or one of these",
    ),
    (
        "case",
        "true: compare exactly; otherwise case, width, invisible characters and spaces around it do not matter",
    ),
    (
        "subject",
        "\"scan\": look at what was scanned (events scancode_…) instead of the event's \"key\"",
    ),
    (ActionKey::Text.name(), "answer with a text"),
    (
        ActionKey::Image.name(),
        "answer with a picture: its media_id, of `material upload`, or a file next to this one",
    ),
    (ActionKey::Voice.name(), "answer with a recording: the same"),
    (
        ActionKey::Video.name(),
        "answer with a video: { media_id, title, description }",
    ),
    (
        ActionKey::Music.name(),
        "answer with music: { title, description, url, hq_url, thumb_media_id }",
    ),
    (
        ActionKey::News.name(),
        "answer with articles: a list of { title, description, pic_url, url }, 1 to 8",
    ),
    (
        ActionKey::Transfer.name(),
        "hand the message to customer service: true, or the account of an agent",
    ),
    (
        ActionKey::Forward.name(),
        "answer with what a program of yours says: the name of a [[service]]",
    ),
    (
        OTHERWISE,
        "with `forward`: the text that is shown when the service fails",
    ),
    (ActionKey::Silent.name(), "true: answer nothing"),
    (
        "todo",
        "true: what it answered is listed under *To do* until somebody marks it done; a rule with `transfer` has it anyway",
    ),
];

/// The key beside `forward` for what is shown when the service fails.
const OTHERWISE: &str = "otherwise";

/// The MsgTypes that a rule can be about.
pub const MESSAGE_TYPES: &[&str] = &message::MESSAGE_TYPES;

/// A key of a rule that sets its action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ActionKey {
    Text,
    Image,
    Voice,
    Video,
    Music,
    News,
    Transfer,
    Forward,
    Silent,
}

impl ActionKey {
    const ALL: [ActionKey; 9] = [
        ActionKey::Text,
        ActionKey::Image,
        ActionKey::Voice,
        ActionKey::Video,
        ActionKey::Music,
        ActionKey::News,
        ActionKey::Transfer,
        ActionKey::Forward,
        ActionKey::Silent,
    ];

    const fn name(self) -> &'static str {
        match self {
            ActionKey::Text => "text",
            ActionKey::Image => "image",
            ActionKey::Voice => "voice",
            ActionKey::Video => "video",
            ActionKey::Music => "music",
            ActionKey::News => "news",
            ActionKey::Transfer => "transfer",
            ActionKey::Forward => "forward",
            ActionKey::Silent => "silent",
        }
    }
}

/// One rule, ready to match.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name: `name`, else `rule #N` counted from 1.
    pub name: String,
    /// Line of its first key in the file, counted from 1.
    pub line: usize,
    /// What it is about.
    pub about: About,
    /// The text that its tests look at.
    pub aim: Aim,
    /// The conditions on the subject; all must hold.
    pub tests: Vec<Test>,
    /// Compare exactly instead of folded, see [`Folding`].
    pub case: bool,
    /// The answer.
    pub action: Action,
    /// What it answers waits for somebody until it is marked done.
    pub todo: bool,
}

/// The kind of push that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Messages of these MsgTypes.
    Messages(Kinds),
    /// Events of these names.
    Events(Kinds),
}

/// The text that the tests of a rule look at: its key `subject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aim {
    /// `"key"`: the `EventKey` of an event, or the text of a message.
    Key,
    /// `"scan"`: the scanned text of the events `scancode_…`.
    Scan,
}

/// A choice of MsgTypes or Event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kinds {
    /// `"any"`
    Any,
    /// These, in lower case.
    Listed(Vec<String>),
}

impl Kinds {
    /// Whether `name`, ignoring case, is among them.
    #[must_use]
    pub fn include(&self, name: &str) -> bool {
        match self {
            Kinds::Any => true,
            Kinds::Listed(names) => names.iter().any(|listed| listed.eq_ignore_ascii_case(name)),
        }
    }
}

/// A condition on the subject: one matching pattern is enough. Patterns are folded unless the rule has `case`.
#[derive(Debug, Clone)]
pub enum Test {
    /// The subject is one of these.
    Equals(Vec<String>),
    /// The subject begins with one of these.
    Prefix(Vec<String>),
    /// The subject contains one of these.
    Contains(Vec<String>),
    /// One of these matches in the subject; the first that does provides the groups.
    Regex(Vec<Pattern>),
}

/// A regular expression of a rule.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As in the configuration, for the subject as written.
    pub written: Regex,
    /// For the folded subject, if that needs another one.
    pub folded: Option<Regex>,
}

impl Pattern {
    /// Compiles an expression. `folding` is `None` if nothing is folded, not even case.
    ///
    /// # Errors
    /// When it is not valid, or takes more than a mebibyte.
    pub fn new(pattern: &str, folding: Option<Folding>) -> Result<Pattern, regex::Error> {
        let compile = |pattern: &str| {
            RegexBuilder::new(pattern)
                .case_insensitive(folding.is_some())
                .size_limit(1 << 20)
                .build()
        };
        let folds = folding == Some(Folding::Text);
        let folded = folds.then(|| fold_regex(pattern)).flatten();
        Ok(Pattern {
            written: compile(pattern)?,
            folded: folded.and_then(|folded| compile(&folded).ok()),
        })
    }

    /// The expression for the folded subject.
    #[must_use]
    pub fn for_folded(&self) -> &Regex {
        self.folded.as_ref().unwrap_or(&self.written)
    }
}

/// The answer of a rule.
#[derive(Debug, Clone)]
pub enum Action {
    /// Answer `success`.
    Silent,
    /// A text.
    Text(Template),
    /// A picture.
    Image(Media),
    /// A recording.
    Voice(Media),
    /// A video.
    Video {
        /// The video.
        media: Media,
        /// Shown above it.
        title: Option<Template>,
        /// Shown below the title.
        description: Option<Template>,
    },
    /// Music.
    Music {
        /// Shown on the card.
        title: Option<Template>,
        /// Shown below the title.
        description: Option<Template>,
        /// Where it plays from.
        url: Option<Template>,
        /// Where it plays from on Wi-Fi.
        hq_url: Option<Template>,
        /// The picture on the card.
        thumb: Media,
    },
    /// Articles, 1 to 8.
    News(Vec<NewsItem>),
    /// Transfer to customer service: to this agent, or to any.
    Transfer(Option<String>),
    /// What a service says.
    Forward {
        /// Its name.
        service: String,
        /// Shown when the service fails; `None`: nothing.
        otherwise: Option<Template>,
    },
}

impl Action {
    /// The picture, recording or video that it needs.
    #[must_use]
    pub fn media(&self) -> Option<&Media> {
        match self {
            Action::Image(media)
            | Action::Voice(media)
            | Action::Video { media, .. }
            | Action::Music { thumb: media, .. } => Some(media),
            Action::Silent
            | Action::Text(_)
            | Action::News(_)
            | Action::Transfer(_)
            | Action::Forward { .. } => None,
        }
    }

    /// The file that must be uploaded before it can answer.
    #[must_use]
    pub fn media_file(&self) -> Option<&MediaFile> {
        match self.media()? {
            Media::File(file) => Some(file),
            Media::Id(_) => None,
        }
    }
}

/// One article of [`Action::News`].
#[derive(Debug, Clone)]
pub struct NewsItem {
    /// Headline.
    pub title: Template,
    /// Text below it.
    pub description: Template,
    /// JPG or PNG.
    pub pic_url: Template,
    /// Where a tap leads.
    pub url: Template,
}

impl Rule {
    /// How texts are folded unless the rule has `case`.
    #[must_use]
    pub fn folding(&self) -> Folding {
        self.aim.folding(&self.about)
    }
}

impl Aim {
    fn folding(self, about: &About) -> Folding {
        match (self, about) {
            (Aim::Key, About::Events(_)) => Folding::Key,
            (Aim::Key, About::Messages(_)) | (Aim::Scan, _) => Folding::Text,
        }
    }
}

impl Action {
    /// The service that it forwards to.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        match self {
            Action::Forward { service, .. } => Some(service),
            Action::Silent
            | Action::Text(_)
            | Action::Image(_)
            | Action::Voice(_)
            | Action::Video { .. }
            | Action::Music { .. }
            | Action::News(_)
            | Action::Transfer(_) => None,
        }
    }

    /// The key of the rule that sets this action.
    #[must_use]
    pub fn key(&self) -> &'static str {
        let key = match self {
            Action::Silent => ActionKey::Silent,
            Action::Text(_) => ActionKey::Text,
            Action::Image(_) => ActionKey::Image,
            Action::Voice(_) => ActionKey::Voice,
            Action::Video { .. } => ActionKey::Video,
            Action::Music { .. } => ActionKey::Music,
            Action::News(_) => ActionKey::News,
            Action::Transfer(_) => ActionKey::Transfer,
            Action::Forward { .. } => ActionKey::Forward,
        };
        key.name()
    }

    fn templates(&self) -> Box<dyn Iterator<Item = &Template> + '_> {
        match self {
            Action::Text(text) => Box::new(std::iter::once(text)),
            Action::Forward { otherwise, .. } => Box::new(otherwise.iter()),
            Action::Video {
                title, description, ..
            } => Box::new(title.iter().chain(description)),
            Action::Music {
                title,
                description,
                url,
                hq_url,
                ..
            } => Box::new(title.iter().chain(description).chain(url).chain(hq_url)),
            Action::News(items) => Box::new(
                items
                    .iter()
                    .flat_map(|item| [&item.title, &item.description, &item.pic_url, &item.url]),
            ),
            Action::Silent | Action::Image(_) | Action::Voice(_) | Action::Transfer(_) => {
                Box::new(std::iter::empty())
            }
        }
    }
}
