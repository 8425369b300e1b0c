//! What the chat says to a person who scans: which page it is, and the numbers. In Chinese and English, whatever language
//! the page has, because somebody else may have opened it.

use std::fmt;

use crate::visible::Visible;

/// Characters that are shown of a browser that is not known.
const MOST: usize = 40;

/// Systems by what their browsers say, the first that fits; `iPhone` also says `Mac OS X`, `Android` also `Linux`.
const SYSTEMS: [(&str, &str); 9] = [
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("HarmonyOS", "HarmonyOS"),
    ("OpenHarmony", "HarmonyOS"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// The same for browsers; nearly all also say `Chrome` and `Safari`.
const BROWSERS: [(&str, &str); 9] = [
    ("MicroMessenger", "WeChat"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("QQBrowser", "QQ Browser"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

pub(super) const TAKEN: &str = "此登录码已被使用。请刷新网页，再扫一次。\n\
    This code has been used. Load the page again and scan its new code.";

pub(super) const APPROVED: &str = "已确认，网页即将登录。\nConfirmed: the page logs in.";

pub(super) const DENIED: &str = "已拒绝：数字不对，网页不会登录。\n\
    Denied: that is not the number of the page, which is not logged in.";

/// What is told of the page that wants to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    site: String,
    browser: String,
    address: String,
}

impl Page {
    /// `site` is the host of the site, `agent` what the browser calls itself. Only the names of known browsers are
    /// believed: in the chat an agent could write links, or text in the name of the account.
    #[must_use]
    pub fn new(site: &str, agent: &str, address: &str) -> Page {
        let name = |known: &[(&str, &'static str)]| {
            let found = known.iter().find(|(said, _)| agent.contains(said));
            found.map(|(_, name)| *name)
        };
        let browser = match (name(&BROWSERS), name(&SYSTEMS)) {
            (Some(browser), Some(system)) => format!("{browser}, {system}"),
            (_, _) => match plain(agent) {
                shown if shown.is_empty() => "?".to_owned(),
                shown => format!("“{shown}”"),
            },
        };
        Page {
            site: site.to_owned(),
            browser,
            address: Visible(address).to_string(),
        }
    }
}

impl fmt::Display for Page {
    /// A line for each part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}", self.site, self.browser, self.address)
    }
}

impl From<&str> for Page {
    /// What was displayed.
    fn from(lines: &str) -> Page {
        let mut lines = lines.splitn(3, '\n').map(str::to_owned);
        let mut next = || lines.next().unwrap_or_default();
        Page {
            site: next(),
            browser: next(),
            address: next(),
        }
    }
}

/// What of an agent cannot be read as anything else.
fn plain(agent: &str) -> String {
    let shown = agent
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || " ./-_".contains(*c));
    let shown: String = shown.take(MOST).collect();
    shown.trim().to_owned()
}

/// Asks for the number. Each is a link that sends it.
pub(super) fn offer(page: &Page, numbers: [u8; 3]) -> String {
    let Page {
        site,
        browser,
        address,
    } = page;
    let links = numbers.map(|number| {
        format!(
            "<a href=\"weixin://bizmsgmenu?msgmenucontent={number}&msgmenuid=login\">{number}</a>"
        )
    });
    format!(
        "登录 Log in: {site}\n浏览器 Browser: {browser}\n地址 Address: {address}\n\n\
         请点击网页上显示的数字，或直接发送它：\nTap the number that the page shows, or send it:\n{}\n\n\
         如果不是您本人打开的网页，请勿点击。\nIf it was not you who opened that page, tap none.",
        links.join("　　")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browser(agent: &str) -> String {
        Page::new("example.com", agent, "203.0.113.9").browser
    }

    #[test]
    fn known_browsers_have_names() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                "Chrome, Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
                "Safari, macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1",
                "Safari, iPhone",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox, Linux",
            ),
            ("curl/8.5.0", "“curl/8.5.0”"),
            ("", "?"),
        ] {
            assert_eq!(browser(agent), name);
        }
    }

    #[test]
    fn a_page_is_read_back_from_its_lines() {
        for (site, agent, address) in [
            ("example.com", "Firefox/1 Windows", "192.0.2.1"),
            ("a\u{301}.example", "\n\r”“\u{2028}", "b\nc"),
            ("", "", ""),
        ] {
            let page = Page::new(site, agent, address);
            assert_eq!(Page::from(page.to_string().as_str()), page);
        }
    }

    #[test]
    fn an_agent_can_write_neither_links_nor_sentences_into_the_chat() {
        let agent =
            "<a href=\"weixin://bizmsgmenu?msgmenucontent=47&msgmenuid=1\">点我</a>\u{202e}\n”好";
        let shown = browser(agent);
        assert_eq!(shown, "“a hrefweixin//bizmsgmenumsgmenucontent47”");
        assert!(browser(&"x".repeat(5_000)).len() < 50);
        let text = offer(&Page::new("example.com", agent, "a\nb"), [12, 47, 80]);
        assert_eq!(text.matches("<a href=").count(), 3);
        assert_eq!(text.matches('\n').count(), 9);
        assert!(text.len() < 1_000, "{}", text.len());
    }
}
