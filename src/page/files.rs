//! The files that pages load: style, script and icon, all in the binary.

/// A file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Below the path of the page.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Plain and calm, light and dark, from 320 pixels to a wide screen.
pub const STYLE: File = File {
    path: "/style.css",
    media_type: "text/css; charset=utf-8",
    text: include_str!("style.css"),
};

/// Asks for news every 15 seconds while the page is seen. Everything works without it.
pub const SCRIPT: File = File {
    path: "/script.js",
    media_type: "text/javascript; charset=utf-8",
    text: include_str!("script.js"),
};

/// The icon in the browser's tab.
pub const ICON: File = File {
    path: "/icon.svg",
    media_type: "image/svg+xml",
    text: include_str!("icon.svg"),
};

impl File {
    /// Changes with the text: browsers keep a file under its address, and an update has another one.
    #[must_use]
    pub const fn version(&self) -> u64 {
        // FNV-1a.
        let (bytes, mut hash, mut at) = (self.text.as_bytes(), 0xcbf2_9ce4_8422_2325_u64, 0);
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_short_and_nothing_names_another_site() {
        assert!(SCRIPT.text.lines().count() <= 60);
        for file in [STYLE, SCRIPT, ICON] {
            let text = file.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("//") || file == SCRIPT, "{}", file.path);
            assert!(!text.contains("http"), "{}", file.path);
        }
        assert_ne!(STYLE.version(), SCRIPT.version());
    }
}
