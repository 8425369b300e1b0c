//! The platform's error codes: one table of what each means and what to do about it.

use std::time::Duration;

/// What a program does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The platform is busy: repeat later.
    Retry,
    /// The access_token is no longer accepted: fetch a new one once and repeat once.
    Token,
    /// The request, or the configuration behind it, is wrong: repeating does not help.
    Fix,
    /// It concerns this user only: stop for this user, continue with others.
    User,
    /// A daily or monthly limit is used up: stop this call until the limit resets.
    Quota,
    /// A person must act in the platform's console.
    Admin,
    /// The media_id has expired or is not this account's: upload the file again.
    UploadAgain,
    /// The web page authorization must start over.
    RestartOauth,
    /// Too fast: wait at least a minute, then repeat.
    Wait,
    /// Harmless.
    Ignore,
}

/// One entry of [`ERRCODES`]: the codes `from..=to` share meaning, action and advice.
#[derive(Debug, Clone, Copy)]
pub struct Errcode {
    /// The first code.
    pub from: i64,
    /// The last code, equal to `from` for a single code.
    pub to: i64,
    /// What a program does.
    pub action: Action,
    /// What the code means, in a few words.
    pub meaning: &'static str,
    /// What an owner does, as the end of a sentence. Empty if the action's advice is enough.
    pub advice: &'static str,
}

impl Action {
    /// The shortest pause before an automatic retry. A limit per minute ends with the minute. A daily one ends at
    /// midnight Beijing time, or when an owner clears it, which is not announced.
    #[must_use]
    pub fn least_pause(self) -> Duration {
        match self {
            Action::Wait => Duration::from_secs(60),
            Action::Quota => Duration::from_secs(600),
            Action::Retry
            | Action::Token
            | Action::Fix
            | Action::User
            | Action::Admin
            | Action::UploadAgain
            | Action::RestartOauth
            | Action::Ignore => Duration::ZERO,
        }
    }

    /// What an owner does if the code's entry has no advice of its own.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Action::Retry => "try again in a while",
            Action::Token => {
                "a new access_token is fetched by itself; if this repeats, another program fetches tokens for this account with GET token: let it use `wechatd token`"
            }
            Action::Fix => "correct the request; repeating it does not help",
            Action::User => "nothing to do for this user now",
            Action::Quota => "wait until midnight Beijing time, or `wechatd quota clear`",
            Action::Admin => {
                "the account's administrator must act in the console at mp.weixin.qq.com"
            }
            Action::UploadAgain => "upload the file again",
            Action::RestartOauth => "let the user open the page again",
            Action::Wait => "wait a minute and repeat",
            Action::Ignore => "nothing to do",
        }
    }
}

/// Finds the entry of a code. `None`: not in the table, which means "do not repeat".
#[must_use]
pub fn find(errcode: i64) -> Option<&'static Errcode> {
    ERRCODES
        .iter()
        .find(|line| (line.from..=line.to).contains(&errcode))
}

/// Finds the entry of a code for this call: calls for web pages (`sns/…`) have access_tokens of their own, calls that
/// fetch one have none, and drafts are not uploaded again, so that some codes mean something else there.
#[must_use]
pub fn find_in(call: &str, errcode: i64) -> Option<&'static Errcode> {
    let own = match call {
        call if call.starts_with("sns/") => PAGE_ERRCODES,
        call if TOKEN_CALLS.contains(&call) => TOKEN_ERRCODES,
        call if call.starts_with("draft/") => DRAFT_ERRCODES,
        call if call.starts_with("freepublish/") => PUBLISH_ERRCODES,
        call if call.starts_with("wxaapi/newtmpl/") => NOTIFICATION_ERRCODES,
        _ => &[],
    };
    own.iter()
        .find(|line| (line.from..=line.to).contains(&errcode))
        .or_else(|| find(errcode))
}

/// The calls that fetch an access_token.
pub(super) const TOKEN_CALLS: [&str; 2] = ["stable_token", "token"];

// Codes that are handled individually, not just by their action.

