//! Chooses the services that look up host names in the statically linked binary.
//!
//! glibc resolves a name through the services that `/etc/nsswitch.conf` lists
//! under `hosts:`, and loads each one that is not built in as a shared library
//! of the machine. In a dynamically linked program that is right: library and
//! program use the same libc. The binary that owners copy has its own libc
//! inside, and such a library then brings a second one, usually of another
//! version, into the process. Tested with a binary built on Debian 12 (glibc 2.36)
//! and `libnss_myhostname`, which many machines list: with the library and libc of
//! Debian 11 the first lookup aborted the process, with Debian 13's it died with
//! SIGFPE.
//!
//! Since glibc 2.34 the services `files` (`/etc/hosts`) and `dns`
//! (`/etc/resolv.conf`) are inside libc itself, static or not. They are all that
//! a server needs to find the platform, so the static binary uses these two,
//! whatever the machine lists. Where systemd-resolved runs, its address is in
//! `/etc/resolv.conf`, so `dns` asks it anyway. Names that only another service
//! knows are not found (mDNS `.local`, containers, LDAP).
//!
//! Looking up users and groups works the same way, with the same danger. Nothing
//! here does so; avoid `std::env::home_dir` and the like.

/// Makes name lookups use only what is inside the binary: `/etc/hosts`, then
/// DNS by `/etc/resolv.conf`.
///
/// Call it once, first thing in `main`, before any other thread starts. It does
/// nothing in a dynamically linked build, where the machine's libc and its
/// services belong together.
#[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
#[allow(unsafe_code)]
pub fn use_built_in_lookups() {
    use std::ffi::{CStr, c_char, c_int};

    const DATABASE: &CStr = c"hosts";
    const SERVICES: &CStr = c"files dns";

    // SAFETY: this is the declaration in glibc's <nss.h>, and a statically
    // linked glibc is exactly what the `cfg` above asks for.
    unsafe extern "C" {
        fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
    }

    // SAFETY: both arguments are NUL-terminated strings that live for ever, and
    // glibc copies what it needs of them. The call replaces a list that lookups
    // in other threads may be reading, hence "before any other thread starts".
    let refused = unsafe { __nss_configure_lookup(DATABASE.as_ptr(), SERVICES.as_ptr()) };
    if refused != 0 {
        // It fails for an unknown database, a list that does not parse, or no
        // memory. The machine's list then stays in force, which is what would
        // have happened without this call: worth a warning, no reason to stop.
        log::warn!(
            "resolver: the built-in lookups could not be chosen: the machine's own are used"
        );
    }
}

/// Does nothing: this build is linked with the machine's libc, whose services
/// belong to it.
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static")))]
pub fn use_built_in_lookups() {}
