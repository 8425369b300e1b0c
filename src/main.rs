//! The program `wechatd`: arguments in, exit code out; everything else is the library.

fn main() -> std::process::ExitCode {
    wechatd::cli::main()
}