/// The openid is not one of this account's followers.
pub const INVALID_OPENID: i64 = 40003;
/// The media_id, or the draft, is unknown or no longer there.
pub const INVALID_MEDIA_ID: i64 = 40007;
/// The platform has no such call.
pub const INVALID_URL: i64 = 40066;
/// This machine's address is not in the IP whitelist.
pub const ADDRESS_NOT_LISTED: i64 = 40164;
/// The AppSecret is wrong.
pub const WRONG_SECRET: i64 = 40125;
/// The AppID is missing.
pub const APPID_MISSING: i64 = 41002;
/// The AppSecret is missing.
pub const SECRET_MISSING: i64 = 41004;
/// The method has to be POST.
pub const REQUIRE_POST: i64 = 43002;
/// Too many calls this minute.
pub const MINUTE_LIMIT: i64 = 45011;
/// The user did nothing lately that allows a customer-service message.
pub const NO_WINDOW: i64 = 45015;
/// All customer-service messages that the user's last action allowed were sent.
pub const WINDOW_USED_UP: i64 = 45047;
/// The clientmsgid was used before; the answer has the earlier msg_id.
pub const CLIENTMSGID_EXIST: i64 = 45065;
/// The clientmsgid was used within the last minute: a message with it may be being sent.
pub const CLIENTMSGID_TOO_SOON: i64 = 45066;
/// Typing can only be shown to a user who has written or received a message in the last 30 seconds.
pub const TYPING_NOT_SHOWN: i64 = 45080;
/// Some of the users could not be tagged; the answer lists them.
pub const SOME_NOT_TAGGED: i64 = 45171;
/// The numbers of yesterday are not ready yet.
pub const NOT_READY: i64 = 61503;
/// No menu was created through the API.
pub const NO_MENU: i64 = 46003;
/// This account may not use this call.
pub const UNAUTHORIZED: i64 = 48001;
/// The user has switched messages off.
pub const MESSAGES_OFF: i64 = 48002;
/// The limits were cleared as often as the month allows.
pub const CLEARED_TOO_OFTEN: i64 = 48006;
/// This account may not use this call (the code of some calls).
pub const LIMITED: i64 = 50001;
/// The path whose quota was requested is unknown.
pub const UNKNOWN_PATH: i64 = 76021;
/// The path whose quota was requested is another account's.
pub const FOREIGN_PATH: i64 = 76022;

/// Codes that refuse a list of openids because of one of them, or because of its form.
pub(super) const LIST_REFUSED: [i64; 7] = [40031, 40032, 40035, 40097, 45059, 46004, 49003];

const fn one(code: i64, action: Action, meaning: &'static str, advice: &'static str) -> Errcode {
    range(code, code, action, meaning, advice)
}

const fn range(
    from: i64,
    to: i64,
    action: Action,
    meaning: &'static str,
    advice: &'static str,
) -> Errcode {
    Errcode {
        from,
        to,
        action,
        meaning,
        advice,
    }
}

