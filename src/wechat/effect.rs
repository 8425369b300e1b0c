//! What a push means for what is kept: who comes, who leaves, whose data must go, what became of a sending.

use super::event::EventKind;
use super::push::{Body, Push};

/// What has to change, beside recording the push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The sender follows now.
    Follow {
        /// By this scene of a QR code.
        scene: Option<String>,
    },
    /// The sender follows no more.
    Leave,
    /// This person's profile has changed.
    ProfileChanged {
        /// Whose; the sender is an account of the platform's.
        openid: String,
    },
    /// This person has taken back the right to the profile: it must be deleted.
    ProfileRevoked {
        /// Whose; the sender is an account of the platform's.
        openid: String,
    },
    /// This person has closed the WeChat account: everything about the person must be deleted.
    AccountClosed {
        /// Whose; the sender is an account of the platform's.
        openid: String,
    },
    /// A mass or template message, or a publication, has come to its end.
    JobFinished(JobResult),
}

/// What the account sends that the platform works off later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// A mass message.
    Mass,
    /// A template message.
    Template,
    /// An article that is published for everybody to read.
    Publish,
}

impl JobKind {
    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            JobKind::Mass => "mass",
            JobKind::Template => "template",
            JobKind::Publish => "publish",
        }
    }
}

/// What became of a sending (the events `MASSSENDJOBFINISH`, `TEMPLATESENDJOBFINISH` and `PUBLISHJOBFINISH`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult {
    /// What was sent.
    pub kind: JobKind,
    /// The `msg_id` or `publish_id` that the call answered.
    pub msg_id: String,
    /// The platform's word for how it went; of a publication its `publish_status`.
    pub status: String,
    /// To how many; of a mass message only.
    pub counts: JobCounts,
    /// Which articles.
    pub articles: JobArticles,
}

/// The articles of a mass message or a publication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobArticles {
    /// What messages and menus name the publication by.
    pub article_id: Option<String>,
    /// Where they can be read.
    pub urls: Vec<String>,
    /// Numbers of those that failed, from 1.
    pub failed: Vec<String>,
}

/// To how many a mass message went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Addressed.
    pub total: Option<i64>,
    /// Left after the platform's filters.
    pub filtered: Option<i64>,
    /// Got it.
    pub sent: Option<i64>,
    /// Did not.
    pub failed: Option<i64>,
}

impl Push {
    /// What the push means for the people it is about. An authorisation event that names nobody
    /// means nothing.
    pub fn effect(&self) -> Effect {
        let Body::Event(event) = &self.body else {
            return Effect::None;
        };
        let openid = || self.authorization_openid().map(str::to_owned);
        let effect = match &event.content {
            EventKind::Subscribe(_) => Some(Effect::Follow {
                scene: self.scene().map(str::to_owned),
            }),
            EventKind::Unsubscribe(_) => Some(Effect::Leave),
            EventKind::UserInfoModified(_) => {
                openid().map(|openid| Effect::ProfileChanged { openid })
            }
            EventKind::UserAuthorizationRevoke(_) => {
                openid().map(|openid| Effect::ProfileRevoked { openid })
            }
            EventKind::UserAuthorizationCancellation(_) => {
                openid().map(|openid| Effect::AccountClosed { openid })
            }
            EventKind::TemplateSendJobFinish(job) => event.msg_id.clone().map(|msg_id| {
                Effect::JobFinished(JobResult {
                    kind: JobKind::Template,
                    msg_id,
                    status: job.status.clone(),
                    counts: JobCounts::default(),
                    articles: JobArticles::default(),
                })
            }),
            EventKind::MassSendJobFinish(job) => event.msg_id.clone().map(|msg_id| {
                Effect::JobFinished(JobResult {
                    kind: JobKind::Mass,
                    msg_id,
                    status: job.status.clone(),
                    counts: JobCounts {
                        total: job.total_count,
                        filtered: job.filter_count,
                        sent: job.sent_count,
                        failed: job.error_count,
                    },
                    articles: JobArticles {
                        urls: urls(job.article_url_result.iter().flat_map(|result| {
                            result
                                .result_list
                                .items
                                .iter()
                                .map(|item| &item.article_url)
                        })),
                        ..JobArticles::default()
                    },
                })
            }),
            EventKind::PublishJobFinish(job) => job.info.publish_id.clone().map(|publish_id| {
                let status = job.info.publish_status.map(|status| status.to_string());
                let items = job
                    .info
                    .article_detail
                    .iter()
                    .flat_map(|detail| &detail.items);
                Effect::JobFinished(JobResult {
                    kind: JobKind::Publish,
                    msg_id: publish_id,
                    status: status.unwrap_or_default(),
                    counts: JobCounts::default(),
                    articles: JobArticles {
                        article_id: job.info.article_id.clone(),
                        urls: urls(items.map(|item| &item.article_url)),
                        failed: job.info.fail_idx.clone(),
                    },
                })
            }),
            // Named one by one: a new event has its place here, above all one that comes with a duty.
            EventKind::Scan(_)
            | EventKind::Location(_)
            | EventKind::Enter(_)
            | EventKind::Click(_)
            | EventKind::View(_)
            | EventKind::ViewMiniProgram(_)
            | EventKind::ScanCodePush(_)
            | EventKind::ScanCodeWaitMsg(_)
            | EventKind::PicSysPhoto(_)
            | EventKind::PicPhotoOrAlbum(_)
            | EventKind::PicWeixin(_)
            | EventKind::LocationSelect(_)
            | EventKind::KfCreateSession(_)
            | EventKind::KfCloseSession(_)
            | EventKind::KfSwitchSession(_)
            | EventKind::QualificationVerifySuccess(_)
            | EventKind::QualificationVerifyFail(_)
            | EventKind::NamingVerifySuccess(_)
            | EventKind::NamingVerifyFail(_)
            | EventKind::AnnualRenew(_)
            | EventKind::VerifyExpired(_)
            | EventKind::SubscribeMsgPopup(_)
            | EventKind::SubscribeMsgChange(_)
            | EventKind::SubscribeMsgSent(_)
            | EventKind::Other(_) => None,
        };
        effect.unwrap_or(Effect::None)
    }
}

fn urls<'a>(urls: impl Iterator<Item = &'a String>) -> Vec<String> {
    urls.filter(|url| !url.is_empty()).cloned().collect()
}
