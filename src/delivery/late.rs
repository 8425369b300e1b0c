//! What a late answer can be: a customer-service message, or the answer to a later push.

use crate::api::custom::{Article, CustomMessage, MAX_TEXT, Music};
use crate::wechat::{Reply, cut_text};

/// A reply as a customer-service message, if it can be one. Of several articles the first is sent, which is all that the
/// follower would see of the reply, too.
pub fn as_message(reply: &Reply) -> Option<CustomMessage> {
    match reply {
        Reply::Text(content) => Some(CustomMessage::Text {
            content: cut_text(content, MAX_TEXT).to_owned(),
        }),
        Reply::Image { media_id } => Some(CustomMessage::Image {
            media_id: media_id.clone(),
        }),
        Reply::Voice { media_id } => Some(CustomMessage::Voice {
            media_id: media_id.clone(),
        }),
        Reply::Music {
            title,
            description,
            url,
            hq_url,
            thumb_media_id,
        } => {
            let url = url.as_ref().or(hq_url.as_ref())?;
            Some(CustomMessage::Music(Music {
                title: title.clone().unwrap_or_default(),
                description: description.clone().unwrap_or_default(),
                musicurl: url.clone(),
                hqmusicurl: hq_url.as_ref().unwrap_or(url).clone(),
                thumb_media_id: thumb_media_id.clone(),
            }))
        }
        Reply::News(articles) => articles.first().map(|article| CustomMessage::News {
            articles: [Article {
                title: article.title.clone(),
                description: article.description.clone(),
                url: article.url.clone(),
                picurl: article.pic_url.clone(),
            }],
        }),
        // A video message needs a picture that the reply does not have; a transfer is about the push itself.
        Reply::Video { .. } | Reply::Transfer { .. } | Reply::TransferAi => None,
    }
}

/// Whether a reply can be shown with a later push: a transfer is about its own.
pub fn can_wait(reply: &Reply) -> bool {
    match reply {
        Reply::Text(_)
        | Reply::Image { .. }
        | Reply::Voice { .. }
        | Reply::Video { .. }
        | Reply::Music { .. }
        | Reply::News(_) => true,
        Reply::Transfer { .. } | Reply::TransferAi => false,
    }
}