/// Every code this program knows, in ascending order and without overlaps.
/// From the platform's "Global return codes" page and the error lists of its API pages.
#[rustfmt::skip]
pub const ERRCODES: &[Errcode] = {
    use Action::{Admin, Fix, Ignore, Quota, RestartOauth, Retry, Token, UploadAgain, User, Wait};
    &[
        one(-1, Retry, "WeChat is busy", ""),
        one(40001, Token, "the access_token is wrong or was replaced", ""),
        one(40002, Fix, "wrong grant_type", ""),
        one(40003, User, "this openid does not follow, or belongs to another account", "check the openid and the AppID"),
        one(40004, Fix, "unknown media type", "use image, voice, video or thumb"),
        one(40005, Fix, "the file's kind is not allowed", "use PNG, JPEG or GIF, AMR or MP3, MP4"),
        one(40006, Fix, "the file is too large", "make it smaller"),
        one(40007, UploadAgain, "the media_id has expired (after 3 days) or belongs to another account", ""),
        one(40008, Fix, "unknown msgtype", ""),
        range(40009, 40012, Fix, "the image, voice, video or thumb is too large", "make it smaller"),
        one(40013, Fix, "WeChat does not know this AppID", "compare account.app_id with the console"),
        one(40014, Token, "the access_token is malformed or of another account", ""),
        one(40015, Fix, "menu: unknown kind of menu", ""),
        one(40016, Fix, "menu: not 1 to 3 first-level buttons", "have 1 to 3"),
        one(40017, Fix, "menu: unknown type of a first-level button", "give it a known type or sub_button"),
        one(40018, Fix, "menu: the name of a first-level button is over 16 bytes", "shorten it"),
        one(40019, Fix, "menu: the key of a first-level button is over 128 bytes", "shorten it"),
        one(40020, Fix, "menu: the url of a first-level button is over 1024 bytes", "shorten it"),
        one(40021, Fix, "menu: wrong menu version", ""),
        one(40022, Fix, "menu: more than two levels", "have two levels at most"),
        one(40023, Fix, "menu: not 1 to 5 second-level buttons", "have 1 to 5"),
        one(40024, Fix, "menu: unknown type of a second-level button", "give it a known type"),
        one(40025, Fix, "menu: the name of a second-level button is over 60 bytes", "shorten it"),
        one(40026, Fix, "menu: the key of a second-level button is over 128 bytes", "shorten it"),
        one(40027, Fix, "menu: the url of a second-level button is over 1024 bytes", "shorten it"),
        one(40028, Fix, "menu: unknown user", ""),
        one(40029, RestartOauth, "the code is wrong or has expired", ""),
        one(40030, RestartOauth, "the refresh_token is wrong", ""),
        one(40031, Fix, "wrong list of openids", ""),
        one(40032, Fix, "too many or too few openids in one call", ""),
        one(40033, Fix, "the body holds \\u escapes instead of the characters", ""),
        one(40035, Fix, "wrong parameter", ""),
        range(40036, 40037, Fix, "WeChat does not know this template_id", "take one from `wechatd template list` or `wechatd notify list`"),
        one(40039, Fix, "the url is too long", "shorten it"),
        one(40048, Admin, "the url's domain is not allowed", "register the domain in the console"),
        range(40050, 40051, Fix, "wrong group", ""),
        one(40052, Fix, "qrcode: unknown action_name", ""),
        one(40053, Fix, "qrcode: the scene is out of range", "use a number or 1 to 64 characters"),
        one(40054, Admin, "menu: the url of a second-level button is not allowed", "register its domain in the console"),
        one(40055, Admin, "menu: the url's domain is not allowed", "register the domain in the console"),
        one(40060, Fix, "wrong article_idx", ""),
        one(40066, Fix, "WeChat has no such call", "check api.base_url"),
        one(40092, Fix, "the remark is too long or has characters that are not allowed", "use fewer than 30 characters"),
        one(40097, Fix, "wrong parameter", ""),
        one(40114, Fix, "there is no article with this index", "see how many there are with `wechatd article show`"),
        range(40117, 40121, Fix, "menu: wrong media_id or type of a button", ""),
        one(40125, Fix, "the AppSecret is wrong", "compare account.app_secret with the console, or reset it there"),
        one(40132, Fix, "wrong WeChat id", ""),
        one(40137, Fix, "this kind of picture is not allowed", "use PNG or JPEG"),
        one(40155, Fix, "the url leads to another account's page", ""),
        one(40163, RestartOauth, "the code was used before", ""),
        one(40164, Admin, "this machine's address is not in the IP whitelist", "enter the address in the console, under Basic configuration (基本配置), IP whitelist (IP白名单); it counts after 5 to 10 minutes"),
        one(40201, Fix, "the console has no callback URL, or a wrong one", "enter the URL in the console"),
        one(40202, Fix, "callback/check: unknown action", ""),
        one(40203, Fix, "callback/check: unknown operator", ""),
        one(40243, Admin, "the AppSecret is frozen", "unfreeze it in the console"),
        one(40249, Fix, "the template message was refused", ""),
        range(41001, 41009, Fix, "a required parameter is missing", ""),
        one(41030, Fix, "wrong page", "name a page of the mini program, or a URL of the account's domain"),
        one(41039, Fix, "wrong content_source_url", "give a whole URL, or none"),
        one(42001, Token, "the access_token has expired", ""),
        one(42002, RestartOauth, "the refresh_token has expired", ""),
        one(42003, RestartOauth, "the code has expired", ""),
        one(42007, RestartOauth, "the user changed the password, the tokens have expired", ""),
        range(43001, 43003, Fix, "wrong HTTP method, or not HTTPS", "check api.base_url"),
        one(43004, User, "the user does not follow the account", ""),
        one(43005, User, "the user is not a friend", ""),
        one(43019, User, "the user is in your blacklist", "remove the user with `wechatd blacklist remove`"),
        one(43101, User, "the user has no accepted subscription left", ""),
        one(43116, Admin, "the template is banned", "look at the template in the console"),
        range(44001, 44004, Fix, "the body, the file or the text is empty", "send something"),
        one(45001, Fix, "the file is too large", "make it smaller"),
        one(45002, Fix, "the text is over 2048 bytes", "split it"),
        range(45003, 45006, Fix, "title, description, url or picurl is too long", "shorten it"),
        one(45007, Fix, "the voice is over 60 seconds", "shorten it"),
        one(45008, Fix, "too many articles", "a customer-service message takes 1, other messages 8"),
        one(45009, Quota, "the daily limit of this call is used up", ""),
        one(45010, Quota, "too many menus were made today", "wait until midnight Beijing time"),
        one(45011, Wait, "too many calls this minute", ""),
        one(45015, User, "no open window: the user did nothing lately that allows a message", "a message of the user opens 48 hours; following, scanning and menu clicks open a minute"),
        range(45016, 45018, Fix, "wrong group", ""),
        one(45028, Quota, "no mass message is left", "wait until the next day (subscription account) or month (service account)"),
        one(45029, Admin, "100 000 permanent QR codes exist, no more can be made", "use codes that expire"),
        one(45047, User, "the number of messages of this window is used up", "wait until the user writes again"),
        one(45056, Fix, "100 tags exist, no more can be made", "delete one"),
        one(45057, Fix, "more than 100 000 users carry the tag", "remove it from users first"),
        one(45058, Fix, "tags 0, 1 and 2 belong to WeChat", ""),
        one(45059, Fix, "a user would carry more than 20 tags", "remove one"),
        one(45064, Admin, "the mini program is not linked to the account", "link it in the console"),
        one(45065, Ignore, "this clientmsgid was sent before", "the first message counts"),
        one(45066, Wait, "this clientmsgid was sent a moment ago", ""),
        one(45067, Fix, "the clientmsgid is too long", "use at most 32 bytes"),
        one(45072, Fix, "wrong command", "use Typing or CancelTyping"),
        one(45080, Ignore, "typing cannot be shown: no message went to or fro in the last 30 seconds", "send the user a message, or wait for one"),
        one(45081, Ignore, "typing is shown already", ""),
        range(45083, 45084, Fix, "wrong speed", "use 0 to 4"),
        one(45087, Admin, "customer-service messages are blocked for this account", ""),
        one(45110, Fix, "the author's name is too long", "use at most 16 characters"),
        one(45157, Fix, "the tag's name is taken or not allowed", "choose another name"),
        one(45158, Fix, "the tag's name is over 30 bytes", "shorten it"),
        one(45159, Fix, "there is no such tag", "see `wechatd tags list`"),
        one(45166, Fix, "WeChat does not take this content", "look for links, scripts and words that it forbids"),
        one(45171, User, "some of the users could not be tagged", "see which, and repeat for them"),
        one(46001, Fix, "there is no such media", ""),
        one(46002, Fix, "there is no such menu version", ""),
        one(46003, Fix, "no menu was made through the API", "make one with `wechatd menu apply`"),
        one(46004, Fix, "there is no such user", ""),
        one(47001, Fix, "WeChat cannot read the body", ""),
        one(47003, Fix, "a value of the template breaks its rules", "correct the value that WeChat's text names"),
        one(47009, Fix, "WeChat has switched this call off", "use the one that took its place"),
        one(48001, Admin, "this account may not use this call", "see the console's list of interface permissions; most calls need a verified account"),
        one(48002, User, "the user switched messages off", ""),
        one(48003, Admin, "the agreement on mass messages is not accepted", "accept it in the console"),
        one(48004, Admin, "this call is banned for the account", "see the notice at mp.weixin.qq.com"),
        one(48005, Fix, "the material is used by an auto-reply or a menu", "remove it there first"),
        one(48006, Quota, "limits were cleared 10 times this month", "wait until next month"),
        one(48008, Admin, "the account may not send this msgtype", ""),
        one(49003, Fix, "this openid belongs to another account", "check the openid and the AppID"),
        one(50001, Admin, "this account may not use this call", "see the console's list of interface permissions"),
        one(50002, User, "the user's WeChat account is frozen or closed", ""),
        one(50004, Admin, "the account is barred from access_tokens", "see the notice at mp.weixin.qq.com"),
        one(50005, User, "the user no longer follows", ""),
        one(50007, Admin, "the account is frozen", "see the notice at mp.weixin.qq.com"),
        one(53404, Admin, "the account is banned from this feature", "see the notice at mp.weixin.qq.com"),
        one(53405, Fix, "the goods in the article are wrong", ""),
        one(53406, Admin, "goods in articles are not switched on", "switch them on in the console"),
        range(53503, 53505, Admin, "the draft did not pass the checks before publishing", "publish it in the console"),
        one(53600, Fix, "there is no such article_id", "see `wechatd article published list`"),
        one(61004, Admin, "this machine's address is not registered", "register it in the console"),
        one(61450, Retry, "WeChat is busy", ""),
        range(61451, 61457, Fix, "customer-service account: wrong name, nickname, picture or number", ""),
        range(61500, 61501, Fix, "wrong date or span of dates", "end with yesterday, as it is in Beijing"),
        one(61503, Wait, "the numbers of yesterday are not ready", "try again after 8:00 in Beijing"),
        one(65301, Fix, "there is no such conditional menu", "see `wechatd menu pull`"),
        one(65302, Fix, "there is no such user, or they do not follow", "give an openid or WeChat id of a follower"),
        one(65303, Fix, "conditional menu: there is no default menu", "make the default menu first"),
        one(65304, Fix, "conditional menu: matchrule is empty", "give it tag_id or client_platform_type"),
        one(65305, Fix, "there are too many conditional menus", "delete one"),
        range(65306, 65315, Fix, "conditional menu: a button or a field of matchrule is wrong", "use tag_id and client_platform_type only"),
        one(65316, Fix, "menu: the urls lead to more than 3 domains that are not the account's", "use fewer"),
        one(65317, Fix, "menu: wrong url", ""),
        one(65320, Fix, "conditional menu: a field of matchrule is no longer taken", "use tag_id and client_platform_type only"),
        one(65400, Admin, "the new customer service is not switched on", "switch it on in the console"),
        one(65401, Fix, "there is no such agent", "see `wechatd kf list`"),
        one(65402, Fix, "nobody is bound to this agent yet", "invite someone with `wechatd kf invite`"),
        one(65403, Fix, "the nickname is empty, too long or not allowed", "give 1 to 16 characters"),
        one(65404, Fix, "the agent's account name is wrong", "write prefix@WeChat-id-of-the-account, the prefix of 1 to 10 letters, digits and underscores"),
        one(65405, Fix, "100 agents exist, no more can be made", "remove one with `wechatd kf remove`"),
        one(65406, Fix, "there is an agent with this account name already", "choose another prefix"),
        one(65407, Fix, "this user is already one of the agents", "see `wechatd kf list`"),
        one(65408, Fix, "this user is already invited", "they answer in WeChat"),
        one(65409, Fix, "there is no such WeChat id", "ask the user for theirs, it is not the openid"),
        one(65410, Fix, "this user is already an agent of 5 accounts", "invite somebody else"),
        one(65411, Fix, "an invitation for this agent is open", "wait until it is answered or has expired"),
        one(65412, Fix, "somebody is bound to this agent already", "make another agent with `wechatd kf add`"),
        one(65413, Fix, "the user is in no session with this agent", "see `wechatd kf session show`"),
        one(65414, Wait, "another agent has the user", "see `wechatd kf session show`, and close that session first"),
        one(65415, Wait, "the agent is not at work", "see `wechatd kf online`"),
        one(65416, Fix, "session: a parameter is wrong", ""),
        one(65417, Fix, "session: the span of time is wrong", "ask for at most 24 hours at once"),
        one(70000, User, "WeChat refused this message for this user", ""),
        range(76001, 76004, Fix, "the rid is unknown, older than 7 days or not this account's", ""),
        range(76021, 76022, Fix, "the path is unknown or not this account's", "give a path as in /cgi-bin/message/custom/send"),
        one(87009, Fix, "WeChat does not take this reply for one of the account's", "see `wechatd comments list`"),
        one(88000, Admin, "the account has no comments", "see whether the console offers comments (留言); new accounts do not get them"),
        one(88001, Fix, "no article with comments has this msg_data_id", "take it from `wechatd article status`, the `mid` of the article's long URL, or the msgid of statistics before the _"),
        one(88002, Admin, "the article is blocked for safety", "see the notice at mp.weixin.qq.com"),
        one(88003, Fix, "too many comments of this article are starred", "unstar one with `wechatd comments unstar`"),
        one(88004, User, "the writer has deleted the comment", "see `wechatd comments list`"),
        one(88005, Ignore, "the comment has a reply already, and takes only one", "delete it with `wechatd comments delete --reply` first"),
        one(88007, Fix, "the reply is empty or too long", "shorten it"),
        one(88008, Ignore, "there is no such comment", "see `wechatd comments list`"),
        one(88009, Ignore, "the comment has no reply", "see `wechatd comments list`"),
        one(88010, Fix, "comments are listed 1 to 49 at once", ""),
        one(88011, Admin, "the article is blocked for safety", "see the notice at mp.weixin.qq.com"),
        one(89501, Admin, "a confirmation of this machine's address is pending", "the administrator confirms it in WeChat"),
        one(89503, Admin, "this machine's address needs a confirmation", "the administrator confirms it in WeChat"),
        range(89504, 89505, Admin, "the message needs a confirmation", "the administrator confirms it in WeChat"),
        one(89506, Admin, "the administrator refused this machine's address", "wait 24 hours and ask again"),
        one(89507, Admin, "the administrator refused this machine's address", "wait an hour and ask again"),
        one(200_011, Admin, "the account may not use notification templates", "see the notice at mp.weixin.qq.com"),
        one(200_012, Fix, "the account has as many notification templates as it may", "delete one with `wechatd notify delete`"),
        one(200_013, Fix, "this template may not be used", "choose another one of `wechatd notify library`"),
        one(200_014, Fix, "the library has no template with this number", "see `wechatd notify library`"),
        range(200_016, 200_017, Fix, "templates are listed 1 to 30 at once", ""),
        range(200_018, 200_019, Fix, "this category is not one of the account's", "see `wechatd notify library`"),
        one(200_020, Fix, "wrong numbers of keywords", "take 2 to 5 of `wechatd notify library TID`"),
        one(200_021, Fix, "what the template is for is missing or too long", "use at most 15 characters"),
        range(9_410_010, 9_410_012, Fix, "short key: the text or its life is too long, or the key is unknown or has expired", "use at most 4096 bytes and 30 days, or make a new key"),
        range(268_487_001, 268_487_002, Retry, "WeChat is busy", ""),
    ]
};

