//! The rules of the configuration: which pushes they are about and what they answer.

mod reading;

use regex::{Regex, RegexBuilder};

use super::fold::{Folding, fold_regex};
use super::template::Template;
use crate::wechat::message;

pub(super) use reading::read;

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
        "true: compare exactly; otherwise case, width, invisible signs and spaces around do not matter",
    ),
    (
        "subject",
        "\"scan\": look at what was scanned (events scancode_…) instead of the event's \"key\"",
    ),
    (AnswerKey::Text.name(), "answer with a text"),
    (
        AnswerKey::Image.name(),
        "answer with a picture: its media_id, of `material upload`",
    ),
    (
        AnswerKey::Voice.name(),
        "answer with a recording: its media_id, of `material upload`",
    ),
    (
        AnswerKey::Video.name(),
        "answer with a video: { media_id, title, description }",
    ),
    (
        AnswerKey::Music.name(),
        "answer with music: { title, description, url, hq_url, thumb_media_id }",
    ),
    (
        AnswerKey::News.name(),
        "answer with articles: a list of { title, description, pic_url, url }, 1 to 8",
    ),
    (
        AnswerKey::Transfer.name(),
        "hand the message to customer service: true, or the account of an agent",
    ),
    (AnswerKey::Silent.name(), "true: answer nothing"),
];

/// The MsgTypes that a rule can be about.
pub const MESSAGE_TYPES: &[&str] = &message::MESSAGE_TYPES;

/// A key of a rule that says what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswerKey {
    Text,
    Image,
    Voice,
    Video,
    Music,
    News,
    Transfer,
    Silent,
}

impl AnswerKey {
    const ALL: [AnswerKey; 8] = [
        AnswerKey::Text,
        AnswerKey::Image,
        AnswerKey::Voice,
        AnswerKey::Video,
        AnswerKey::Music,
        AnswerKey::News,
        AnswerKey::Transfer,
        AnswerKey::Silent,
    ];

    const fn name(self) -> &'static str {
        match self {
            AnswerKey::Text => "text",
            AnswerKey::Image => "image",
            AnswerKey::Voice => "voice",
            AnswerKey::Video => "video",
            AnswerKey::Music => "music",
            AnswerKey::News => "news",
            AnswerKey::Transfer => "transfer",
            AnswerKey::Silent => "silent",
        }
    }
}

/// One rule, ready to be matched.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name: `name`, else `rule #N` counted from 1.
    pub name: String,
    /// Line of its first key in the file, counted from 1.
    pub line: usize,
    /// What it is about.
    pub about: About,
    /// What its tests look at.
    pub aim: Aim,
    /// What the subject must satisfy; all of them must hold.
    pub tests: Vec<Test>,
    /// Compare exactly instead of folded, see [`Folding`].
    pub case: bool,
    /// What it answers.
    pub answer: Answer,
}

/// The kind of push that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Messages of these MsgTypes.
    Messages(Kinds),
    /// Events of these names.
    Events(Kinds),
}

/// What the tests of a rule look at, its key `subject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aim {
    /// `"key"`: the `EventKey` of an event; of a message what the person wrote.
    Key,
    /// `"scan"`: what was scanned, of the events `scancode_…`.
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
    /// Whether `name`, in any case, is among them.
    #[must_use]
    pub fn include(&self, name: &str) -> bool {
        match self {
            Kinds::Any => true,
            Kinds::Listed(names) => names.iter().any(|listed| listed.eq_ignore_ascii_case(name)),
        }
    }
}

/// A condition on the subject: any of its patterns is enough. Patterns are folded unless the rule says `case`.
#[derive(Debug, Clone)]
pub enum Test {
    /// The subject is one of these.
    Equals(Vec<String>),
    /// The subject begins with one of these.
    Prefix(Vec<String>),
    /// The subject has one of these in it.
    Contains(Vec<String>),
    /// One of these finds a match in the subject; the first that does gives the groups.
    Regex(Vec<Pattern>),
}

/// A regular expression of a rule.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As the configuration has it, for the subject as it was written.
    pub written: Regex,
    /// For the folded subject, where that is another one.
    pub folded: Option<Regex>,
}

impl Pattern {
    /// Compiles an expression. `folding` is `None` where nothing is folded, not even case.
    ///
    /// # Errors
    /// When it is none, or takes more than a mebibyte.
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

    /// The expression that the folded subject is held against.
    #[must_use]
    pub fn for_folded(&self) -> &Regex {
        self.folded.as_ref().unwrap_or(&self.written)
    }
}

/// What a rule answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// `success`, on purpose.
    Silent,
    /// A text.
    Text(Template),
    /// A picture by its media_id.
    Image(String),
    /// A recording by its media_id.
    Voice(String),
    /// A video.
    Video {
        /// Of an uploaded video.
        media_id: String,
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
        /// Of an uploaded thumb.
        thumb_media_id: String,
    },
    /// Articles, 1 to 8.
    News(Vec<NewsItem>),
    /// To the customer-service system, to this agent or to any.
    Transfer(Option<String>),
}

impl Answer {
    /// The uploaded file that it needs.
    #[must_use]
    pub fn media_id(&self) -> Option<&str> {
        match self {
            Answer::Image(media_id)
            | Answer::Voice(media_id)
            | Answer::Video { media_id, .. }
            | Answer::Music {
                thumb_media_id: media_id,
                ..
            } => Some(media_id),
            Answer::Silent | Answer::Text(_) | Answer::News(_) | Answer::Transfer(_) => None,
        }
    }
}

/// One article of [`Answer::News`].
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
    /// What the rule does not tell apart unless it says `case`.
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

impl Answer {
    /// The key of the rule that gives this answer.
    #[must_use]
    pub fn key(&self) -> &'static str {
        let key = match self {
            Answer::Silent => AnswerKey::Silent,
            Answer::Text(_) => AnswerKey::Text,
            Answer::Image(_) => AnswerKey::Image,
            Answer::Voice(_) => AnswerKey::Voice,
            Answer::Video { .. } => AnswerKey::Video,
            Answer::Music { .. } => AnswerKey::Music,
            Answer::News(_) => AnswerKey::News,
            Answer::Transfer(_) => AnswerKey::Transfer,
        };
        key.name()
    }

    fn templates(&self) -> Box<dyn Iterator<Item = &Template> + '_> {
        match self {
            Answer::Text(text) => Box::new(std::iter::once(text)),
            Answer::Video {
                title, description, ..
            } => Box::new(title.iter().chain(description)),
            Answer::Music {
                title,
                description,
                url,
                hq_url,
                ..
            } => Box::new(title.iter().chain(description).chain(url).chain(hq_url)),
            Answer::News(items) => Box::new(
                items
                    .iter()
                    .flat_map(|item| [&item.title, &item.description, &item.pic_url, &item.url]),
            ),
            Answer::Silent | Answer::Image(_) | Answer::Voice(_) | Answer::Transfer(_) => {
                Box::new(std::iter::empty())
            }
        }
    }
}
