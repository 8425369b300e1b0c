//! How somebody called this program.

use std::ffi::OsString;

/// The program as somebody in this folder calls it, for lines to copy: `./wechatd` before it is installed.
pub fn called() -> String {
    as_called(std::env::args_os().next())
}

fn as_called(name: Option<OsString>) -> String {
    let name = name.and_then(|name| name.into_string().ok());
    let is_near = |name: &String| name.contains('/') && !name.starts_with('/');
    name.filter(is_near).unwrap_or_else(|| "wechatd".to_owned())
}

#[cfg(test)]
mod tests {
    use super::as_called;

    #[test]
    fn lines_to_copy_call_the_program_by_its_path_from_here() {
        for (called, shown) in [
            ("wechatd", "wechatd"),
            ("./wechatd", "./wechatd"),
            ("target/release/wechatd", "target/release/wechatd"),
            ("/usr/local/bin/wechatd", "wechatd"),
        ] {
            assert_eq!(as_called(Some(called.into())), shown);
        }
        assert_eq!(as_called(None), "wechatd");
    }
}
