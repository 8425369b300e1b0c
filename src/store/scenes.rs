//! Results of the account's QR codes: follows and scans per scene.

use std::collections::HashMap;

use serde::Serialize;

use super::error::StoreError;
use super::growth::SceneGrowth;
use super::open::Reader;
use super::sql::values;
use super::statement::statements;
use crate::local_time;

/// The scene of all QR codes for logging in.
const LOG_IN: &str = "login";

/// What the scene of one of them looks like: each has its own, with 22 random characters at its end.
const ONE_LOG_IN: (&str, usize) = ("login-", 28);

/// The follows and scans of one scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SceneCount {
    /// The scene, a number or a text.
    pub scene: String,
    /// How often somebody followed through it.
    pub follows: i64,
    /// How often a follower scanned it, as long as the messages are kept.
    pub scans: i64,
    /// How many of those that came by it are still here, see [`SceneGrowth`].
    pub still_here: i64,
    /// The same of a hundred; `None` if nobody came.
    pub stayed_percent: Option<i64>,
    /// The last of them as local date and time.
    pub last: String,
}

/// Follows and scans by scene since `?1`; each half uses its own index, in the order of its grouping.
macro_rules! follows_and_scans {
    () => {
        "(SELECT scene, count(*) AS follows, 0 AS scans, max(at) AS last FROM follow_log
          WHERE action = 'subscribe' AND source = 'push' AND scene IS NOT NULL AND at >= coalesce(?1, at)
          GROUP BY scene
          UNION ALL
          SELECT content, 0, count(*), max(created_at) FROM messages
          WHERE msg_type = 'event' AND upper(event) = 'SCAN' AND content IS NOT NULL
              AND created_at >= coalesce(?1, created_at)
          GROUP BY content) AS counted"
    };
}

statements! {
    // Until version 3 each log-in had a scene of its own.
    LIST = {
        sqlite: concat!("SELECT iif(scene GLOB 'login-*' AND length(scene) = 28, 'login', scene), sum(follows), sum(scans), max(last)
                 FROM ", follows_and_scans!(), " GROUP BY 1 ORDER BY 2 DESC, 3 DESC, 1"),
        mysql: concat!("SELECT CASE WHEN left(scene, 6) = 'login-' AND length(scene) = 28 THEN 'login' ELSE scene END,
                    CAST(sum(follows) AS SIGNED), CAST(sum(scans) AS SIGNED), max(last)
                FROM ", follows_and_scans!(), " GROUP BY 1 ORDER BY 2 DESC, 3 DESC, 1"),
    };
}

impl Reader {
    /// Follows and scans per scene, the most successful first. `since` is in Unix seconds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scenes(&self, since: Option<i64>) -> Result<Vec<SceneCount>, StoreError> {
        let growth = self.scene_growth(since, u32::MAX)?;
        let growth: HashMap<&str, &SceneGrowth> = growth
            .iter()
            .map(|growth| (growth.scene.as_str(), growth))
            .collect();
        self.read(|sql| {
            sql.all(&LIST, values![since], |row| {
                let scene = row.some_text(0);
                let growth = growth.get(scene.as_str());
                Ok(SceneCount {
                    still_here: growth.map_or(0, |growth| growth.still_here),
                    stayed_percent: growth.and_then(|growth| growth.stayed_percent()),
                    scene,
                    follows: row.get(1)?,
                    scans: row.get(2)?,
                    last: row.number(3).map(local_time::format).unwrap_or_default(),
                })
            })
        })
    }
}

/// What is recorded of the scene through which a person followed: nobody could use the scene of a single log-in.
#[must_use]
pub fn recorded_scene(scene: String) -> String {
    let (begin, length) = ONE_LOG_IN;
    match scene.starts_with(begin) && scene.len() == length {
        true => LOG_IN.to_owned(),
        false => scene,
    }
}

/// The scene of the QR code through which a person followed, in the form that pushes use. Profiles of the platform have
/// a number and a text; 0 and the empty text mean none.
pub(super) fn of_profile(number: Option<i64>, text: Option<&str>) -> Option<String> {
    let number = || number.filter(|number| *number != 0);
    text.filter(|text| !text.is_empty())
        .map(|text| recorded_scene(text.to_owned()))
        .or_else(|| number().map(|number| number.to_string()))
}