/// Codes that mean something else when a web page asks about the person who opened it.
/// From the platform's page "Web page authorization".
#[rustfmt::skip]
const PAGE_ERRCODES: &[Errcode] = {
    use Action::RestartOauth;
    &[
        one(40001, RestartOauth, "the user's access_token is wrong", ""),
        one(40003, RestartOauth, "the access_token is not of this openid", "use the two that came together"),
        one(40014, RestartOauth, "the user's access_token is malformed", ""),
        one(42001, RestartOauth, "the user's access_token has expired, after 2 hours", "get a new one with `wechatd login refresh`, or let the user open the page again"),
        one(48001, RestartOauth, "the user was asked for the openid only", "open the page by a URL of `wechatd login url --scope userinfo`"),
    ]
};

/// Codes that mean something else when an access_token is fetched: there is none yet that could be wrong.
#[rustfmt::skip]
const TOKEN_ERRCODES: &[Errcode] = {
    use Action::Fix;
    &[
        one(40001, Fix, "the AppSecret is wrong", "compare account.app_secret with the console, or reset it there"),
    ]
};

/// Codes that mean something else for drafts. Personal and unverified accounts report 48001, although WeChat's table of
/// rights has drafts for every account.
#[rustfmt::skip]
const DRAFT_ERRCODES: &[Errcode] = {
    use Action::{Admin, Fix};
    &[
        one(40007, Fix, "there is no such draft, or no such cover in the permanent material", "a draft is gone once it is published or sent: see `wechatd article list`; a cover is uploaded with `wechatd material upload`"),
        one(48001, Admin, "this account may not use drafts through the API", "personal and unverified accounts have lost such calls since July 2025: write the article in the console, or get the account verified"),
    ]
};

/// Codes that mean something else for published articles.
/// From the platform's notice of July 2025 and its page "freepublish/get".
#[rustfmt::skip]
const PUBLISH_ERRCODES: &[Errcode] = {
    use Action::{Admin, Fix};
    &[
        one(40002, Fix, "there is no such publish_id", "see `wechatd article status`"),
        one(40007, Fix, "there is no such draft", "a draft is gone once it is published or sent: see `wechatd article list`"),
        one(48001, Admin, "this account may not publish through the API", "personal and unverified accounts have lost these calls since July 2025: publish in the console, or get the account verified"),
    ]
};

/// Codes that mean something else for templates of notifications.
#[rustfmt::skip]
const NOTIFICATION_ERRCODES: &[Errcode] = {
    use Action::Admin;
    &[
        one(48001, Admin, "this account has no subscription notifications", "a service account switches them on in the console (订阅通知); a subscription account cannot have them"),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_no_code_stands_twice() {
        for pair in ERRCODES.windows(2) {
            assert!(pair[0].from <= pair[0].to, "{pair:?}");
            assert!(pair[0].to < pair[1].from, "{pair:?}");
        }
    }

    #[test]
    fn codes_are_found_alone_and_in_ranges() {
        let action = |code| find(code).map(|line| line.action);
        assert_eq!(action(-1), Some(Action::Retry));
        assert_eq!(action(42001), Some(Action::Token));
        assert_eq!(action(40010), Some(Action::Fix));
        assert_eq!(action(40007), Some(Action::UploadAgain));
        assert_eq!(action(9_410_011), Some(Action::Fix));
        assert_eq!(action(0), None);
        assert_eq!(action(12345), None);
    }

    #[test]
    fn a_list_that_is_refused_is_a_mistake_of_the_request() {
        for code in LIST_REFUSED {
            let line = find(code).expect("a line");
            assert_eq!(line.action, Action::Fix, "{line:?}");
        }
    }

    #[test]
    fn codes_of_web_pages_speak_of_the_person_s_own_token() {
        let action = |call, code| find_in(call, code).map(|line| line.action);
        assert_eq!(action("user/info", 42001), Some(Action::Token));
        assert_eq!(action("sns/userinfo", 42001), Some(Action::RestartOauth));
        assert_eq!(action("sns/userinfo", -1), Some(Action::Retry));
    }

    #[test]
    fn the_calls_that_fetch_a_token_have_none_that_could_be_wrong() {
        let action = |call, code| find_in(call, code).map(|line| line.action);
        for call in TOKEN_CALLS {
            assert_eq!(action(call, 40001), Some(Action::Fix), "{call}");
            assert_eq!(action(call, 42001), Some(Action::Token), "{call}");
        }
    }

    #[test]
    fn every_line_says_what_it_means_and_what_to_do() {
        let own = [
            PAGE_ERRCODES,
            TOKEN_ERRCODES,
            DRAFT_ERRCODES,
            PUBLISH_ERRCODES,
            NOTIFICATION_ERRCODES,
        ]
        .concat();
        for line in ERRCODES.iter().chain(&own) {
            assert!(!line.meaning.is_empty(), "{line:?}");
            assert!(!line.action.advice().is_empty(), "{line:?}");
            for text in [line.meaning, line.advice, line.action.advice()] {
                assert!(!text.ends_with('.'), "{text}");
            }
        }
    }
}
